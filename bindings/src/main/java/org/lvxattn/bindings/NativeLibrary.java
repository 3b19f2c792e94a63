// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bindings;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * Loads the native library, once per class loader, before any generated binding is touched.
 *
 * <p>Natives come from the directory that the system property {@value #DIRECTORY_PROPERTY} names,
 * and only from there, if it is set. Otherwise they come from the jar of this platform on the class
 * or module path, and are extracted into a cache directory: {@value #CACHE_PROPERTY}, or {@code
 * $XDG_CACHE_HOME/lvxattn}, or {@code ~/.cache/lvxattn}.
 *
 * <p>Failure is a state: it is found once and reported to every caller with its cause.
 */
public final class NativeLibrary {
  /** System property: a directory that holds the natives ready to load. */
  public static final String DIRECTORY_PROPERTY = "org.lvxattn.native.dir";

  /** System property: the directory below which natives from the jar are extracted. */
  public static final String CACHE_PROPERTY = "org.lvxattn.cache.dir";

  private static final String RESOURCES = "org/lvxattn/native/";
  private static final Duration LOCK_PATIENCE = Duration.ofSeconds(60);

  private NativeLibrary() {}

  /** Either the loaded file or why there is none. */
  private record Outcome(@Nullable Path file, @Nullable NativeLibraryError failure) {}

  /** Initialised on first use, by one thread, like every class. */
  private static final class Holder {
    static final Outcome OUTCOME = attempt();

    private static Outcome attempt() {
      try {
        return new Outcome(loadNow(), null);
      } catch (NativeLibraryError e) {
        return new Outcome(null, e);
      } catch (RuntimeException | Error e) {
        return new Outcome(null, new NativeLibraryError("loading liblvx failed: " + e, e));
      }
    }
  }

  /**
   * Loads the library if that has not happened yet; cheap afterwards.
   *
   * @throws NativeLibraryError if it cannot be loaded; the same message and cause on every call
   */
  public static void load() {
    file();
  }

  /**
   * The file that was loaded; plug-ins lie beside it.
   *
   * @throws NativeLibraryError as {@link #load}
   */
  public static Path file() {
    Outcome outcome = Holder.OUTCOME;
    if (outcome.file() != null) {
      return outcome.file();
    }
    NativeLibraryError first = outcome.failure();
    if (first == null) {
      throw new AssertionError("neither loaded nor failed");
    }
    // A new error each time, so that its stack trace is the caller's own.
    throw new NativeLibraryError(String.valueOf(first.getMessage()), first.getCause());
  }

  private static Path loadNow() {
    String directory = System.getProperty(DIRECTORY_PROPERTY);
    return directory != null ? loadFromDirectory(directory) : loadFromJar();
  }

  private static Path loadFromDirectory(String directory) {
    Path file = Path.of(directory).toAbsolutePath().resolve(System.mapLibraryName("lvx"));
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

  private static Path loadFromJar() {
    String platform = NativeLibraryPlatform.current();
    Path cache = cacheDirectory();
    try {
      NativeLibraryBundle bundle = NativeLibraryBundle.read(name -> resource(platform, name));
      if (bundle == null) {
        throw new NativeLibraryError(
            "no natives for this platform ("
                + platform
                + ") on the class or module path: add the artifact org.lvxattn:lvxattn-native"
                + " built for it, or set the system property "
                + DIRECTORY_PROPERTY
                + " to a directory that holds "
                + System.mapLibraryName("lvx"));
      }
      Path directory = new NativeLibraryCache(cache, LOCK_PATIENCE).install(bundle);
      return load(directory.resolve(System.mapLibraryName("lvx")), CACHE_PROPERTY);
    } catch (IOException e) {
      throw new NativeLibraryError(
          "cannot install the natives in "
              + cache
              + " ("
              + e
              + "); set the system property "
              + CACHE_PROPERTY
              + " to a directory that can be written, on a file system that allows execution",
          e);
    }
  }

  /**
   * Through the loader, because a class of a named module is shown that module's resources only.
   */
  private static @Nullable InputStream resource(String platform, String name) {
    ClassLoader loader = NativeLibrary.class.getClassLoader();
    return loader.getResourceAsStream(RESOURCES + platform + "/" + name);
  }

  private static Path cacheDirectory() {
    String chosen = System.getProperty(CACHE_PROPERTY);
    if (chosen != null) {
      return Path.of(chosen).toAbsolutePath();
    }
    String xdg = System.getenv("XDG_CACHE_HOME");
    // The XDG specification says that a relative path here is to be ignored.
    if (xdg != null && Path.of(xdg).isAbsolute()) {
      return Path.of(xdg, "lvxattn");
    }
    return Path.of(System.getProperty("user.home"), ".cache", "lvxattn").toAbsolutePath();
  }

  private static Path load(Path file, String property) {
    try {
      System.load(file.toString());
      return file;
    } catch (IllegalCallerException e) {
      throw new NativeLibraryError(
          "this JVM denies native access to "
              + NativeLibrary.class.getModule()
              + ": start it with --enable-native-access=org.lvxattn, or, where lvxattn is on the"
              + " class path, with --enable-native-access=ALL-UNNAMED",
          e);
    } catch (UnsatisfiedLinkError e) {
      throw new NativeLibraryError("cannot load liblvx: " + advice(e, property), e);
    }
  }

  private static String advice(UnsatisfiedLinkError error, String property) {
    String message = String.valueOf(error.getMessage());
    // What the dynamic linker says when the kernel refuses to map code.
    if (message.contains("failed to map segment") || message.contains("Operation not permitted")) {
      return "its file system forbids execution (mounted noexec?); set the system property "
          + property
          + " to a directory on one that allows it ("
          + message
          + ")";
    }
    return message;
  }
}
