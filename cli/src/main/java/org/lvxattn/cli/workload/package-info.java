// SPDX-License-Identifier: Apache-2.0
/** What the commands compute: models, videos and timed runs. */
@NullMarked
package org.lvxattn.cli.workload;

import org.jspecify.annotations.NullMarked;
