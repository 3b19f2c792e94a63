// SPDX-License-Identifier: Apache-2.0
/** Golden cases: reading them, running them, judging the results. */
@NullMarked
package org.lvxattn.cli.golden;

import org.jspecify.annotations.NullMarked;
