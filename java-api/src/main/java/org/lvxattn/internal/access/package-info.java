// SPDX-License-Identifier: Apache-2.0

/** What the package org.lvxattn lets the packages above it do with its classes. */
@NullMarked
package org.lvxattn.internal.access;

import org.jspecify.annotations.NullMarked;
