// SPDX-License-Identifier: Apache-2.0

/** Part of a package cycle that the architecture rule must find. */
@NullMarked
package org.lvxattn.tests.cycle.lower;

import org.jspecify.annotations.NullMarked;
