// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.rendezvous;

import static java.lang.System.Logger.Level.WARNING;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * Resolves host names and retries those that do not resolve yet: a scheduler may publish a name
 * seconds after it has started the processes.
 */
public final class HostLookup {
  public static final HostLookup SYSTEM = new HostLookup(InetAddress::getAllByName);

  private static final System.Logger LOG = System.getLogger("org.lvxattn");
  private static final int RETRY_MILLIS = 500;
  private static final Set<String> LOOPBACK_NAMES =
      Set.of("localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback");

  private final Resolver resolver;

  /** The resolver: {@link InetAddress#getAllByName}, except in tests. */
  @FunctionalInterface
  public interface Resolver {
    InetAddress[] resolve(String name) throws UnknownHostException;
  }

  public HostLookup(Resolver resolver) {
    this.resolver = resolver;
  }

  /**
   * The addresses of a name; waits until it resolves.
   *
   * @param expiry when to give up, by {@link System#nanoTime}
   * @throws UnknownHostException if the name does not resolve until then
   */
  public List<InetAddress> find(String name, long expiry)
      throws UnknownHostException, InterruptedException {
    for (int attempt = 0; ; attempt++) {
      try {
        return now(name, attempt, expiry);
      } catch (UnknownHostException e) {
        if (System.nanoTime() - expiry >= 0) {
          throw e;
        }
        if (attempt == 0) {
          LOG.log(WARNING, "the host name ''{0}'' is not known yet; asking again", name);
        }
        Thread.sleep(Math.min(RETRY_MILLIS, RendezvousConnection.millisUntil(expiry)));
      }
    }
  }

  /** Resolves on another thread: a lookup may take very long and cannot be interrupted. */
  private List<InetAddress> now(String name, int attempt, long expiry)
      throws UnknownHostException, InterruptedException {
    FutureTask<List<InetAddress>> question = new FutureTask<>(() -> ask(name, attempt));
    Thread.ofPlatform().daemon().name("lvxattn-host-lookup").start(question);
    try {
      return question.get(RendezvousConnection.millisUntil(expiry), TimeUnit.MILLISECONDS);
    } catch (ExecutionException e) {
      UnknownHostException unknown =
          new UnknownHostException("the host name '" + name + "' is not known");
      unknown.initCause(e.getCause());
      throw unknown;
    } catch (TimeoutException e) {
      throw new UnknownHostException("nobody answered which host '" + name + "' is");
    }
  }

  private List<InetAddress> ask(String name, int attempt) throws UnknownHostException {
    try {
      return List.of(resolver.resolve(name));
    } catch (UnknownHostException e) {
      String again = inOtherCase(name, attempt);
      if (again.equals(name)) {
        throw e;
      }
      return List.of(resolver.resolve(again));
    }
  }

  /**
   * The name with other upper- and lower-case letters, to bypass the JVM's negative cache. The JVM
   * caches for 10 seconds, or {@code networkaddress.cache.negative.ttl}, that a name is unknown.
   * Its cache is case-sensitive, name services are not.
   */
  public static String inOtherCase(String name, int attempt) {
    StringBuilder text = new StringBuilder(name);
    int bits = attempt;
    for (int i = 0; i < text.length() && bits != 0; i++) {
      char each = text.charAt(i);
      if ((each >= 'a' && each <= 'z') || (each >= 'A' && each <= 'Z')) {
        if ((bits & 1) != 0) {
          text.setCharAt(i, (char) (each ^ 0x20));
        }
        bits >>= 1;
      }
    }
    return text.toString();
  }

  /** Whether a name means the loopback device on every machine. */
  public static boolean isLoopbackName(String name) {
    String plain = name.toLowerCase(Locale.ROOT);
    return LOOPBACK_NAMES.contains(plain) || plain.endsWith(".localhost");
  }

  /** The address if the text is a literal address, or null if it is a name. */
  public static @Nullable InetAddress literal(String text) {
    try {
      return InetAddress.ofLiteral(text);
    } catch (IllegalArgumentException e) {
      return null;
    }
  }
}
