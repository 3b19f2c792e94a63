// SPDX-License-Identifier: Apache-2.0
/** JMH benchmarks: what a call from Java costs, and how fast the kernels are. */
@NullMarked
package org.lvxattn.bench.jmh;

import org.jspecify.annotations.NullMarked;
