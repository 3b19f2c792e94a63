// SPDX-License-Identifier: Apache-2.0

/** A client on the module path. */
module org.example.client {
  requires org.lvxattn;
}
