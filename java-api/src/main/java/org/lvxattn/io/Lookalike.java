// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.io;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Recognises other file formats by their first bytes. Only for files that could not be read: the
 * length field of a valid header may look like any signature.
 */
final class Lookalike {
  private static final int LOOKED_AT = 512;
  private static final String LFS = "version https://git-lfs.github.com/spec/";

  private record Signature(String begin, String what) {}

  private static final List<Signature> SIGNATURES =
      List.of(
          new Signature(
              "PK\003\004",
              "a zip archive, as torch.save writes them (.bin, .pt, .pth): load it with PyTorch,"
                  + " and store it with safetensors.torch.save_file"),
          new Signature("GGUF", "a GGUF file: this reads the safetensors of the same model"),
          new Signature("\u0089HDF\r\n", "an HDF5 file (Keras): this reads safetensors"),
          new Signature("\u0093NUMPY", "a NumPy array: store it with safetensors.numpy.save_file"),
          new Signature("\u001f\u008b", "compressed by gzip: decompress it first"),
          new Signature("(\u00b5/\u00fd", "compressed by zstd: decompress it first"),
          new Signature("\u00fd7zXZ", "compressed by xz: decompress it first"));

  private Lookalike() {}

  /** What the file seems to be and what to do about it; null if unknown. */
  static @Nullable String of(MemorySegment file) {
    byte[] bytes =
        file.asSlice(0, Math.min(LOOKED_AT, file.byteSize())).toArray(ValueLayout.JAVA_BYTE);
    String begin = new String(bytes, StandardCharsets.ISO_8859_1);
    for (Signature signature : SIGNATURES) {
      if (begin.startsWith(signature.begin())) {
        return signature.what();
      }
    }
    if (bytes.length > 1 && bytes[0] == (byte) 0x80 && bytes[1] >= 2 && bytes[1] <= 5) {
      return "a Python pickle (.bin, .pt): load it with PyTorch, and store it with"
          + " safetensors.torch.save_file";
    }
    return ofText(begin);
  }

  private static @Nullable String ofText(String begin) {
    if (begin.startsWith(LFS)) {
      return "a Git LFS pointer, not the file that it stands for"
          + sizeOf(begin)
          + ": \"git lfs pull\" in its repository fetches that";
    }
    String text = begin.replaceFirst("^\u00ef\u00bb\u00bf", "").stripLeading();
    String lower = text.toLowerCase(Locale.ROOT);
    if (lower.startsWith("<!doctype html") || lower.startsWith("<html")) {
      return "a web page (HTML): the download was answered by a page, for instance one that asks to"
          + " sign in";
    }
    if (lower.startsWith("<?xml")) {
      return "an XML text: the download was answered by an error, for instance";
    }
    if (text.startsWith("{")) {
      return "JSON text; the index of a sharded checkpoint is opened by ShardedSafetensors";
    }
    return null;
  }

  private static String sizeOf(String pointer) {
    for (String line : pointer.split("\n", -1)) {
      if (line.matches("size [0-9]{1,19}")) {
        return " (" + line.substring("size ".length()) + " bytes)";
      }
    }
    return "";
  }
}
