// SPDX-License-Identifier: Apache-2.0

/** A rendezvous over TCP: its protocol, both sides of it, and names and addresses. */
@NullMarked
package org.lvxattn.internal.rendezvous;

import org.jspecify.annotations.NullMarked;
