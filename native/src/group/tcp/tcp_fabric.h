// SPDX-License-Identifier: Apache-2.0
// The fabric of groups over TCP.
#pragma once

#include "group/remote/fabric.h"
#include "group/tcp/control_channel.h"
#include "group/tcp/data_channel.h"
#include "group/tcp/meeting.h"

namespace lvx {

class TcpFabric final : public Fabric {
 public:
  enum Lane { kControl, kData, kLanes };

  explicit TcpFabric(Connections connections);
  ~TcpFabric() override { close(rank()); }

  lvx_group_kind kind() const override { return LVX_GROUP_GLOO; }
  int rank() const override { return control_.rank(); }
  int size() const override { return control_.size(); }
  void open(Mailbox& mailbox) override;
  void post(int peer, Frame frame) noexcept override { control_.post(peer, frame); }
  void start(std::span<const Transfer> transfers, Operations& started) override;
  void close(int culprit) noexcept override;

 private:
  ControlChannel control_;
  DataChannel data_;
};

}  // namespace lvx
