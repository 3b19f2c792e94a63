// SPDX-License-Identifier: Apache-2.0
/** The {@code lvx} command. */
@NullMarked
package org.lvxattn.cli;

import org.jspecify.annotations.NullMarked;
