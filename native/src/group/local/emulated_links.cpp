// SPDX-License-Identifier: Apache-2.0
#include "group/local/emulated_links.h"

#include <algorithm>
#include <iterator>

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

std::shared_ptr<EmulatedLinks::Message> EmulatedLinks::offer(int from, int to, std::size_t bytes,
                                                             Clock::time_point ready) {
  auto message = std::make_shared<Message>();
  message->ready = ready;
  const int from_node = from / ranks_per_node_;
  const int to_node = to / ranks_per_node_;
  const bool inside = from_node == to_node;
  const Link& link = inside ? links_.intra : links_.inter;
  if (!link.emulated()) return message;
  std::vector<End>& ends = inside ? intra_ : inter_;
  const bool shared = !inside && links_.shared_inter;
  // Each end schedules its messages independently of the other end, as if concurrent messages shared links fairly: a busy
  // receiver does not block its senders' messages to other ranks.
  message->out = &ends[static_cast<std::size_t>(shared ? from_node : from)].out;
  message->in = &ends[static_cast<std::size_t>(shared ? to_node : to)].in;
  message->duration = duration_of(static_cast<double>(bytes) / link.bytes_per_second);
  message->latency = duration_of(link.latency_seconds);
  message->out->offer(message);
  message->in->offer(message);
  return message;
}

Clock::time_point EmulatedLinks::arrival(Message& message) {
  if (message.out == nullptr) return message.ready;
  const Clock::time_point sent = message.out->settle(message, &Message::sent);
  return std::max(sent, message.in->settle(message, &Message::received)) + message.latency;
}

Clock::time_point EmulatedLinks::carry(int from, int to, std::size_t bytes, Clock::time_point ready) {
  return arrival(*offer(from, to, bytes, ready));
}

void EmulatedLinks::Lane::offer(std::shared_ptr<Message> message) {
  const auto later = std::upper_bound(offered_.begin(), offered_.end(), message,
                                      [](const auto& a, const auto& b) { return a->ready < b->ready; });
  offered_.insert(later, std::move(message));
}

Clock::time_point EmulatedLinks::Lane::settle(const Message& message, Clock::time_point Message::*end) {
  while (message.*end == Message::kUnsettled) {
    Message& first = *offered_.front();
    first.*end = carry(first.ready, first.duration);
    offered_.pop_front();
  }
  return message.*end;
}

Clock::time_point EmulatedLinks::Lane::carry(Clock::time_point ready, Clock::duration duration) {
  for (auto idle = idle_.begin(); idle != idle_.end();) {
    if (idle->end <= ready) {
      ++idle;
      continue;
    }
    const Idle before{idle->begin, std::max(idle->begin, ready)};
    const Clock::duration used = std::min(duration, idle->end - before.end);
    const Clock::time_point end = before.end + used;
    idle->begin = end;
    if (before.begin < before.end) idle = std::next(idle_.insert(idle, before));
    idle = idle->begin == idle->end ? idle_.erase(idle) : std::next(idle);
    duration -= used;
    if (duration == Clock::duration::zero()) return end;
  }
  if (ready > free_) {
    constexpr std::size_t kRemembered = 64;  // enough, because ranks are never this many messages apart
    if (idle_.size() == kRemembered) idle_.pop_front();
    idle_.push_back({free_, ready});
    free_ = ready;
  }
  free_ += duration;
  return free_;
}

}  // namespace lvx
