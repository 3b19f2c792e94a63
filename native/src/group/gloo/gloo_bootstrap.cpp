// SPDX-License-Identifier: Apache-2.0
// The plugin liblvx_gloo.so: makes a rank reachable, then connects it to all others.
#include <gloo/common/error.h>
#include <gloo/transport/address.h>
#include <gloo/transport/tcp/device.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/error.h"
#include "device/device.h"
#include "group/gloo/gloo_connections.h"
#include "group/gloo/gloo_fabric.h"
#include "group/gloo/signals.h"
#include "group/plugin.h"
#include "group/remote/remote_transport.h"

namespace lvx {
namespace {

using std::chrono::milliseconds;

// Gloo itself waits five times its time-out for a connection.
constexpr double kGlooConnectFactor = 5;

constexpr std::array<char, 8> kMagic = {'l', 'v', 'x', 'g', 'l', 'o', 'o', '2'};

// An address: this, then for each lane Gloo's addresses for each rank in rank order, zeros for the own.
struct AddressHeader {
  std::array<char, 8> magic = kMagic;
  std::array<char, 16> version{};
  std::int32_t rank = 0;
  std::int32_t size = 0;
  std::int32_t loopback = 0;
  std::uint32_t pair_bytes = 0;
};

// Every address must have the same length, whatever rank it is of.
constexpr std::size_t kPairBytes = gloo::transport::Address::kMaxByteSize;

AddressHeader header_of(int rank, int size) {
  AddressHeader header;
  std::strncpy(header.version.data(), LVX_VERSION, header.version.size() - 1);
  header.rank = rank;
  header.size = size;
  return header;
}

class GlooBootstrap final : public Bootstrap {
 public:
  GlooBootstrap(int rank, int size, const std::string& host, double deadline_seconds)
      : header_(header_of(rank, size)) {
    const NoPipeSignal guard;
    gloo::transport::tcp::attr attributes;
    attributes.hostname = host;
    try {
      device_ = gloo::transport::tcp::CreateDevice(attributes);
      const milliseconds timeout(
          static_cast<std::int64_t>(std::max(1.0, deadline_seconds * 1000 / kGlooConnectFactor)));
      connections_ = std::make_unique<GlooConnections>(*device_, rank, size, timeout);
    } catch (const std::exception& error) {
      throw Error(LVX_INVALID_ARGUMENT, "host: cannot be reached by the name '" + host +
                                            "', expected a name or an address of this machine (" +
                                            error.what() + ")");
    }
    write_address();
  }

  int rank() const override { return header_.rank; }
  int size() const override { return header_.size; }
  std::span<const std::byte> address() const override { return address_; }
  std::unique_ptr<Transport> connect(const std::vector<std::span<const std::byte>>& addresses,
                                     const std::shared_ptr<Device>& device) override;

 private:
  // Where the address for a pair lies within the whole.
  std::size_t offset_of(int lane, int peer) const {
    return sizeof(AddressHeader) + static_cast<std::size_t>(lane * size() + peer) * kPairBytes;
  }
  void write_address();
  AddressHeader read_header(int peer, std::span<const std::byte> address) const;
  void check(const std::vector<std::span<const std::byte>>& addresses) const;
  void connect(GlooConnections& connections, int lane, int peer, std::span<const std::byte> address);

  AddressHeader header_;
  std::shared_ptr<gloo::transport::Device> device_;
  std::unique_ptr<GlooConnections> connections_;
  std::vector<std::byte> address_;
};

void GlooBootstrap::write_address() {
  address_.resize(offset_of(GlooConnections::kLanes, 0));
  for (int lane = 0; lane < GlooConnections::kLanes; ++lane) {
    for (int peer = 0; peer < size(); ++peer) {
      if (peer == rank()) continue;
      const gloo::transport::Address& own = connections_->pair(lane, peer)->address();
      const std::vector<char> bytes = own.bytes();
      const std::string text = own.str();
      header_.pair_bytes = static_cast<std::uint32_t>(bytes.size());
      if (text.starts_with("[127.") || text.starts_with("[::1]")) header_.loopback = 1;
      std::memcpy(address_.data() + offset_of(lane, peer), bytes.data(), std::min(bytes.size(), kPairBytes));
    }
  }
  std::memcpy(address_.data(), &header_, sizeof(header_));
}

AddressHeader GlooBootstrap::read_header(int peer, std::span<const std::byte> address) const {
  const std::string name = "address of rank " + std::to_string(peer);
  AddressHeader header;
  if (address.size() != address_.size()) {
    throw Error(LVX_INVALID_ARGUMENT, name + ": expected " + std::to_string(address_.size()) +
                                          " bytes, got " + std::to_string(address.size()));
  }
  std::memcpy(&header, address.data(), sizeof(header));
  if (header.magic != kMagic)
    throw Error(LVX_INVALID_ARGUMENT, name + ": these bytes are no address of a rank");
  if (header.version != header_.version) {
    throw Error(LVX_INVALID_ARGUMENT,
                name + ": it runs version " +
                    std::string(header.version.data(), ::strnlen(header.version.data(), 16)) +
                    " of lvxattn, this rank " + LVX_VERSION);
  }
  if (header.rank != peer || header.size != size() || header.pair_bytes > kPairBytes) {
    throw Error(LVX_INVALID_ARGUMENT, name + ": it says rank " + std::to_string(header.rank) + " of " +
                                          std::to_string(header.size) + ", expected rank " +
                                          std::to_string(peer) + " of " + std::to_string(size()));
  }
  return header;
}

// A rank on the loopback device can be reached from its own machine only.
void GlooBootstrap::check(const std::vector<std::span<const std::byte>>& addresses) const {
  for (int peer = 0; peer < size(); ++peer) {
    const AddressHeader theirs = read_header(peer, addresses[static_cast<std::size_t>(peer)]);
    if (theirs.loopback == header_.loopback) continue;
    const int local = theirs.loopback != 0 ? peer : rank();
    throw Error(
        LVX_INVALID_ARGUMENT,
        "rank " + std::to_string(local) + " offers a loopback address, which rank " +
            std::to_string(local == peer ? rank() : peer) +
            " on another machine cannot reach; give it a host name or address of its network interface");
  }
}

void GlooBootstrap::connect(GlooConnections& connections, int lane, int peer,
                            std::span<const std::byte> address) {
  const auto* theirs = reinterpret_cast<const char*>(address.data()) + offset_of(lane, rank());
  try {
    connections.pair(lane, peer)->connect(std::vector<char>(theirs, theirs + header_.pair_bytes));
  } catch (const std::exception& error) {
    const std::string reason = error.what();
    const bool late = reason.find("imeout") != reason.npos;
    throw Error(late ? LVX_DEADLINE_EXCEEDED : LVX_PEER_LOST,
                "rank " + std::to_string(peer) +
                    (late ? " did not connect within the deadline" : " cannot be reached") + " (" + reason +
                    ")",
                peer);
  }
}

std::unique_ptr<Transport> GlooBootstrap::connect(const std::vector<std::span<const std::byte>>& addresses,
                                                  const std::shared_ptr<Device>& device) {
  if (device->kind() != LVX_CPU) {
    throw Error(LVX_UNSUPPORTED, "device: Gloo joins CPU devices, this one is " + device->name() +
                                     "; join CUDA devices by NCCL");
  }
  if (!connections_) throw Error(LVX_INVALID_STATE, "bootstrap: it was connected already");
  check(addresses);
  const NoPipeSignal guard;
  std::unique_ptr<GlooConnections> connections = std::move(connections_);
  for (int peer = 0; peer < size(); ++peer) {
    if (peer == rank()) continue;
    for (int lane = 0; lane < GlooConnections::kLanes; ++lane) {
      connect(*connections, lane, peer, addresses[static_cast<std::size_t>(peer)]);
    }
  }
  return std::make_unique<RemoteTransport>(std::make_unique<GlooFabric>(std::move(connections)));
}

}  // namespace
}  // namespace lvx

extern "C" {

__attribute__((visibility("default"))) const char* lvx_plugin_version() { return LVX_VERSION; }

__attribute__((visibility("default"))) lvx::Bootstrap* lvx_plugin_begin_gloo(
    int rank, int size, const lvx::JoinOptions& options) {
  return new lvx::GlooBootstrap(rank, size, options.host, options.deadline_seconds);
}
}
