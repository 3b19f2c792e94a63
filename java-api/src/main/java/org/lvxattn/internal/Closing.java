// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal;

import org.jspecify.annotations.Nullable;

/** Closes several resources, none of which throws checked exceptions. */
public final class Closing {
  private Closing() {}

  /** Closes all that there are, and then throws the first failure, the others suppressed. */
  public static void closeAll(@Nullable AutoCloseable... resources) {
    RuntimeException failure = null;
    for (AutoCloseable resource : resources) {
      if (resource == null) {
        continue;
      }
      try {
        resource.close();
      } catch (Exception e) {
        RuntimeException next =
            e instanceof RuntimeException unchecked ? unchecked : new IllegalStateException(e);
        if (failure == null) {
          failure = next;
        } else {
          failure.addSuppressed(next);
        }
      }
    }
    if (failure != null) {
      throw failure;
    }
  }

  /** Closes what was made before a failure, which stays the one that is reported. */
  public static void closeAfter(Throwable failure, @Nullable AutoCloseable... resources) {
    try {
      closeAll(resources);
    } catch (RuntimeException e) {
      failure.addSuppressed(e);
    }
  }
}
