// SPDX-License-Identifier: Apache-2.0
// The transport between processes: the part that is common to all fabrics.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "group/remote/fabric.h"
#include "group/remote/mailbox.h"

namespace lvx {

class RemoteTransport final : public Transport {
 public:
  explicit RemoteTransport(std::unique_ptr<Fabric> fabric);
  ~RemoteTransport() override;

  lvx_group_kind kind() const override { return fabric_->kind(); }
  int rank() const override { return fabric_->rank(); }
  int size() const override { return fabric_->size(); }

  void publish(std::uint64_t round, std::span<const std::byte> message) override;
  void collect(std::uint64_t round, std::span<std::byte> all, std::size_t message_bytes,
               Clock::time_point expiry) override;
  Ticket start(std::span<const Transfer> transfers) override;
  void wait(Ticket ticket, Clock::time_point expiry) override;
  void interrupt(std::string_view reason) noexcept override { mailbox_.interrupt(reason); }
  void resume() noexcept override { mailbox_.resume(); }
  void leave(int culprit, std::string_view reason) noexcept override;
  bool has_stuck_transfers() const noexcept override { return fabric_->has_stuck_transfers(); }

 private:
  template <typename Work>
  void for_each_peer(Work&& work);
  Clock::time_point find_late(int peer, Clock::duration patience);

  Mailbox mailbox_;
  std::unique_ptr<Fabric> fabric_;
  std::vector<std::byte> published_;
  std::map<Ticket, Fabric::Operations> started_;
  Ticket last_ticket_ = 0;
  bool left_ = false;
};

}  // namespace lvx
