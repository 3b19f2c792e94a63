// SPDX-License-Identifier: Apache-2.0

/**
 * Attention to visual features that all layers share; keys and values are kept or recomputed from
 * them.
 */
@NullMarked
package org.lvxattn.visual;

import org.jspecify.annotations.NullMarked;
