// SPDX-License-Identifier: Apache-2.0
// The fabric of groups over NCCL. NCCL moves the data; frames go over the TCP control channel.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "device/device.h"
#include "group/nccl/communicator.h"
#include "group/remote/fabric.h"
#include "group/tcp/control_channel.h"
#include "group/tcp/meeting.h"

namespace lvx {

// What a rank needs to join an NCCL communicator. begin joins it: before the fabric exists, or when the fabric is opened, so
// that the rank notices peers that leave meanwhile.
struct NcclRank {
  const nccl::Api& api;
  nccl::UniqueId id;
  int rank;
  int size;
  double timeout_seconds;
  std::shared_ptr<Device> device;
  std::shared_ptr<const SharedInterruption> interruption;  // of the join

  std::unique_ptr<SideStream> stream = nullptr;  // null: messages are in host memory
  std::unique_ptr<Communicator> communicator = nullptr;

  // Throws Error(LVX_UNSUPPORTED) if NCCL does not move this device's memory.
  void take_stream();
  void begin();
  Clock::time_point expiry() const;
};

class NcclFabric final : public Fabric {
 public:
  // Owns the stream. If NCCL has not connected the ranks yet, open does it.
  NcclFabric(NcclRank rank, Connections connections);
  ~NcclFabric() override;

  lvx_group_kind kind() const override { return LVX_GROUP_NCCL; }
  int rank() const override { return self_.rank; }
  int size() const override { return self_.size; }
  void open(Mailbox& mailbox) override;
  void post(int peer, Frame frame) noexcept override { channel_.post(peer, frame); }
  void start(std::span<const Transfer> transfers, Operations& started) override;
  void close(int culprit) noexcept override;
  bool has_stuck_transfers() const noexcept override { return stuck_; }

 private:
  // The transfers of one start. NCCL executes them together, and reports only that all are complete.
  struct Launch {
    enum class State { kQueued, kLaunching, kRunning, kDone };

    State state = State::kQueued;
    std::vector<Transfer> transfers;
    std::vector<std::uint64_t> numbers;  // each transfer's number among those with its peer, from 1
    std::unique_ptr<SideStream::Mark> mark;
  };
  class Exchange;

  void connect();
  bool ready();
  void progress();
  bool advance(Launch& launch);
  void ask(const Launch& launch);
  int gone_peer(const Launch& launch);
  int awaited_peer(const Launch& launch);
  void drain() noexcept;

  NcclRank self_;
  ControlChannel channel_;
  Mailbox* mailbox_ = nullptr;
  bool closed_ = false;
  bool stuck_ = false;
  std::vector<std::uint64_t> transfers_with_;     // number of started transfers, by peer
  std::deque<std::shared_ptr<Launch>> launches_;  // incomplete, in the order of their starts
};

}  // namespace lvx
