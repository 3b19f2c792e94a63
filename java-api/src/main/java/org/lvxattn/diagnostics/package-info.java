// SPDX-License-Identifier: Apache-2.0

/** What this machine has and lacks of what the library needs or can use. */
@NullMarked
package org.lvxattn.diagnostics;

import org.jspecify.annotations.NullMarked;
