// SPDX-License-Identifier: Apache-2.0
/** Groups whose ranks are processes. */
@NullMarked
package org.lvxattn.tests.processes;

import org.jspecify.annotations.NullMarked;
