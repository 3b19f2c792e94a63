// SPDX-License-Identifier: Apache-2.0

/** The structs by which frameworks lend each other tensors: DLPack, unversioned and versioned. */
@NullMarked
package org.lvxattn.internal.dlpack;

import org.jspecify.annotations.NullMarked;
