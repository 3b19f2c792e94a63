// SPDX-License-Identifier: Apache-2.0
/**
 * Two programs that compute the same, timed in turns: two builds of this library, or this library
 * and another one. A machine's speed changes from minute to minute, so ratios of what was measured
 * side by side are all that is compared.
 */
@NullMarked
package org.lvxattn.bench.duel;

import org.jspecify.annotations.NullMarked;
