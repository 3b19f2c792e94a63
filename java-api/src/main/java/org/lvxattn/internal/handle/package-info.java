// SPDX-License-Identifier: Apache-2.0

/** Typed access to the native side of the package org.lvxattn, for packages above it. */
@NullMarked
package org.lvxattn.internal.handle;

import org.jspecify.annotations.NullMarked;
