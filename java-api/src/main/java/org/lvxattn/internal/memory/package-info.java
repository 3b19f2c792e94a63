// SPDX-License-Identifier: Apache-2.0

/** Native memory: who owns it, how it is described, and how elements get in and out. */
@NullMarked
package org.lvxattn.internal.memory;

import org.jspecify.annotations.NullMarked;
