// SPDX-License-Identifier: Apache-2.0
/**
 * Times two programs that compute the same in alternation: two builds of this library, or this
 * library and another one. A machine's speed changes from minute to minute, so only ratios of
 * alternating measurements are compared.
 */
@NullMarked
package org.lvxattn.bench.duel;

import org.jspecify.annotations.NullMarked;
