// SPDX-License-Identifier: Apache-2.0
/** JMH benchmarks: the overhead of a call from Java, and the speed of the kernels. */
@NullMarked
package org.lvxattn.bench.jmh;

import org.jspecify.annotations.NullMarked;
