// SPDX-License-Identifier: Apache-2.0
#include "group/local/emulated_links.h"

#include <algorithm>

namespace lvx {
namespace {

Clock::duration duration_of(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

}  // namespace

EmulatedLinks::EmulatedLinks(const GroupOptions& options, int ranks)
    : links_(options.links),
      ranks_per_node_(options.ranks_per_node == 0 ? ranks : options.ranks_per_node),
      intra_(static_cast<std::size_t>(ranks)),
      inter_(static_cast<std::size_t>(ranks)) {}

Clock::time_point EmulatedLinks::carry(int from, int to, std::size_t bytes, Clock::time_point now) {
  const int from_node = from / ranks_per_node_;
  const int to_node = to / ranks_per_node_;
  const bool inside = from_node == to_node;
  const Link& link = inside ? links_.intra : links_.inter;
  if (!link.emulated()) return now;
  std::vector<End>& ends = inside ? intra_ : inter_;
  const bool shared = !inside && links_.shared_inter;
  End& sender = ends[static_cast<std::size_t>(shared ? from_node : from)];
  End& receiver = ends[static_cast<std::size_t>(shared ? to_node : to)];
  // Each end works through what it was given on its own: as if messages under way shared links fairly, and a busy
  // receiver did not keep a sender from serving others.
  const Clock::duration duration = duration_of(static_cast<double>(bytes) / link.bytes_per_second);
  sender.sent = std::max(now, sender.sent) + duration;
  receiver.received = std::max(now, receiver.received) + duration;
  return std::max(sender.sent, receiver.received) + duration_of(link.latency_seconds);
}

}  // namespace lvx
