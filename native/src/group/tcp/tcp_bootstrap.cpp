// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "base/error.h"
#include "device/device.h"
#include "group/plugin.h"
#include "group/remote/remote_transport.h"
#include "group/tcp/meeting.h"
#include "group/tcp/tcp_fabric.h"

namespace lvx {
namespace {

class TcpBootstrap final : public Bootstrap {
 public:
  TcpBootstrap(int rank, int size, const JoinOptions& options)
      : meeting_(rank, size, TcpFabric::kLanes, options) {}

  int rank() const override { return meeting_.rank(); }
  int size() const override { return meeting_.size(); }
  std::span<const std::byte> address() const override { return meeting_.address(); }
  std::unique_ptr<Transport> connect(const std::vector<std::span<const std::byte>>& addresses,
                                     const std::shared_ptr<Device>& device) override {
    if (device->kind() != LVX_CPU) {
      throw ArgumentError(
          LVX_UNSUPPORTED, "device",
          "TCP (gloo) joins CPU devices, this one is " + device->name() + "; join CUDA devices by NCCL");
    }
    return std::make_unique<RemoteTransport>(std::make_unique<TcpFabric>(meeting_.connect(addresses)));
  }

 private:
  Meeting meeting_;
};

}  // namespace

std::unique_ptr<Bootstrap> begin_gloo(int rank, int size, const JoinOptions& options) {
  return std::make_unique<TcpBootstrap>(rank, size, options);
}

}  // namespace lvx
