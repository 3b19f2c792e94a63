// SPDX-License-Identifier: Apache-2.0

/** References for results: problems, their float64 results, and error bounds. */
@NullMarked
package org.lvxattn.oracle;

import org.jspecify.annotations.NullMarked;
