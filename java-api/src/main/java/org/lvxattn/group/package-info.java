// SPDX-License-Identifier: Apache-2.0

/** Groups of ranks: threads of one JVM, or processes joined by Gloo, MPI or NCCL. */
@NullMarked
package org.lvxattn.group;

import org.jspecify.annotations.NullMarked;
