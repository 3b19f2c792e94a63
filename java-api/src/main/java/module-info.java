// SPDX-License-Identifier: Apache-2.0

/**
 * Exact distributed cross-attention for the JVM. The one module that makes restricted native calls:
 * {@code --enable-native-access=org.lvxattn}.
 */
module org.lvxattn {
  exports org.lvxattn;
  exports org.lvxattn.diagnostics;
  exports org.lvxattn.group;
  exports org.lvxattn.io;
  exports org.lvxattn.launch;
  exports org.lvxattn.layer;
  exports org.lvxattn.model;
  exports org.lvxattn.optim;
  exports org.lvxattn.plan;
  exports org.lvxattn.visual;

  requires static transitive org.jspecify;
  requires static jdk.jfr;
  requires org.lvxattn.natives;
}
