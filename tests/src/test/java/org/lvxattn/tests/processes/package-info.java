// SPDX-License-Identifier: Apache-2.0
/** Groups whose ranks are processes of their own. */
@NullMarked
package org.lvxattn.tests.processes;

import org.jspecify.annotations.NullMarked;
