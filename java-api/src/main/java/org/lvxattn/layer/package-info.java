// SPDX-License-Identifier: Apache-2.0

/**
 * Layer operations other than attention: projections, norms, rotary embedding, activations, gates.
 */
@NullMarked
package org.lvxattn.layer;

import org.jspecify.annotations.NullMarked;
