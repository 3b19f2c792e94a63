// SPDX-License-Identifier: Apache-2.0

/** Exact distributed cross-attention for the JVM. */
module org.lvxattn {
  requires static org.jspecify;
  requires org.lvxattn.natives;
}
