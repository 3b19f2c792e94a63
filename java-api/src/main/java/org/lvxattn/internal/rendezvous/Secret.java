// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.rendezvous;

import java.nio.charset.StandardCharsets;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.internal.Preconditions;

/** The shared secret by which ranks authenticate each other. */
public final class Secret {
  /** The environment variable that holds the secret. */
  private static final String VARIABLE = "LVX_SECRET";

  private Secret() {}

  /** Checks that a text is a valid secret. */
  public static String require(@Nullable String secret, String name) {
    String text = Preconditions.present(secret, name);
    Preconditions.require(!text.isEmpty(), name + " is empty; a text was expected");
    int bytes = text.getBytes(StandardCharsets.UTF_8).length;
    Preconditions.require(
        bytes <= Lvx.LVX_SECRET_BYTES(),
        name
            + " has "
            + bytes
            + " bytes in UTF-8; 1 to "
            + Lvx.LVX_SECRET_BYTES()
            + " were expected");
    Preconditions.require(
        text.indexOf('\0') < 0, name + " contains a NUL character; none was expected");
    return text;
  }

  /** The secret of the environment, or null. */
  public static @Nullable String ofEnvironment(UnaryOperator<@Nullable String> variables) {
    String secret = variables.apply(VARIABLE);
    try {
      return secret == null ? null : require(secret, "secret");
    } catch (IllegalArgumentException e) {
      throw new IllegalStateException(
          "environment variable " + VARIABLE + ": " + e.getMessage(), e);
    }
  }
}
