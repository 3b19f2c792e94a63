// SPDX-License-Identifier: Apache-2.0

/** Of a cycle that is there to be found. */
@NullMarked
package org.lvxattn.tests.cycle.upper;

import org.jspecify.annotations.NullMarked;
