// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests.cycle.upper;

import org.lvxattn.tests.cycle.lower.Lower;

/** One half of a package cycle that the architecture rule must find. */
public record Upper(Lower lower) {}
