// SPDX-License-Identifier: Apache-2.0
/** Training of a small model over ranks. */
@NullMarked
package org.lvxattn.cli.training;

import org.jspecify.annotations.NullMarked;
