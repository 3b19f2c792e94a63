// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.io;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/** Finds the most similar existing names, for messages about a missing name. */
final class NearestNames {
  private static final int MOST = 5;
  private static final int LONGEST = 200;

  private record Candidate(String name, int distance) {}

  private NearestNames() {}

  /**
   * Text such as "it holds 3 tensors, \"a\", ...". It lists all names if they are few, else the
   * nearest names, else the first.
   */
  static String describe(String name, Collection<String> names) {
    if (names.isEmpty()) {
      return "it holds no tensors";
    }
    String count = "it holds " + names.size() + (names.size() == 1 ? " tensor" : " tensors");
    if (names.size() <= MOST) {
      return count + ": " + quoted(List.copyOf(names));
    }
    List<String> nearest = nearest(name, names);
    return nearest.isEmpty()
        ? count + ", none of a similar name; the first are " + quoted(firstOf(names))
        : count + "; the nearest are " + quoted(nearest);
  }

  private static List<String> firstOf(Collection<String> names) {
    return names.stream().limit(MOST).toList();
  }

  private static String quoted(List<String> names) {
    return names.stream()
        .map(name -> name.length() > LONGEST ? name.substring(0, LONGEST) + "..." : name)
        .map(name -> '"' + name + '"')
        .collect(Collectors.joining(", "));
  }

  private static List<String> nearest(String name, Collection<String> names) {
    if (name.length() > LONGEST) {
      return List.of();
    }
    int furthest = Math.max(2, name.length() / 4);
    List<Candidate> candidates = new ArrayList<>();
    for (String other : names) {
      int distance = other.length() > LONGEST ? furthest + 1 : distance(name, other, furthest);
      if (distance <= furthest) {
        candidates.add(new Candidate(other, distance));
      }
    }
    return candidates.stream()
        .sorted(Comparator.comparingInt(Candidate::distance))
        .limit(MOST)
        .map(Candidate::name)
        .toList();
  }

  /**
   * 0 if the names differ only in case or a prefix ("model."), otherwise their edit distance; above
   * furthest it is not exact.
   */
  private static int distance(String name, String other, int furthest) {
    if (name.equalsIgnoreCase(other) || isEndOf(name, other) || isEndOf(other, name)) {
      return 0;
    }
    return edits(name.toLowerCase(Locale.ROOT), other.toLowerCase(Locale.ROOT), furthest);
  }

  private static boolean isEndOf(String end, String whole) {
    return !end.isEmpty() && whole.endsWith("." + end);
  }

  /** Levenshtein distance; stops early if it exceeds furthest. */
  private static int edits(String a, String b, int furthest) {
    if (Math.abs(a.length() - b.length()) > furthest) {
      return furthest + 1;
    }
    int[] above = new int[b.length() + 1];
    for (int j = 0; j <= b.length(); j++) {
      above[j] = j;
    }
    for (int i = 1; i <= a.length(); i++) {
      int[] row = new int[b.length() + 1];
      row[0] = i;
      int least = i;
      for (int j = 1; j <= b.length(); j++) {
        int changed = above[j - 1] + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
        row[j] = Math.min(changed, Math.min(above[j], row[j - 1]) + 1);
        least = Math.min(least, row[j]);
      }
      if (least > furthest) {
        return least;
      }
      above = row;
    }
    return above[b.length()];
  }
}
