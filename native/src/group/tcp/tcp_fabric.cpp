// SPDX-License-Identifier: Apache-2.0
#include "group/tcp/tcp_fabric.h"

#include <utility>

namespace lvx {

TcpFabric::TcpFabric(Connections connections)
    : control_(connections.rank, std::move(connections.lanes[kControl]), connections.checksums),
      data_(connections.rank, std::move(connections.lanes[kData]), connections.checksums,
            [this](int peer, std::uint64_t messages) {
              Frame received;
              received.type = Frame::Type::kReceived;
              received.round = messages;
              control_.post(peer, received);
            }) {}

void TcpFabric::open(Mailbox& mailbox) {
  control_.open(mailbox);
  data_.open(mailbox);
}

void TcpFabric::start(std::span<const Transfer> transfers, Operations& started) {
  started.reserve(started.size() + transfers.size());
  for (const Transfer& transfer : transfers) started.push_back(data_.start(transfer));
}

void TcpFabric::close(int culprit) noexcept {
  data_.close();
  control_.close(culprit);
}

}  // namespace lvx
