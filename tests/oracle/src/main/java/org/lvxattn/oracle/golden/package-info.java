// SPDX-License-Identifier: Apache-2.0
/** Golden cases: reading them, running them, judging the results. */
@NullMarked
package org.lvxattn.oracle.golden;

import org.jspecify.annotations.NullMarked;
