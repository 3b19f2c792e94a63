// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.launch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.lvxattn.GroupInterruptedException;
import org.lvxattn.PeerTimeoutException;
import org.lvxattn.internal.rendezvous.HostLookup;
import org.lvxattn.internal.rendezvous.OwnAddress;
import org.lvxattn.launch.LaunchEnvironment.Machine;

/** Which names and addresses ranks use, on simulated machines. */
@Timeout(60)
class HostLookupTest {
  private static final Duration TIMEOUT = Duration.ofSeconds(20);

  private static InetAddress address(String text) {
    return InetAddress.ofLiteral(text);
  }

  private static OwnAddress.Interface network(String name, String... addresses) {
    return new OwnAddress.Interface(
        name,
        true,
        name.equals("lo"),
        Arrays.stream(addresses).map(HostLookupTest::address).toList());
  }

  private static final List<OwnAddress.Interface> NETWORKS =
      List.of(
          network("lo", "127.0.0.1", "::1"),
          network("docker0", "172.17.0.1"),
          network("eth0", "fe80::1", "fd00::2", "10.0.0.2", "169.254.7.7"),
          network("eth1", "fe80::2", "169.254.9.9"),
          network("ib0", "fe80::3", "fd00::3"),
          network("wlan0"));

  private static String chosen(String named, String towards) throws Exception {
    return OwnAddress.text(
        OwnAddress.of(named, NETWORKS, towards.isEmpty() ? null : address(towards)));
  }

  @Test
  void anInterfaceGivesAnAddressThatOthersCanUseOfTheFamilyOfRankZero() throws Exception {
    assertThat(chosen("eth0", "")).isEqualTo("10.0.0.2");
    assertThat(chosen("eth0", "10.0.0.9")).isEqualTo("10.0.0.2");
    assertThat(chosen("eth0", "fd00::9")).isEqualTo("fd00:0:0:0:0:0:0:2");
    assertThat(chosen("ib0", "10.0.0.9")).isEqualTo("fd00:0:0:0:0:0:0:3");
    assertThat(chosen("lo", "")).isEqualTo("127.0.0.1");
    assertThat(chosen("lo", "::1")).isEqualTo("0:0:0:0:0:0:0:1");
  }

  @Test
  void interfacesAreNamedAsGlooAndNcclAllow() throws Exception {
    assertThat(chosen("eth1,eth0", "")).isEqualTo("10.0.0.2");
    assertThat(chosen("et", "")).isEqualTo("10.0.0.2");
    assertThat(chosen("=eth0", "")).isEqualTo("10.0.0.2");
    assertThat(chosen("^docker", "")).isEqualTo("10.0.0.2");
    assertThat(chosen("^lo,docker,eth", "")).isEqualTo("fd00:0:0:0:0:0:0:3");
    assertThatExceptionOfType(java.io.IOException.class)
        .isThrownBy(() -> chosen("=et", ""))
        .withMessageContaining("no such network interface; there are lo, docker0, eth0");
  }

  @Test
  void anInterfaceWithoutAnAddressForOthersSaysSo() {
    assertThatExceptionOfType(java.io.IOException.class)
        .isThrownBy(() -> chosen("eth1", ""))
        .withMessageContaining("only link-local addresses");
    assertThatExceptionOfType(java.io.IOException.class)
        .isThrownBy(() -> chosen("wlan0", ""))
        .withMessageContaining("wlan0 has no address");
    assertThatIllegalStateException()
        .isThrownBy(() -> ownHost(1, "127.0.0.1", Map.of("GLOO_SOCKET_IFNAME", "eth1"), known()))
        .withMessageContaining("GLOO_SOCKET_IFNAME is 'eth1'")
        .withMessageContaining("only link-local addresses");
  }

  private static HostLookup known() {
    return new HostLookup(
        name -> {
          InetAddress literal = HostLookup.literal(name);
          if (literal != null) {
            return new InetAddress[] {literal};
          }
          return switch (name.toLowerCase(Locale.ROOT)) {
            case "debian" -> new InetAddress[] {address("127.0.1.1")};
            case "both" -> new InetAddress[] {address("127.0.1.1"), address("::1")};
            case "localhost" -> new InetAddress[] {address("127.0.0.1")};
            case "six" -> new InetAddress[] {address("fd00::77")};
            default -> throw new UnknownHostException(name);
          };
        });
  }

  private static String ownHost(
      int rank, String master, Map<String, String> variables, HostLookup lookup) {
    return new LaunchEnvironment(LaunchEnvironment.Kind.GLOO, rank, 2, master, 29500)
        .ownHost(
            new HashMap<>(variables)::get,
            new Machine(lookup, NETWORKS),
            System.nanoTime() + TIMEOUT.toNanos(),
            TIMEOUT);
  }

  @Test
  void theInterfacesAddressIsOfTheFamilyOfRankZerosName() {
    Map<String, String> eth0 = Map.of("GLOO_SOCKET_IFNAME", "eth0");
    assertThat(ownHost(1, "six", eth0, known())).isEqualTo("fd00:0:0:0:0:0:0:2");
    assertThat(ownHost(0, "debian", eth0, known())).isEqualTo("10.0.0.2");
  }

  @Test
  void aNameThatIsLoopbackOnItsOwnHostGivesAnAddressForOthers() {
    for (int rank : new int[] {0, 1}) {
      for (String name : new String[] {"debian", "both"}) {
        assertThat(ownHost(rank, name, Map.of(), known()))
            .satisfies(own -> assertThat(address(own).isLoopbackAddress()).as(own).isFalse());
      }
      for (String name : new String[] {"localhost", "127.0.0.1", "127.0.1.1"}) {
        assertThat(ownHost(rank, name, Map.of(), known())).startsWith("127.0.");
      }
    }
  }

  @Test
  void rankZeroNeedNotKnowItsOwnName() {
    assertThat(ownHost(0, "nobody-knows", Map.of(), known()))
        .satisfies(own -> assertThat(address(own).isLoopbackAddress()).as(own).isFalse());
  }

  @Test
  void aNameThatIsKnownLaterIsAskedForAgain() throws Exception {
    AtomicInteger asked = new AtomicInteger();
    HostLookup late =
        new HostLookup(
            name -> {
              if (asked.incrementAndGet() < 6) {
                throw new UnknownHostException(name);
              }
              return new InetAddress[] {address("127.0.0.1")};
            });
    assertThat(ownHost(1, "later", Map.of("GLOO_SOCKET_IFNAME", "lo"), late))
        .isEqualTo("127.0.0.1");
    assertThat(asked).hasValueGreaterThanOrEqualTo(6);
  }

  @Test
  void aNameThatIsNeverKnownEndsAtTheTimeout() {
    Duration brief = Duration.ofMillis(600);
    assertThatExceptionOfType(PeerTimeoutException.class)
        .isThrownBy(
            () ->
                new LaunchEnvironment(LaunchEnvironment.Kind.GLOO, 1, 2, "nobody", 29500)
                    .ownHost(
                        name -> null,
                        new Machine(known(), NETWORKS),
                        System.nanoTime() + brief.toNanos(),
                        brief))
        .withMessageContaining("MASTER_ADDR is 'nobody'")
        .withMessageContaining("0.6 s");
  }

  /** A negative cache by exact text, like the JVM's of ten seconds. */
  @Test
  void anAnswerThatWasRememberedIsNotTakenForTheAnswer() throws Exception {
    Set<String> remembered = new HashSet<>();
    AtomicInteger asked = new AtomicInteger();
    HostLookup lookup =
        new HostLookup(
            name -> {
              assertThat(name).isEqualToIgnoringCase("lvx-0.lvx");
              if (!remembered.add(name) || asked.incrementAndGet() < 4) {
                throw new UnknownHostException(name);
              }
              return new InetAddress[] {address("10.0.0.1")};
            });
    assertThat(lookup.find("lvx-0.lvx", System.nanoTime() + TIMEOUT.toNanos()))
        .containsExactly(address("10.0.0.1"));
  }

  @Test
  void aLookupThatHangsEndsAtTheTimeoutAndByAnInterrupt() throws Exception {
    HostLookup hangs =
        new HostLookup(
            name -> {
              try {
                Thread.sleep(30_000);
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
              throw new UnknownHostException(name);
            });
    assertThatExceptionOfType(UnknownHostException.class)
        .isThrownBy(() -> hangs.find("slow", System.nanoTime() + 300_000_000))
        .withMessageContaining("nobody answered which host 'slow' is");
    Thread.currentThread().interrupt();
    assertThatExceptionOfType(GroupInterruptedException.class)
        .isThrownBy(() -> ownHost(1, "slow", Map.of(), hangs))
        .withMessageContaining("interrupted");
    assertThat(Thread.interrupted()).isTrue();
  }

  @Test
  void anotherCaseIsTheSameName() {
    assertThat(HostLookup.inOtherCase("a-1.b", 0)).isEqualTo("a-1.b");
    assertThat(HostLookup.inOtherCase("a-1.b", 1)).isEqualTo("A-1.b");
    assertThat(HostLookup.inOtherCase("a-1.b", 2)).isEqualTo("a-1.B");
    assertThat(HostLookup.inOtherCase("a-1.b", 3)).isEqualTo("A-1.B");
    assertThat(HostLookup.inOtherCase("10.0.0.1", 3)).isEqualTo("10.0.0.1");
  }
}
