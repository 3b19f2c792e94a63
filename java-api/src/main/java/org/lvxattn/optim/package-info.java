// SPDX-License-Identifier: Apache-2.0
/** Optimisers. */
@NullMarked
package org.lvxattn.optim;

import org.jspecify.annotations.NullMarked;
