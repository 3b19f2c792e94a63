// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal;

import org.jspecify.annotations.Nullable;

/** Closes several resources that throw no checked exceptions. */
public final class Closing {
  private Closing() {}

  /** Closes all non-null resources, then throws the first failure with the others suppressed. */
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

  /** Closes resources after a failure; failures to close are added to it as suppressed. */
  public static void closeAfter(Throwable failure, @Nullable AutoCloseable... resources) {
    try {
      closeAll(resources);
    } catch (RuntimeException e) {
      failure.addSuppressed(e);
    }
  }
}
