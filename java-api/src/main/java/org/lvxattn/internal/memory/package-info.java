// SPDX-License-Identifier: Apache-2.0

/** Native memory: ownership, descriptors, and reading and writing of elements. */
@NullMarked
package org.lvxattn.internal.memory;

import org.jspecify.annotations.NullMarked;
