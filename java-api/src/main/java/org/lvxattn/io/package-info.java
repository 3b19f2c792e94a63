// SPDX-License-Identifier: Apache-2.0
/** Reading and writing safetensors files. */
@NullMarked
package org.lvxattn.io;

import org.jspecify.annotations.NullMarked;
