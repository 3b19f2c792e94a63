// SPDX-License-Identifier: Apache-2.0
/** Files that hold tensors. */
@NullMarked
package org.lvxattn.io;

import org.jspecify.annotations.NullMarked;
