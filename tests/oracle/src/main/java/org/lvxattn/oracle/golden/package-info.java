// SPDX-License-Identifier: Apache-2.0
/** Golden cases: reading and running them, and comparing results. */
@NullMarked
package org.lvxattn.oracle.golden;

import org.jspecify.annotations.NullMarked;
