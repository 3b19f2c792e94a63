// SPDX-License-Identifier: Apache-2.0

/** Collective calls of a group. */
@NullMarked
package org.lvxattn.internal.collective;

import org.jspecify.annotations.NullMarked;
