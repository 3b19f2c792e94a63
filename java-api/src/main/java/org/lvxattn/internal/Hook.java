// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal;

import org.jspecify.annotations.Nullable;

/**
 * Something of the package org.lvxattn that the packages below it call and cannot name: the package
 * installs it, as the JDK does with its shared secrets.
 */
public final class Hook<T> {
  /** Its static initializer installs every hook. */
  private static final String INSTALLER = "org.lvxattn.Internals";

  private volatile @Nullable T installed;

  /** Called once, by the package that this belongs to. */
  public void install(T implementation) {
    installed = implementation;
  }

  /** What was installed. */
  public T get() {
    T known = installed;
    if (known == null) {
      try {
        Class.forName(INSTALLER, true, Hook.class.getClassLoader());
      } catch (ClassNotFoundException e) {
        throw new LinkageError("the library is incomplete: it has no " + INSTALLER, e);
      }
      known = installed;
      if (known == null) {
        throw new IllegalStateException(INSTALLER + " did not install this hook");
      }
    }
    return known;
  }
}
