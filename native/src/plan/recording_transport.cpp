// SPDX-License-Identifier: Apache-2.0
#include "plan/recording_transport.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "group/announcement.h"

namespace lvx {

void RecordingTransport::publish(std::uint64_t round, std::span<const std::byte> message) {
  if (round == 0 && message.size() == sizeof(announced_)) {
    std::memcpy(&announced_, message.data(), sizeof(announced_));
  }
}

void RecordingTransport::collect(std::uint64_t round, std::span<std::byte> all, std::size_t message_bytes,
                                 Clock::time_point) {
  const auto size = static_cast<std::size_t>(planned_.ranks());
  if (round == 0 && message_bytes == sizeof(Announcement)) {
    Announcement theirs = announced_;
    for (std::size_t peer = 0; peer < size; ++peer) {
      theirs.queries = planned_.queries[peer];
      theirs.keys = planned_.keys[peer];
      theirs.ranges = planned_.has_visibility() ? planned_.ranges[peer] : 0;
      std::memcpy(all.data() + peer * sizeof(theirs), &theirs, sizeof(theirs));
    }
  } else if (round == 1 && message_bytes == size && planned_.sees.size() == all.size()) {
    std::copy_n(std::as_bytes(planned_.sees).begin(), all.size(), all.begin());
  } else {
    throw Error(LVX_INTERNAL, "a schedule gathers what its plan does not know");
  }
}

Ticket RecordingTransport::start(std::span<const Transfer> transfers) {
  ++tickets_;
  for (const Transfer& transfer : transfers) {
    lvx_plan_step step{};
    step.kind = transfer.direction == Transfer::Direction::kSend ? LVX_PLAN_SEND : LVX_PLAN_RECEIVE;
    step.peer = transfer.peer;
    step.ticket = tickets_;
    step.bytes = transfer.bytes;
    steps_.add(step);
  }
  return tickets_;
}

void RecordingTransport::wait(Ticket ticket, Clock::time_point) {
  lvx_plan_step step{};
  step.kind = LVX_PLAN_WAIT;
  step.ticket = ticket;
  steps_.add(step);
}

}  // namespace lvx
