// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Identifiers that the changelog's table retires are not used anywhere else. */
class RetiredWordsTest {
  private static final Path PROJECT = Path.of("..").toAbsolutePath().normalize();
  private static final String CHANGELOG = "CHANGELOG.md";
  private static final Pattern ROW = Pattern.compile("^\\| `([^`]+)` \\|", Pattern.MULTILINE);

  /** In two pieces, so that this file does not contain it. */
  private static final String ABSOLUTE_TIME = "dead" + "line";

  @Test
  void theRepositoryUsesNoRetiredIdentifier() throws IOException {
    List<String> retired = retiredIdentifiers(Files.readString(PROJECT.resolve(CHANGELOG)));
    assertThat(retired).contains("Sum" + "Of", "--eng" + "ine").hasSizeGreaterThan(40);
    assertThat(offences(PROJECT, retired)).isEmpty();
  }

  @Test
  void plantedWordsAreFound(@TempDir Path folder) throws IOException {
    Files.createDirectories(folder.resolve("target"));
    Files.createDirectories(folder.resolve("src"));
    Files.writeString(folder.resolve(CHANGELOG), "| `OldName` | `NewName` | " + ABSOLUTE_TIME);
    Files.writeString(folder.resolve("target/built.txt"), "OldName");
    Files.writeString(folder.resolve("src/fine.h"), "kOldNameAll OldNames run --old-options");
    Files.writeString(folder.resolve("src/a.h"), "// first line\nOldName<float> sum;\n");
    Files.writeString(folder.resolve("src/b.md"), "run --old-option lvx, my" + ABSOLUTE_TIME + "s");
    assertThat(offences(folder, List.of("OldName", "--old-option")))
        .containsExactlyInAnyOrder(
            "src/a.h:2: OldName", "src/b.md:1: --old-option", "src/b.md:1: " + ABSOLUTE_TIME);
  }

  private static List<String> retiredIdentifiers(String changelog) {
    int begin = changelog.indexOf("### Retired identifiers");
    int end = changelog.indexOf("\n## ", begin);
    assertThat(begin).as("the section Retired identifiers of " + CHANGELOG).isPositive();
    return ROW.matcher(changelog.substring(begin, end < 0 ? changelog.length() : end))
        .results()
        .map(row -> row.group(1))
        .toList();
  }

  /** {@code file:line: word} for each retired word below a folder. */
  private static List<String> offences(Path root, List<String> retired) throws IOException {
    String identifiers = retired.stream().map(Pattern::quote).collect(Collectors.joining("|"));
    Pattern words =
        Pattern.compile("(?<![\\w-])(?:" + identifiers + ")(?!\\w)|(?i:" + ABSOLUTE_TIME + ")");
    List<String> found = new ArrayList<>();
    for (Path file : sources(root)) {
      String text;
      try {
        text = Files.readString(file);
      } catch (CharacterCodingException e) { // an image or a tensor
        continue;
      }
      Matcher matcher = words.matcher(text);
      while (matcher.find()) {
        long line = 1 + text.substring(0, matcher.start()).chars().filter(c -> c == '\n').count();
        found.add(root.relativize(file) + ":" + line + ": " + lowerIfTime(matcher.group()));
      }
    }
    return found;
  }

  private static String lowerIfTime(String word) {
    String lower = word.toLowerCase(Locale.ROOT);
    return lower.equals(ABSOLUTE_TIME) ? lower : word;
  }

  /** All files except the changelog, build results, files of tools, and git's files. */
  private static List<Path> sources(Path root) throws IOException {
    Set<String> kept = Set.of(".ci", ".mvn");
    List<Path> files = new ArrayList<>();
    Files.walkFileTree(
        root,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult preVisitDirectory(Path folder, BasicFileAttributes attributes) {
            String name = folder.getFileName().toString();
            boolean skipped =
                !folder.equals(root)
                    && (name.equals("target") || (name.startsWith(".") && !kept.contains(name)));
            return skipped ? FileVisitResult.SKIP_SUBTREE : FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
            if (attributes.isRegularFile() && !file.equals(root.resolve(CHANGELOG))) {
              files.add(file);
            }
            return FileVisitResult.CONTINUE;
          }
        });
    return files;
  }
}
