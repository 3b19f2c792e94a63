// SPDX-License-Identifier: Apache-2.0
/**
 * How strategies compare as keys per query and bandwidth change: measured, and as the planner
 * predicts, in one table and one picture.
 */
@NullMarked
package org.lvxattn.bench.scaling;

import org.jspecify.annotations.NullMarked;
