// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bindings;

import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.nio.channels.ClosedByInterruptException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Loads the native library, once per class loader, before any generated binding is used.
 *
 * <p>Natives come from the directory that the system property {@value #DIRECTORY_PROPERTY} names,
 * and only from there, if it is set. Otherwise they come from the jar of this platform on the class
 * or module path, and are extracted into a cache directory: {@value #CACHE_PROPERTY}, or {@code
 * $XDG_CACHE_HOME/lvxattn}, or {@code ~/.cache/lvxattn}.
 *
 * <p>The cache is private to this user: files that other users could have written are not loaded.
 * Only complete libraries for this processor are loaded.
 *
 * <p>After a failure the next call tries again.
 */
public final class NativeLibrary {
  /** System property: a directory that holds the natives. */
  public static final String DIRECTORY_PROPERTY = "org.lvxattn.native.dir";

  /** System property: the directory under which natives from the jar are extracted. */
  public static final String CACHE_PROPERTY = "org.lvxattn.cache.dir";

  private static final String RESOURCES = "org/lvxattn/native/";
  private static final String LIBRARY = System.mapLibraryName("lvx");
  private static final Duration LOCK_PATIENCE = Duration.ofSeconds(60);

  /** Classifiers of jars with further files, after the platform's name. */
  private static final List<String> ADDITIONS = List.of("-cuda13", "-cuda12");

  private static volatile @Nullable Loaded loaded;

  private record Loaded(Path file, SymbolLookup symbols) {}

  private NativeLibrary() {}

  /**
   * Loads the library if it is not loaded yet; cheap afterwards.
   *
   * @throws NativeLibraryError if it cannot be loaded; the message says why and what to do
   */
  public static void load() {
    get();
  }

  /**
   * The file that was loaded; plug-ins are in the same folder.
   *
   * @throws NativeLibraryError as {@link #load}
   */
  public static Path file() {
    return get().file();
  }

  /**
   * A function of the library, for the generated bindings. They ask in class initializers, which
   * must not fail: every entry of the library calls {@link #load} first.
   *
   * @throws NativeLibraryError as {@link #load}
   */
  public static Optional<MemorySegment> find(String name) {
    return get().symbols().find(name);
  }

  private static Loaded get() {
    Loaded known = loaded;
    return known != null ? known : loadOnce();
  }

  private static synchronized Loaded loadOnce() {
    Loaded known = loaded;
    if (known == null) {
      known = loadWhenInterrupted();
      loaded = known;
    }
    return known;
  }

  /** Java's file channels close when their thread is interrupted; such an attempt is repeated. */
  private static Loaded loadWhenInterrupted() {
    boolean interrupted = Thread.interrupted();
    try {
      while (true) {
        try {
          return loadNow();
        } catch (NativeLibraryError e) {
          if (!(e.getCause() instanceof ClosedByInterruptException)) {
            throw e;
          }
          interrupted |= Thread.interrupted();
        }
      }
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  private static Loaded loadNow() {
    try {
      String directory = System.getProperty(DIRECTORY_PROPERTY);
      return directory != null ? loadFromDirectory(directory) : loadFromJar();
    } catch (NativeLibraryError e) {
      throw e;
    } catch (IllegalCallerException e) {
      throw new NativeLibraryError(
          "this JVM denies native access to "
              + NativeLibrary.class.getModule()
              + ": start it with --enable-native-access=org.lvxattn, or, where lvxattn is on the"
              + " class path, with --enable-native-access=ALL-UNNAMED",
          e);
    } catch (InvalidPathException e) {
      throw new NativeLibraryError(
          "a path cannot be spelt in this JVM's encoding of file names, "
              + System.getProperty("sun.jnu.encoding")
              + " ("
              + e.getMessage()
              + "): start it in a locale of UTF-8, for instance with LC_ALL=C.UTF-8, or set the"
              + " system property "
              + CACHE_PROPERTY
              + " to a directory with a name of ASCII letters",
          e);
    } catch (RuntimeException | Error e) {
      throw new NativeLibraryError("loading liblvx failed: " + e, e);
    }
  }

  private static Loaded loadFromDirectory(String directory) {
    Path file = directory(directory, DIRECTORY_PROPERTY, "holds " + LIBRARY).resolve(LIBRARY);
    if (!Files.isRegularFile(file)) {
      throw new NativeLibraryError(
          "the system property "
              + DIRECTORY_PROPERTY
              + " names "
              + directory
              + ", but there is no file "
              + file);
    }
    return load(file, DIRECTORY_PROPERTY);
  }

  private static Path directory(String value, String property, String expected) {
    if (value.isBlank()) {
      throw new NativeLibraryError(
          "the system property "
              + property
              + " is empty; set it to a directory that "
              + expected
              + ", or not at all");
    }
    return Path.of(value).toAbsolutePath();
  }

  private static Loaded loadFromJar() {
    String platform = NativeLibraryPlatform.current();
    Path cache = cacheDirectory();
    try {
      NativeLibraryBundle bundle = bundle(platform);
      if (bundle == null) {
        throw new NativeLibraryError(
            "no natives for this platform ("
                + platform
                + ") on the class or module path: add the artifact org.lvxattn:lvxattn-native"
                + " with the classifier "
                + platform
                + " (in a run-time image, its module, which jlink takes with --add-modules), or set"
                + " the system property "
                + DIRECTORY_PROPERTY
                + " to a directory that holds "
                + LIBRARY);
      }
      Path directory = new NativeLibraryCache(cache, LOCK_PATIENCE).install(bundle);
      // Its files have been checked against the hashes of the build.
      return open(directory.resolve(LIBRARY), CACHE_PROPERTY);
    } catch (InterruptedIOException e) {
      throw new NativeLibraryError(
          e.getMessage()
              + ", which another process or class loader holds while it installs the natives; the"
              + " next call tries again",
          e);
    } catch (IOException e) {
      throw new NativeLibraryError(
          "cannot install the natives in "
              + cache
              + " ("
              + e
              + "); set the system property "
              + CACHE_PROPERTY
              + " to a directory of this user's own that can be written, on a file system that"
              + " allows execution, or "
              + DIRECTORY_PROPERTY
              + " to one that holds the natives already",
          e);
    }
  }

  private static @Nullable NativeLibraryBundle bundle(String platform) throws IOException {
    NativeLibraryBundle bundle = NativeLibraryBundle.read(name -> resource(platform, name));
    if (bundle != null) {
      for (String addition : ADDITIONS) {
        NativeLibraryBundle added =
            NativeLibraryBundle.read(name -> resource(platform + addition, name));
        if (added != null) {
          return bundle.with(added);
        }
      }
    }
    return bundle;
  }

  /** Uses the class loader, since a class of a named module sees only that module's resources. */
  private static @Nullable InputStream resource(String platform, String name) {
    ClassLoader loader = NativeLibrary.class.getClassLoader();
    return loader.getResourceAsStream(RESOURCES + platform + "/" + name);
  }

  private static Path cacheDirectory() {
    String chosen = System.getProperty(CACHE_PROPERTY);
    if (chosen != null) {
      return directory(chosen, CACHE_PROPERTY, "can be written");
    }
    String xdg = System.getenv("XDG_CACHE_HOME");
    // The XDG specification says that a relative path here is to be ignored.
    if (xdg != null && Path.of(xdg).isAbsolute()) {
      return Path.of(xdg, "lvxattn");
    }
    String home = System.getProperty("user.home", "");
    if (!home.startsWith("/")) {
      throw new NativeLibraryError(
          "this user has no home directory to keep the natives in (user.home is '"
              + home
              + "'); set the system property "
              + CACHE_PROPERTY
              + " to a directory that can be written, or the environment variable XDG_CACHE_HOME");
    }
    return Path.of(home, ".cache", "lvxattn");
  }

  private static Loaded load(Path file, String property) {
    try {
      requireLibraries(file);
    } catch (IOException e) {
      throw cannotLoad(e, property);
    }
    return open(file, property);
  }

  private static Loaded open(Path file, String property) {
    try {
      SymbolLookup symbols = DynamicLinker.open(file);
      if (symbols.find("lvx_abi_version").isEmpty()) {
        throw new IOException(file + " is another library: it has no lvx_abi_version");
      }
      return new Loaded(file, symbols);
    } catch (IOException e) {
      throw cannotLoad(e, property);
    } catch (UnsatisfiedLinkError e) {
      throw new NativeLibraryError("cannot load liblvx: " + advice(e, property), e);
    }
  }

  private static NativeLibraryError cannotLoad(IOException e, String property) {
    return new NativeLibraryError(
        "cannot load liblvx: " + e.getMessage() + "; " + otherDirectory(property), e);
  }

  /**
   * Checks the library, the libraries in the same folder that it needs, and its plug-ins: with a
   * truncated file, the dynamic linker may kill the process.
   */
  private static void requireLibraries(Path file) throws IOException {
    Path directory = Objects.requireNonNull(file.getParent());
    Set<String> seen = new LinkedHashSet<>();
    Deque<String> next = new ArrayDeque<>(List.of(LIBRARY));
    try (DirectoryStream<Path> plugins = Files.newDirectoryStream(directory, "liblvx_*.so")) {
      plugins.forEach(plugin -> next.add(plugin.getFileName().toString()));
    }
    while (!next.isEmpty()) {
      String name = next.remove();
      // A directory that the caller names may hold links; the caller is responsible for it.
      Path beside = directory.resolve(name);
      if (seen.add(name) && Files.isRegularFile(beside)) {
        try {
          ElfFile.check(beside.toRealPath()).stream()
              .filter(needed -> !needed.contains("/"))
              .forEach(next::add);
        } catch (FileSystemException e) {
          throw e;
        } catch (IOException e) {
          throw new IOException(beside + " " + e.getMessage(), e);
        }
      }
    }
  }

  private static String advice(UnsatisfiedLinkError error, String property) {
    String message = String.valueOf(error.getMessage());
    // The dynamic linker's messages if the kernel refuses to map code.
    if (message.contains("failed to map segment") || message.contains("Operation not permitted")) {
      return "its file system forbids execution (mounted noexec?); set the system property "
          + property
          + " to a directory on one that allows it ("
          + message
          + ")";
    }
    return message + "; " + otherDirectory(property);
  }

  private static String otherDirectory(String property) {
    return property.equals(CACHE_PROPERTY)
        ? "remove it, or set the system property " + property + " to another directory"
        : "set the system property "
            + property
            + " to a directory with the natives of "
            + NativeLibraryPlatform.current()
            + ", or leave it unset where they come in a jar";
  }
}
