// SPDX-License-Identifier: Apache-2.0
/**
 * Compares strategies over keys per query and bandwidth: measured and planned times in one table
 * and one chart.
 */
@NullMarked
package org.lvxattn.bench.scaling;

import org.jspecify.annotations.NullMarked;
