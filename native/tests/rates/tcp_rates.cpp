// SPDX-License-Identifier: Apache-2.0
// tcp_rates [ROUNDS]: two ranks exchange messages over this machine's loopback device, alternately with and without checksums.
// Prints medians and their ratio, which is the cost of checksums on the fastest possible network.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "support/gloo_ranks.h"

namespace lvx::test {
namespace {

// Seconds of one exchange, in which both ranks send and receive a message of that many bytes.
double exchange_seconds(std::size_t bytes, bool checksums, int times) {
  double seconds = 0;
  const auto thrown = run_gloo_ranks(
      2, {},
      [&](Group& group) {
        std::vector<std::byte> out(bytes, std::byte{1}), in(bytes);
        const int peer = 1 - group.rank();
        run_collective(group, {}, LVX_QUERY_RING, nullptr, [&](Collective& collective) {
          const std::array transfers = {send_to(peer, lend(collective, out), bytes),
                                        receive_from(peer, lend(collective, in), bytes)};
          collective.wait(collective.start(transfers));
          const auto begin = Clock::now();
          for (int i = 0; i < times; ++i) collective.wait(collective.start(transfers));
          if (group.rank() == 0)
            seconds = std::chrono::duration<double>(Clock::now() - begin).count() / times;
        });
      },
      checksums);
  for (const auto& error : thrown) {
    if (error) std::rethrow_exception(error);
  }
  return seconds;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void print_row(std::size_t bytes, int rounds) {
  const int times = static_cast<int>(std::clamp<std::size_t>((std::size_t{64} << 20) / bytes, 2, 1000));
  std::array<std::vector<double>, 2> seconds;
  for (int round = 0; round < rounds; ++round) {
    for (const bool checksums : {true, false}) {
      seconds[checksums ? 1 : 0].push_back(exchange_seconds(bytes, checksums, times));
    }
  }
  const double with = median(seconds[1]), without = median(seconds[0]);
  std::printf("%10zu  %12.1f  %12.1f  %10.2f  %10.2f  %8.3f\n", bytes, with * 1e6, without * 1e6,
              2e-9 * static_cast<double>(bytes) / with, 2e-9 * static_cast<double>(bytes) / without,
              with / without);
}

}  // namespace
}  // namespace lvx::test

int main(int count, char** words) {
  const int rounds = count > 1 ? std::max(1, std::atoi(words[1])) : 7;
  std::printf("%10s  %12s  %12s  %10s  %10s  %8s\n", "bytes", "us with", "us without", "GB/s with",
              "GB/s w/o", "ratio");
  for (const std::size_t bytes : {64u, 4096u, 65536u, 1u << 20, 16u << 20, 64u << 20}) {
    lvx::test::print_row(bytes, rounds);
  }
  return 0;
}
