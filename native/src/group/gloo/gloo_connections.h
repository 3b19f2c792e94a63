// SPDX-License-Identifier: Apache-2.0
// Two connections between each two ranks, one for what each of them sends. Gloo sends a message once its receiver has
// asked for it; on one connection that question would queue behind a message that goes the same way, and the two
// directions would take turns.
#pragma once

#include <gloo/transport/context.h>
#include <gloo/transport/device.h>
#include <gloo/transport/pair.h>

#include <array>
#include <chrono>
#include <memory>

namespace lvx {

class GlooConnections {
 public:
  using Pair = std::unique_ptr<gloo::transport::Pair>;
  using Buffer = std::unique_ptr<gloo::transport::UnboundBuffer>;

  static constexpr int kLanes = 2;

  GlooConnections(gloo::transport::Device& device, int rank, int size, std::chrono::milliseconds timeout)
      : rank_(rank), size_(size) {
    for (auto& lane : lanes_) {
      lane = device.createContext(rank, size);
      lane->setTimeout(timeout);
      for (int peer = 0; peer < size; ++peer) {
        if (peer != rank) lane->createPair(peer);
      }
    }
  }

  int rank() const { return rank_; }
  int size() const { return size_; }
  Pair& pair(int lane, int peer) { return lanes_[static_cast<std::size_t>(lane)]->getPair(peer); }

  // Buffers for what this rank sends to a peer, or receives from it, and the connection that carries them.
  Buffer buffer_to(int peer, void* data, std::size_t bytes) {
    return lane_to(peer)->createUnboundBuffer(data, bytes);
  }
  Buffer buffer_from(int peer, void* data, std::size_t bytes) {
    return lane_from(peer)->createUnboundBuffer(data, bytes);
  }
  Pair& to(int peer) { return lane_to(peer)->getPair(peer); }
  Pair& from(int peer) { return lane_from(peer)->getPair(peer); }

  // No memory is touched any more.
  void close(int peer) {
    for (auto& lane : lanes_) lane->getPair(peer).reset();
  }

 private:
  std::shared_ptr<gloo::transport::Context>& lane_to(int peer) { return lanes_[rank_ < peer ? 0 : 1]; }
  std::shared_ptr<gloo::transport::Context>& lane_from(int peer) { return lanes_[rank_ < peer ? 1 : 0]; }

  const int rank_;
  const int size_;
  std::array<std::shared_ptr<gloo::transport::Context>, kLanes> lanes_;
};

}  // namespace lvx
