// SPDX-License-Identifier: Apache-2.0

/** Calls that all ranks of a group make together. */
@NullMarked
package org.lvxattn.internal.collective;

import org.jspecify.annotations.NullMarked;
