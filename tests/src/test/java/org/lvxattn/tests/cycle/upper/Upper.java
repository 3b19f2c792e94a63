// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests.cycle.upper;

import org.lvxattn.tests.cycle.lower.Lower;

/** Half of a cycle of packages, for the rule that forbids them to find. */
public record Upper(Lower lower) {}
