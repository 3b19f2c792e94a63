// SPDX-License-Identifier: Apache-2.0
/** Optimisers: what turns gradients into better parameters. */
@NullMarked
package org.lvxattn.optim;

import org.jspecify.annotations.NullMarked;
