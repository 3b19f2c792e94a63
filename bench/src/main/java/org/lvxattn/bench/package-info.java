// SPDX-License-Identifier: Apache-2.0
/** Shared by benchmarks and experiments: one rank's work, and the shapes. */
@NullMarked
package org.lvxattn.bench;

import org.jspecify.annotations.NullMarked;
