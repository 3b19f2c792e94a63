// SPDX-License-Identifier: Apache-2.0
// The fabric of groups over MPI. Each group has one tag for data and one for frames.
#pragma once

#include <mutex>
#include <vector>

#include "group/mpi/mpi_backend.h"
#include "group/remote/fabric.h"

namespace lvx {

class MpiFabric final : public Fabric {
 public:
  explicit MpiFabric(MpiBackend& backend) : backend_(backend), group_(backend.next_group()) {}
  ~MpiFabric() override;

  lvx_group_kind kind() const override { return LVX_GROUP_MPI; }
  int rank() const override { return backend_.rank(); }
  int size() const override { return backend_.size(); }
  void open(Mailbox& mailbox) override;
  void post(int peer, Frame frame) noexcept override;
  void start(std::span<const Transfer> transfers, Operations& started) override;
  void close(int culprit) noexcept override;
  bool has_stuck_transfers() const noexcept override { return stuck_; }

 private:
  class Exchange;

  int tag_of_data() const;
  int tag_of_frames() const;
  std::shared_ptr<MpiTransfer> submit(MpiTransfer transfer);
  void expect_frame();
  void take_frame(int source);
  void flush(const std::vector<std::shared_ptr<MpiTransfer>>& transfers);
  void await_readers(const std::vector<std::shared_ptr<MpiTransfer>>& transfers, int culprit);

  MpiBackend& backend_;
  const int group_;
  Mailbox* mailbox_ = nullptr;
  Frame incoming_;
  bool stuck_ = false;

  std::mutex mutex_;  // guards the members below
  bool closed_ = false;
  std::vector<std::shared_ptr<MpiTransfer>> transfers_;  // may still be in progress
};

}  // namespace lvx
