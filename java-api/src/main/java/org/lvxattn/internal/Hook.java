// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal;

import org.jspecify.annotations.Nullable;

/**
 * A part of the package org.lvxattn that packages below it call but cannot name. The package
 * installs it, like the JDK's shared secrets.
 */
public final class Hook<T> {
  /** The class whose static initializer installs every hook. */
  private static final String INSTALLER = "org.lvxattn.Internals";

  private volatile @Nullable T installed;

  /** Called once, by the package that implements the hook. */
  public void install(T implementation) {
    installed = implementation;
  }

  /** The installed implementation. */
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
