// SPDX-License-Identifier: Apache-2.0
/** What the commands compute: shapes, inputs, the oracle they are judged by. */
@NullMarked
package org.lvxattn.cli.workload;

import org.jspecify.annotations.NullMarked;
