// SPDX-License-Identifier: Apache-2.0

/** Attention as a service: many small requests from any thread, over keys and values in memory once. */
@NullMarked
package org.lvxattn.serving;

import org.jspecify.annotations.NullMarked;
