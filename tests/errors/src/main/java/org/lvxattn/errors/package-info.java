// SPDX-License-Identifier: Apache-2.0

/** How far a result is from what it should be: the one measure of this project. */
@NullMarked
package org.lvxattn.errors;

import org.jspecify.annotations.NullMarked;
