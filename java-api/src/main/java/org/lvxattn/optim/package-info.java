// SPDX-License-Identifier: Apache-2.0
/** Optimizers: SGD, Adam and AdamW, on the host. */
@NullMarked
package org.lvxattn.optim;

import org.jspecify.annotations.NullMarked;
