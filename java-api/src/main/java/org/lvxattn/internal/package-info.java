// SPDX-License-Identifier: Apache-2.0

/** For all packages of this library: argument checks and hooks. */
@NullMarked
package org.lvxattn.internal;

import org.jspecify.annotations.NullMarked;
