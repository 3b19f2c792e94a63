// SPDX-License-Identifier: Apache-2.0
/** How results reach people and programs. */
@NullMarked
package org.lvxattn.cli.output;

import org.jspecify.annotations.NullMarked;
