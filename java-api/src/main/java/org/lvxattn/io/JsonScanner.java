// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.io;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.regex.Pattern;

/** A strict scanner for JSON tokens (RFC 8259). Positions count from the start of the file. */
final class JsonScanner {
  private static final int MAX_DEPTH = 32;

  /** The longest list of integers: more dimensions than any tensor has. */
  static final int MAX_INTEGERS = 64;

  private static final byte[] NULL = {'n', 'u', 'l', 'l'};

  private static final Pattern LITERAL =
      Pattern.compile("true|false|null|-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?");

  private final Path file;
  private final long start;
  private final byte[] text;
  private int next;

  /**
   * @param start offset in the file where the text begins
   */
  JsonScanner(Path file, long start, byte[] text) {
    this.file = file;
    this.start = start;
    this.text = text;
  }

  /** Position of the next token. */
  long position() {
    skipSpace();
    return start + next;
  }

  void expect(char token) throws SafetensorsException {
    if (!accept(token)) {
      throw fault("expected '" + token + "', found " + found());
    }
  }

  boolean accept(char token) {
    skipSpace();
    if (next < text.length && text[next] == token) {
      next++;
      return true;
    }
    return false;
  }

  boolean acceptNull() {
    skipSpace();
    boolean found =
        text.length - next >= NULL.length
            && Arrays.equals(text, next, next + NULL.length, NULL, 0, NULL.length);
    next += found ? NULL.length : 0;
    return found;
  }

  /** True after a comma, false after the closing token. */
  boolean another(char closing) throws SafetensorsException {
    if (accept(',')) {
      return true;
    }
    if (accept(closing)) {
      return false;
    }
    throw fault("expected ',' or '" + closing + "', found " + found());
  }

  void expectEnd() throws SafetensorsException {
    skipSpace();
    if (next < text.length) {
      throw fault("expected the text to end, found " + found());
    }
  }

  /** A short list of integers from 0 to 2^63 - 1. */
  long[] integers() throws SafetensorsException {
    expect('[');
    long[] values = new long[MAX_INTEGERS];
    int count = 0;
    for (boolean more = !accept(']'); more; more = another(']')) {
      if (count == MAX_INTEGERS) {
        throw fault("a list of more than " + MAX_INTEGERS + " integers");
      }
      values[count++] = integer();
    }
    return Arrays.copyOf(values, count);
  }

  /** Skips a value of any kind. */
  void skipValue() throws SafetensorsException {
    skipValue(0);
  }

  private void skipValue(int depth) throws SafetensorsException {
    if (depth > MAX_DEPTH) {
      throw fault("values nested more than " + MAX_DEPTH + " deep");
    }
    if (accept('{')) {
      for (boolean more = !accept('}'); more; more = another('}')) {
        string();
        expect(':');
        skipValue(depth + 1);
      }
    } else if (accept('[')) {
      for (boolean more = !accept(']'); more; more = another(']')) {
        skipValue(depth + 1);
      }
    } else if (next < text.length && text[next] == '"') {
      string();
    } else {
      skipLiteral();
    }
  }

  private void skipLiteral() throws SafetensorsException {
    int begin = next;
    while (next < text.length && isLiteral(text[next])) {
      next++;
    }
    String literal = new String(text, begin, next - begin, StandardCharsets.US_ASCII);
    if (!LITERAL.matcher(literal).matches()) {
      next = begin;
      throw fault("expected a value, found " + found());
    }
  }

  private static boolean isLiteral(byte c) {
    return (c >= '0' && c <= '9')
        || (c >= 'a' && c <= 'z')
        || c == 'E'
        || c == '-'
        || c == '+'
        || c == '.';
  }

  private long integer() throws SafetensorsException {
    skipSpace();
    int begin = next;
    long value = 0;
    while (next < text.length && text[next] >= '0' && text[next] <= '9') {
      int digit = text[next] - '0';
      if (value > (Long.MAX_VALUE - digit) / 10) {
        throw fault("expected an integer below 2^63");
      }
      value = 10 * value + digit;
      next++;
    }
    if (next == begin) {
      throw fault("expected a non-negative integer, found " + found());
    }
    if (text[begin] == '0' && next > begin + 1) {
      next = begin;
      throw fault("expected an integer without leading zeros");
    }
    return value;
  }

  String string() throws SafetensorsException {
    expect('"');
    StringBuilder value = new StringBuilder();
    int begin = next;
    while (true) {
      if (next >= text.length) {
        throw fault("the text ends inside a string; expected '\"'");
      }
      byte c = text[next];
      if (c == '"' || c == '\\') {
        value.append(decode(begin, next));
        next++;
        if (c == '"') {
          break;
        }
        value.append(escape());
        begin = next;
      } else if (c >= 0 && c < ' ') {
        throw fault("a control character inside a string; expected it to be escaped");
      } else {
        next++;
      }
    }
    checkSurrogates(value);
    return value.toString();
  }

  private char escape() throws SafetensorsException {
    char c = next < text.length ? (char) text[next++] : 0;
    return switch (c) {
      case '"', '\\', '/' -> c;
      case 'b' -> '\b';
      case 'f' -> '\f';
      case 'n' -> '\n';
      case 'r' -> '\r';
      case 't' -> '\t';
      case 'u' -> unicode();
      default -> throw fault("an unknown escape in a string; expected one of \\\"\\/bfnrtu");
    };
  }

  private char unicode() throws SafetensorsException {
    int value = 0;
    for (int i = 0; i < 4; i++) {
      int digit = next < text.length ? Character.digit((char) text[next], 16) : -1;
      if (digit < 0) {
        throw fault("expected four hexadecimal digits after \\u");
      }
      value = 16 * value + digit;
      next++;
    }
    return (char) value;
  }

  private String decode(int begin, int end) throws SafetensorsException {
    try {
      return StandardCharsets.UTF_8
          .newDecoder()
          .onMalformedInput(CodingErrorAction.REPORT)
          .onUnmappableCharacter(CodingErrorAction.REPORT)
          .decode(ByteBuffer.wrap(text, begin, end - begin))
          .toString();
    } catch (CharacterCodingException e) {
      throw fault("expected UTF-8 text");
    }
  }

  /** Rejects unpaired surrogates: names that differ only in these would print the same. */
  private void checkSurrogates(CharSequence value) throws SafetensorsException {
    for (int i = 0; i < value.length(); i++) {
      if (Character.isHighSurrogate(value.charAt(i))
          && i + 1 < value.length()
          && Character.isLowSurrogate(value.charAt(i + 1))) {
        i++;
      } else if (Character.isSurrogate(value.charAt(i))) {
        throw fault("a string with half a surrogate pair");
      }
    }
  }

  private void skipSpace() {
    while (next < text.length
        && (text[next] == ' ' || text[next] == '\n' || text[next] == '\r' || text[next] == '\t')) {
      next++;
    }
  }

  private String found() {
    if (next >= text.length) {
      return "the end of the text";
    }
    int c = text[next] & 0xff;
    return c > ' ' && c < 0x7f ? "'" + (char) c + "'" : String.format("byte 0x%02x", c);
  }

  private SafetensorsException fault(String what) {
    return new SafetensorsException(file, start + next, what);
  }
}
