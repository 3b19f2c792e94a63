// SPDX-License-Identifier: Apache-2.0
/** Whole layers of the model families, under one interface. */
@NullMarked
package org.lvxattn.cli.layers;

import org.jspecify.annotations.NullMarked;
