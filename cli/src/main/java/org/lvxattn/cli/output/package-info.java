// SPDX-License-Identifier: Apache-2.0
/** Output of results: tables, JSON, charts and progress bars. */
@NullMarked
package org.lvxattn.cli.output;

import org.jspecify.annotations.NullMarked;
