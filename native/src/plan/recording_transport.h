// SPDX-License-Identifier: Apache-2.0
// One rank's transport without peers. It derives the peers' control messages from the planned call, and records transfers
// instead of executing them.
#pragma once

#include "group/transport.h"
#include "plan/planned_call.h"
#include "plan/steps.h"

namespace lvx {

class RecordingTransport final : public Transport {
 public:
  RecordingTransport(const PlannedCall& planned, int rank, Steps& steps)
      : planned_(planned), rank_(rank), steps_(steps) {}

  lvx_group_kind kind() const override { return LVX_GROUP_LOCAL; }
  int rank() const override { return rank_; }
  int size() const override { return planned_.ranks(); }
  // Time stands still: operations take no time.
  Clock::time_point now() const override { return {}; }

  void publish(std::uint64_t round, std::span<const std::byte> message) override;
  // Round 0: the announcements, which are copies of this rank's with each rank's sizes. Round 1: which ranks see which.
  void collect(std::uint64_t round, std::span<std::byte> all, std::size_t message_bytes,
               Clock::time_point expiry) override;
  Ticket start(std::span<const Transfer> transfers) override;
  void wait(Ticket ticket, Clock::time_point expiry) override;
  void interrupt(std::string_view) noexcept override {}  // it never waits
  void resume() noexcept override {}
  void leave(int, std::string_view) noexcept override {}

 private:
  const PlannedCall& planned_;
  const int rank_;
  Steps& steps_;
  Announcement announced_;
  Ticket tickets_ = 0;
};

}  // namespace lvx
