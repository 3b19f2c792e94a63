// SPDX-License-Identifier: Apache-2.0

/** What results are judged by: problems, their float64 results, and bounds. */
@NullMarked
package org.lvxattn.oracle;

import org.jspecify.annotations.NullMarked;
