// SPDX-License-Identifier: Apache-2.0

/** Tests of the whole, through what users of the library and of the command have. */
@NullMarked
package org.lvxattn.tests;

import org.jspecify.annotations.NullMarked;
