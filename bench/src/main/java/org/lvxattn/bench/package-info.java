// SPDX-License-Identifier: Apache-2.0
/** What benchmarks and experiments measure: one rank's work, and the shapes they have in common. */
@NullMarked
package org.lvxattn.bench;

import org.jspecify.annotations.NullMarked;
