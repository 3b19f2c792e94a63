// SPDX-License-Identifier: Apache-2.0

/** Calls of the native library, and what their failures become. */
@NullMarked
package org.lvxattn.internal.ffi;

import org.jspecify.annotations.NullMarked;
