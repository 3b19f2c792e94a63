// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bindings;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.charset.Charset;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import org.jspecify.annotations.Nullable;

/**
 * A file that is open for reading, through the C library. Status and content belong to the same
 * file, even if its name is reassigned meanwhile. Links are not followed. Java's channels do not
 * give the status of the file that they have opened.
 */
final class OpenFile implements AutoCloseable {
  // <fcntl.h> of Linux, on every processor with natives.
  private static final int O_RDONLY = 0;
  private static final int O_NONBLOCK = 0x800; // or a named pipe would wait for its writer
  private static final int O_NOFOLLOW = isX86() ? 0x20000 : 0x8000;
  private static final int O_CLOEXEC = 0x80000;

  private static final int ENOENT = 2;
  private static final int EACCES = 13;
  private static final int ENOTDIR = 20;
  private static final int ELOOP = 40;

  private static final int CHUNK = 1 << 20;

  /** Offsets in struct stat; two of them differ on x86-64 from all other processors. */
  private static final int STAT_BYTES = 144;

  private static final int STAT_MODE = isX86() ? 24 : 16;
  private static final int STAT_OWNER = isX86() ? 28 : 24;
  private static final int STAT_SIZE = 48;
  private static final int STAT_SECONDS = 88;

  private final Path path;
  private final int descriptor;

  private OpenFile(Path path, int descriptor) {
    this.path = path;
    this.descriptor = descriptor;
  }

  private static final StructLayout ERRNO = Linker.Option.captureStateLayout();
  private static final VarHandle ERRNO_OF =
      ERRNO.varHandle(MemoryLayout.PathElement.groupElement("errno"));

  /**
   * Functions of the C library. They are not looked up in a class initializer: if this JVM denies
   * native access, that would fail and leave the class unusable.
   */
  private record C(
      MethodHandle open,
      MethodHandle fstat,
      MethodHandle pread,
      MethodHandle close,
      MethodHandle geteuid) {
    private static volatile @Nullable C found;

    static C get() {
      C functions = found;
      if (functions == null) {
        functions =
            new C(
                function("open", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT)),
                function("fstat", FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS)),
                function(
                    "pread",
                    FunctionDescriptor.of(JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG, JAVA_LONG)),
                function("close", FunctionDescriptor.of(JAVA_INT, JAVA_INT)),
                function("geteuid", FunctionDescriptor.of(JAVA_INT)));
        found = functions;
      }
      return functions;
    }

    private static MethodHandle function(String name, FunctionDescriptor type) {
      Linker linker = Linker.nativeLinker();
      return linker.downcallHandle(
          linker.defaultLookup().findOrThrow(name), type, Linker.Option.captureCallState("errno"));
    }
  }

  /** The effective user of this process. */
  static int user() {
    try (Arena arena = Arena.ofConfined()) {
      return (int) C.get().geteuid().invokeExact(arena.allocate(ERRNO));
    } catch (Throwable t) {
      throw unexpected(t);
    }
  }

  /**
   * Opens a file.
   *
   * @throws NoSuchFileException if there is no such file
   * @throws FileSystemException if it is a link or cannot be read
   */
  static OpenFile read(Path path) throws IOException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = arena.allocate(ERRNO);
      int flags = O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC;
      int descriptor = (int) C.get().open().invokeExact(errno, name(arena, path), flags);
      if (descriptor < 0) {
        throw failure(path, errno);
      }
      return new OpenFile(path, descriptor);
    } catch (IOException e) {
      throw e;
    } catch (Throwable t) {
      throw unexpected(t);
    }
  }

  FileStatus status() throws IOException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = arena.allocate(ERRNO);
      MemorySegment stat = arena.allocate(STAT_BYTES, Long.BYTES);
      if ((int) C.get().fstat().invokeExact(errno, descriptor, stat) != 0) {
        throw failure(path, errno);
      }
      return new FileStatus(
          stat.get(JAVA_LONG, 0),
          stat.get(JAVA_LONG, 8),
          stat.get(JAVA_INT, STAT_MODE),
          stat.get(JAVA_INT, STAT_OWNER),
          stat.get(JAVA_LONG, STAT_SIZE),
          stat.get(JAVA_LONG, STAT_SECONDS),
          stat.get(JAVA_LONG, STAT_SECONDS + 8));
    } catch (IOException e) {
      throw e;
    } catch (Throwable t) {
      throw unexpected(t);
    }
  }

  /** Reads up to the given number of bytes from an offset on, fewer at the end of the file. */
  ByteBuffer read(long offset, int bytes) throws IOException {
    ByteBuffer all = ByteBuffer.allocate(bytes);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment chunk = arena.allocate(Math.min(CHUNK, Math.max(bytes, 1)));
      while (all.hasRemaining()) {
        int read = read(arena, offset + all.position(), chunk, all.remaining());
        if (read == 0) {
          break;
        }
        all.put(chunk.asSlice(0, read).asByteBuffer());
      }
    }
    return all.flip();
  }

  /** SHA-256 of the content, in hexadecimal digits. */
  String sha256() throws IOException {
    MessageDigest digest = NativeLibraryBundle.newDigest();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment chunk = arena.allocate(CHUNK);
      long offset = 0;
      for (int read; (read = read(arena, offset, chunk, CHUNK)) > 0; offset += read) {
        digest.update(chunk.asSlice(0, read).asByteBuffer());
      }
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  private int read(Arena arena, long offset, MemorySegment into, long most) throws IOException {
    try {
      MemorySegment errno = arena.allocate(ERRNO);
      long bytes = Math.min(most, into.byteSize());
      long read = (long) C.get().pread().invokeExact(errno, descriptor, into, bytes, offset);
      if (read < 0) {
        throw failure(path, errno);
      }
      return Math.toIntExact(read);
    } catch (IOException e) {
      throw e;
    } catch (Throwable t) {
      throw unexpected(t);
    }
  }

  @Override
  public void close() {
    try (Arena arena = Arena.ofConfined()) {
      // Ignored: a file that is open for reading has nothing to lose.
      int _ = (int) C.get().close().invokeExact(arena.allocate(ERRNO), descriptor);
    } catch (Throwable t) {
      throw unexpected(t);
    }
  }

  private static MemorySegment name(Arena arena, Path path) {
    // Encodes the name as Java's file system does.
    byte[] bytes =
        path.toString().getBytes(Charset.forName(System.getProperty("sun.jnu.encoding", "UTF-8")));
    MemorySegment name = arena.allocate(bytes.length + 1L);
    MemorySegment.copy(bytes, 0, name, JAVA_BYTE, 0, bytes.length);
    return name;
  }

  private static FileSystemException failure(Path path, MemorySegment errno) {
    int number = (int) ERRNO_OF.get(errno, 0L);
    return switch (number) {
      case ENOENT, ENOTDIR -> new NoSuchFileException(path.toString());
      case EACCES -> new AccessDeniedException(path.toString());
      case ELOOP -> new FileSystemException(path.toString(), null, "is a symbolic link");
      default -> new FileSystemException(path.toString(), null, "errno " + number);
    };
  }

  private static boolean isX86() {
    return NativeLibraryPlatform.current().endsWith("-x86_64");
  }

  /** A downcall declares Throwable, but throws only unchecked exceptions. */
  private static RuntimeException unexpected(Throwable t) {
    switch (t) {
      case RuntimeException e -> throw e;
      case Error e -> throw e;
      default -> throw new AssertionError(t);
    }
  }
}
