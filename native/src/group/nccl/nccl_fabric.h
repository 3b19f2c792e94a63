// SPDX-License-Identifier: Apache-2.0
// Ranks joined by NCCL, which moves the data; frames take the side channel.
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

// How a rank joins a communicator: now, or when its fabric is opened and hears of peers that leave meanwhile.
struct NcclRank {
  const nccl::Api& api;
  nccl::UniqueId id;
  int rank;
  int size;
  double deadline_seconds;
  std::shared_ptr<Device> device;

  std::unique_ptr<SideStream> stream = nullptr;  // null: memory is the host's
  std::unique_ptr<Communicator> communicator = nullptr;

  // Throws Error(LVX_UNSUPPORTED) if NCCL does not move this device's memory.
  void take_stream();
  void begin();
  Clock::time_point deadline() const;
};

class NcclFabric final : public Fabric {
 public:
  // Has its stream; NCCL connects the ranks when the fabric is opened, unless it has already.
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
  // The transfers of one start: NCCL carries them out together, and tells no more than that all are done.
  struct Launch {
    enum class State { kQueued, kLaunching, kRunning, kDone };

    State state = State::kQueued;
    std::vector<Transfer> transfers;
    std::vector<std::uint64_t> numbers;  // of each transfer among those with its peer, from 1
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
  std::vector<std::uint64_t> transfers_with_;     // started, by peer
  std::deque<std::shared_ptr<Launch>> launches_;  // not done, in the order of their starts
};

}  // namespace lvx
