// SPDX-License-Identifier: Apache-2.0

/** What every package of this library uses and no user names: checks and hooks. */
@NullMarked
package org.lvxattn.internal;

import org.jspecify.annotations.NullMarked;
