// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.memory;

import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.internal.ffi.NativeCalls;

/**
 * The memory of a tensor. Exports of the tensor hold it, too; it ends with the last of its holders,
 * on that one's thread.
 */
public abstract class Storage {
  private int holders = 1;

  private Storage() {}

  /** A native buffer of the library. */
  public static Storage allocated(long buffer) {
    return new Allocated(buffer);
  }

  /** Memory whose lifetime the library neither knows nor prolongs. */
  public static Storage borrowed() {
    return new Borrowed();
  }

  /**
   * Memory that an owner keeps valid until it is released.
   *
   * @param release runs once, at the end; may throw
   * @param isOpen whether the owner still keeps the memory valid
   */
  public static Storage owned(Runnable release, BooleanSupplier isOpen) {
    return new Owned(release, isOpen);
  }

  /** Adds a holder. */
  public final synchronized void retain() {
    if (holders == 0) {
      throw new IllegalStateException("the memory has ended");
    }
    holders++;
  }

  /**
   * Ends one holder. If it throws, it has changed nothing.
   *
   * @return what the owner threw, if this was the last holder; the owner counts as released
   */
  public final synchronized @Nullable Throwable release() {
    Throwable failure = holders == 1 ? end() : null;
    holders--;
    return failure;
  }

  /** Frees the memory, or returns it to its owner. If it throws, it has changed nothing. */
  abstract @Nullable Throwable end();

  /** Whether this keeps the memory valid, so that it may be lent. */
  public abstract boolean isHeld();

  /** Whether an owner has to be told when the memory is no longer used. */
  public boolean hasOwner() {
    return false;
  }

  /** Throws if the owner says that the memory is no longer valid; {@code name} is for messages. */
  public void requireOpen(String name) {}

  private static final class Allocated extends Storage {
    private final long buffer;

    Allocated(long buffer) {
      this.buffer = buffer;
    }

    @Override
    @Nullable Throwable end() {
      NativeCalls.check(Lvx.lvx_buffer_free(buffer));
      return null;
    }

    @Override
    public boolean isHeld() {
      return true;
    }
  }

  private static final class Borrowed extends Storage {
    @Override
    @Nullable Throwable end() {
      return null;
    }

    @Override
    public boolean isHeld() {
      return false;
    }
  }

  private static final class Owned extends Storage {
    private @Nullable Runnable release;
    private @Nullable BooleanSupplier isOpen;

    Owned(Runnable release, BooleanSupplier isOpen) {
      this.release = release;
      this.isOpen = isOpen;
    }

    @Override
    @Nullable Throwable end() {
      Runnable last = release;
      // The owner may become unreachable even if closed tensors are kept.
      release = null;
      isOpen = null;
      try {
        if (last != null) {
          last.run();
        }
        return null;
      } catch (RuntimeException | Error e) {
        return e;
      }
    }

    @Override
    public boolean isHeld() {
      return true;
    }

    @Override
    public boolean hasOwner() {
      return true;
    }

    @Override
    public void requireOpen(String name) {
      BooleanSupplier open = isOpen;
      if (open != null && !open.getAsBoolean()) {
        throw new IllegalStateException(
            name + ": its owner says that the memory was freed; open memory was expected");
      }
    }
  }
}
