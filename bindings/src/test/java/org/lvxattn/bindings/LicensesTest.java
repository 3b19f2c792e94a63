// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bindings;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Properties;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** The jar has the licence of every third-party library in it. */
class LicensesTest {
  private static final String FOLDER = "/META-INF/licenses/";
  private static final Pattern COMMON =
      Pattern.compile("/usr/share/common-licenses/([A-Za-z0-9.-]*[A-Za-z0-9])");

  @Test
  void everyCarriedLibraryHasItsText() throws IOException {
    List<String> carried = carried();
    assertThat(carried).contains("libstdc++.so.6");
    carried.add("libopenblas.a"); // is a part of liblvx.so
    for (String library : carried) {
      String text = text(library + ".txt");
      assertThat(text).as("licence of %s", library).isNotNull().containsIgnoringCase("copyright");
      Matcher named = COMMON.matcher(Objects.requireNonNull(text));
      while (named.find()) {
        String license = named.group(1);
        assertThat(text("common/" + license + ".txt"))
            .as("%s, which that of %s names", license, library)
            .isNotNull()
            .hasSizeGreaterThan(1000);
      }
    }
  }

  /** All third-party libraries. */
  private static List<String> carried() throws IOException {
    Properties index = new Properties();
    try (InputStream in =
        LicensesTest.class.getResourceAsStream(
            "/org/lvxattn/native/"
                + NativeLibraryPlatform.current()
                + "/"
                + NativeLibraryBundle.INDEX)) {
      index.load(Objects.requireNonNull(in));
    }
    List<String> libraries = new ArrayList<>();
    for (String key : index.stringPropertyNames()) {
      if (key.startsWith("sha256.") && !key.startsWith("sha256.liblvx")) {
        libraries.add(key.substring("sha256.".length()));
      }
    }
    return libraries;
  }

  private static @Nullable String text(String name) throws IOException {
    try (InputStream in = LicensesTest.class.getResourceAsStream(FOLDER + name)) {
      return in == null ? null : new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }
}
