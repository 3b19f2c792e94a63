// SPDX-License-Identifier: Apache-2.0

/** The loader of the natives and, in {@code generated}, jextract's bindings of the C ABI. */
@NullMarked
package org.lvxattn.bindings;

import org.jspecify.annotations.NullMarked;
