// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** What the ranks of a group prove to one another to know. */
final class GroupSecret {
  private static final String VARIABLE = "LVX_SECRET";

  private GroupSecret() {}

  /**
   * What the environment says, or null.
   *
   * @throws IllegalStateException if that is empty
   */
  static @Nullable String of(UnaryOperator<@Nullable String> variables) {
    String secret = variables.apply(VARIABLE);
    if (secret != null && secret.isEmpty()) {
      throw new IllegalStateException(
          "environment variable "
              + VARIABLE
              + " is empty; a text was expected, or that it is not set");
    }
    return secret;
  }

  static String require(@Nullable String secret) {
    Arguments.require(
        !Arguments.present(secret, "secret").isEmpty(), "secret is empty; a text was expected");
    return secret;
  }
}
