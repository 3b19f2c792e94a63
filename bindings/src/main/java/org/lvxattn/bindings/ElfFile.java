// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bindings;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Checks the ELF headers of a file before it is loaded: it must be a complete shared library for
 * this processor. The dynamic linker maps what the headers declare, and the process dies (SIGBUS)
 * if the file is shorter.
 */
final class ElfFile {
  private static final int HEADER = 64;
  private static final int PROGRAM_HEADER = 56;
  private static final int ET_DYN = 3;
  private static final int PT_LOAD = 1;
  private static final int PT_DYNAMIC = 2;
  private static final int DT_NEEDED = 1;
  private static final int DT_STRTAB = 5;
  private static final int MOST = 1 << 20; // bytes of the parts that are read here

  private final SeekableByteChannel file;
  private final long size;
  private final List<Segment> loaded = new ArrayList<>();
  private @Nullable Segment dynamic;

  private record Segment(long offset, long address, long fileBytes) {}

  private ElfFile(SeekableByteChannel file, long size) {
    this.file = file;
    this.size = size;
  }

  /**
   * Checks a file that is to be loaded.
   *
   * @return the names of the libraries that it needs
   * @throws IOException if it cannot be read, or is not a complete library for this processor
   */
  static List<String> check(Path file) throws IOException {
    if (!FileStatus.of(file).isRegular()) {
      throw new IOException("is not a regular file"); // opening a named pipe would wait
    }
    try (var channel =
        Files.newByteChannel(file, StandardOpenOption.READ, LinkOption.NOFOLLOW_LINKS)) {
      ElfFile elf = new ElfFile(channel, channel.size());
      elf.readHeaders();
      return elf.needed();
    }
  }

  private void readHeaders() throws IOException {
    ByteBuffer header = read(0, HEADER);
    if (header.limit() < 20 || header.getInt(0) != 0x464c457f) {
      throw new IOException("is no shared library: it does not begin as ELF files do");
    }
    int machine = header.getShort(18) & 0xffff;
    boolean expected = header.get(4) == 2 && header.get(5) == 1; // 64 bits, little-endian
    if (!expected || !machineName(machine).equals(NativeLibraryPlatform.processor())) {
      throw new IOException(
          "is for another processor: "
              + machineName(machine)
              + (header.get(4) == 2 ? "" : ", 32 bits")
              + "; this JVM needs "
              + NativeLibraryPlatform.processor());
    }
    requireWhole(HEADER);
    if (header.getShort(16) != ET_DYN) {
      throw new IOException("is an ELF file, but no shared library");
    }
    long table = header.getLong(32);
    int entry = header.getShort(54) & 0xffff;
    int count = header.getShort(56) & 0xffff;
    if (entry != PROGRAM_HEADER) {
      throw new IOException("is damaged: its program headers have " + entry + " bytes");
    }
    requireWhole(table, (long) entry * count);
    // The section table is at the end of nearly every file, so truncation shows here.
    requireWhole(
        header.getLong(40), (long) (header.getShort(58) & 0xffff) * (header.getShort(60) & 0xffff));
    ByteBuffer headers = read(table, entry * count);
    for (int at = 0; at < headers.limit(); at += entry) {
      int type = headers.getInt(at);
      Segment segment =
          new Segment(headers.getLong(at + 8), headers.getLong(at + 16), headers.getLong(at + 32));
      if (type == PT_LOAD || type == PT_DYNAMIC) {
        requireWhole(segment.offset, segment.fileBytes);
      }
      if (type == PT_LOAD) {
        loaded.add(segment);
      } else if (type == PT_DYNAMIC) {
        dynamic = segment;
      }
    }
  }

  private List<String> needed() throws IOException {
    List<String> names = new ArrayList<>();
    if (dynamic == null) {
      return names;
    }
    ByteBuffer entries = read(dynamic.offset, (int) Math.min(MOST, dynamic.fileBytes));
    List<Long> offsets = new ArrayList<>();
    long strings = 0;
    for (int at = 0; at + 16 <= entries.limit(); at += 16) {
      long tag = entries.getLong(at);
      if (tag == DT_NEEDED) {
        offsets.add(entries.getLong(at + 8));
      } else if (tag == DT_STRTAB) {
        strings = offsetOf(entries.getLong(at + 8));
      }
    }
    for (long offset : offsets) {
      ByteBuffer text = read(strings + offset, 256);
      int length = 0;
      while (length < text.limit() && text.get(length) != 0) {
        length++;
      }
      names.add(StandardCharsets.UTF_8.decode(text.slice(0, length)).toString());
    }
    return names;
  }

  private long offsetOf(long address) throws IOException {
    for (Segment segment : loaded) {
      if (address >= segment.address && address - segment.address < segment.fileBytes) {
        return segment.offset + address - segment.address;
      }
    }
    throw new IOException("is damaged: its table of names lies outside of it");
  }

  private ByteBuffer read(long offset, int bytes) throws IOException {
    ByteBuffer all = ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    file.position(offset);
    while (all.hasRemaining() && file.read(all) > 0) {
      // fewer bytes at the end of the file
    }
    return all.flip();
  }

  private void requireWhole(long offset, long bytes) throws IOException {
    if (offset < 0 || bytes < 0 || offset > Long.MAX_VALUE - bytes) {
      throw new IOException("is damaged: its headers hold impossible numbers");
    }
    requireWhole(offset + bytes);
  }

  private void requireWhole(long end) throws IOException {
    if (end > size) {
      throw new IOException(
          "has been cut: it has " + size + " bytes, but its headers announce " + end);
    }
  }

  /** The usual name of a machine, for common ones. */
  private static String machineName(int machine) {
    return switch (machine) {
      case 3 -> "x86";
      case 40 -> "arm";
      case 21 -> "ppc64";
      case 22 -> "s390x";
      case 62 -> "x86_64";
      case 183 -> "aarch64";
      case 243 -> "riscv64";
      case 258 -> "loongarch64";
      default -> "machine " + machine;
    };
  }
}
