// SPDX-License-Identifier: Apache-2.0
// The plugin liblvx_nccl.so, with the two ways to form an NCCL group: by addresses that the caller exchanges, or by an NCCL id.
#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "group/nccl/nccl_fabric.h"
#include "group/plugin.h"
#include "group/remote/remote_transport.h"
#include "group/tcp/meeting.h"

namespace lvx {
namespace {

nccl::UniqueId new_id() {
  const nccl::Api& api = nccl::loaded_api();
  nccl::UniqueId id;
  const nccl::Result result = api.get_unique_id(&id);
  if (result != nccl::kSuccess) {
    throw Error(LVX_INTERNAL, "ncclGetUniqueId: " + api.text_of(result, nullptr));
  }
  return id;
}

// Only frames go over TCP.
constexpr int kLanes = 1;

std::span<const std::byte> bytes_of(const nccl::UniqueId& id) { return std::as_bytes(std::span(&id, 1)); }

nccl::UniqueId id_of(std::span<const std::byte> bytes) {
  nccl::UniqueId id;
  std::memcpy(&id, bytes.data(), sizeof(id));
  return id;
}

std::unique_ptr<Transport> transport_of(NcclRank rank, Connections connections) {
  return std::make_unique<RemoteTransport>(
      std::make_unique<NcclFabric>(std::move(rank), std::move(connections)));
}

// The caller exchanges addresses. Rank 0's address contains the group's NCCL id.
class NcclBootstrap final : public Bootstrap {
 public:
  NcclBootstrap(int rank, int size, const JoinOptions& options)
      : meeting_(rank, size, kLanes, options, bytes_of(rank == 0 ? new_id() : nccl::UniqueId{})),
        timeout_seconds_(options.timeout_seconds),
        interruption_(options.interruption) {
    nccl::loaded_api();  // fails early if this rank has no NCCL
  }

  int rank() const override { return meeting_.rank(); }
  int size() const override { return meeting_.size(); }
  std::span<const std::byte> address() const override { return meeting_.address(); }
  std::unique_ptr<Transport> connect(const std::vector<std::span<const std::byte>>& addresses,
                                     const std::shared_ptr<Device>& device) override;

 private:
  Meeting meeting_;
  double timeout_seconds_;
  const std::shared_ptr<const SharedInterruption> interruption_;
  bool connected_ = false;
};

std::unique_ptr<Transport> NcclBootstrap::connect(const std::vector<std::span<const std::byte>>& addresses,
                                                  const std::shared_ptr<Device>& device) {
  if (std::exchange(connected_, true)) {
    throw ArgumentError(LVX_INVALID_STATE, "bootstrap", "already connected");
  }
  if (addresses.front().size() != address().size()) {
    throw Error(LVX_INVALID_ARGUMENT, "address of rank 0: expected " + std::to_string(address().size()) +
                                          " bytes, got " + std::to_string(addresses.front().size()));
  }
  const nccl::UniqueId id = id_of(meeting_.extra_of(addresses.front()));
  NcclRank self{nccl::loaded_api(), id, rank(), size(), timeout_seconds_, device, interruption_};
  self.take_stream();
  return transport_of(std::move(self), meeting_.connect(addresses));
}

void require_in_time(bool ready) {
  if (ready) return;
  throw Error(LVX_TIMEOUT,
              "NCCL did not connect the ranks within the timeout: some did not join, or cannot be reached");
}

// Buffers that NCCL and the stream may access until these are stopped.
struct AddressBuffers {
  AddressBuffers(Device& device, int size, std::size_t bytes_each)
      : bytes(bytes_each), all(bytes * static_cast<std::size_t>(size)), memory(device, all.size() + bytes) {}

  std::byte* mine() const { return memory.data(); }
  std::byte* gathered() const { return memory.data() + bytes; }
  std::span<const std::byte> of(std::size_t rank) const {
    return std::span<const std::byte>(all).subspan(rank * bytes, bytes);
  }

  const std::size_t bytes;
  std::vector<std::byte> all;
  DeviceMemory memory;
};

// All-gathers the ranks' addresses over NCCL.
void exchange_addresses(const NcclRank& self, std::span<const std::byte> address, AddressBuffers& buffers,
                        Clock::time_point expiry) {
  const std::size_t bytes = address.size();
  if (self.stream == nullptr) {
    std::memcpy(buffers.mine(), address.data(), bytes);
    self.communicator->all_gather(buffers.mine(), buffers.gathered(), bytes, nullptr);
    require_in_time(self.communicator->await_ready(expiry));
    std::memcpy(buffers.all.data(), buffers.gathered(), buffers.all.size());
    return;
  }
  self.stream->follow_device();  // the device allocated the buffers on its own stream
  self.stream->copy(address.data(), buffers.mine(), bytes);
  self.communicator->all_gather(buffers.mine(), buffers.gathered(), bytes, self.stream->handle());
  require_in_time(self.communicator->await_ready(expiry));
  self.stream->copy(buffers.gathered(), buffers.all.data(), buffers.all.size());
  const auto mark = self.stream->mark();
  while (!mark->passed()) {
    self.communicator->ready();  // throws if it failed
    require_in_time(Clock::now() < expiry);
  }
}

// Forms a group from an NCCL id, without addresses.
std::unique_ptr<Transport> join(const nccl::UniqueId& id, int rank, int size, const JoinOptions& options,
                                const std::shared_ptr<Device>& device) {
  const nccl::Api& api = nccl::loaded_api();
  Meeting meeting(rank, size, kLanes, options);
  AddressBuffers buffers(*device, size, meeting.address().size());
  // Declared after buffers, so that it is destroyed before the memory that it may access.
  NcclRank self{api, id, rank, size, options.timeout_seconds, device, options.interruption};
  self.take_stream();
  const Clock::time_point expiry = self.expiry();
  self.begin();
  require_in_time(self.communicator->await_ready(expiry));
  exchange_addresses(self, meeting.address(), buffers, expiry);
  std::vector<std::span<const std::byte>> addresses;
  for (std::size_t peer = 0; peer < static_cast<std::size_t>(size); ++peer) {
    addresses.push_back(buffers.of(peer));
  }
  return transport_of(std::move(self), meeting.connect(addresses));
}

}  // namespace
}  // namespace lvx

extern "C" {

__attribute__((visibility("default"))) const char* lvx_plugin_version() { return LVX_VERSION; }

__attribute__((visibility("default"))) void lvx_plugin_new_nccl_id(std::byte* id) {
  const lvx::nccl::UniqueId made = lvx::new_id();
  std::memcpy(id, &made, sizeof(made));
}

__attribute__((visibility("default"))) void lvx_plugin_require_nccl() { lvx::nccl::loaded_api(); }

__attribute__((visibility("default"))) lvx::Bootstrap* lvx_plugin_begin_nccl(
    int rank, int size, const lvx::JoinOptions& options) {
  return new lvx::NcclBootstrap(rank, size, options);
}

__attribute__((visibility("default"))) lvx::Transport* lvx_plugin_join_nccl(
    const std::byte* id, int rank, int size, const lvx::JoinOptions& options,
    const std::shared_ptr<lvx::Device>& device) {
  return lvx::join(lvx::id_of({id, sizeof(lvx::nccl::UniqueId)}), rank, size, options, device).release();
}
}
