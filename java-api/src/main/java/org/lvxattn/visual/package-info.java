// SPDX-License-Identifier: Apache-2.0

/**
 * Attention to visual features that all layers share, with keys and values recomputed from them.
 */
@NullMarked
package org.lvxattn.visual;

import org.jspecify.annotations.NullMarked;
