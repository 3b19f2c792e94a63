// SPDX-License-Identifier: Apache-2.0

/** Calls of the native library, and the exceptions for their failures. */
@NullMarked
package org.lvxattn.internal.ffi;

import org.jspecify.annotations.NullMarked;
