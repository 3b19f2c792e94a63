// SPDX-License-Identifier: Apache-2.0
/** Attention in a barrier stage of Spark. */
@NullMarked
package org.lvxattn.examples.spark;

import org.jspecify.annotations.NullMarked;
