// SPDX-License-Identifier: Apache-2.0

/** Tests of the whole product through its public API and its command. */
@NullMarked
package org.lvxattn.tests;

import org.jspecify.annotations.NullMarked;
