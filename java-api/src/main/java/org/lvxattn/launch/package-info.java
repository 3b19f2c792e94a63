// SPDX-License-Identifier: Apache-2.0

/** How processes that a launcher has started find each other. */
@NullMarked
package org.lvxattn.launch;

import org.jspecify.annotations.NullMarked;
