// SPDX-License-Identifier: Apache-2.0

/** Access to non-public parts of the package org.lvxattn, for the packages above it. */
@NullMarked
package org.lvxattn.internal.access;

import org.jspecify.annotations.NullMarked;
