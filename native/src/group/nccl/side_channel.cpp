// SPDX-License-Identifier: Apache-2.0
#include "group/nccl/side_channel.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.h"
#include "group/remote/mailbox.h"

namespace lvx {
namespace {

constexpr std::chrono::milliseconds kFlushPatience{1000};
constexpr const char* kBroken = "the connection broke";

}  // namespace

SideChannel::SideChannel(int rank, std::vector<Socket> connections)
    : rank_(rank), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (wake_.none()) throw Error(LVX_INTERNAL, "the system gives no event descriptor");
  for (Socket& connection : connections) {
    peers_.push_back(std::make_unique<Peer>());
    peers_.back()->connection = std::move(connection);
  }
}

SideChannel::~SideChannel() { close(rank_); }

void SideChannel::open(Mailbox& mailbox) {
  mailbox_ = &mailbox;
  thread_ = std::thread([this] { serve(); });
}

// The thread: takes what comes, and sends what did not go out at once.
void SideChannel::serve() {
  std::vector<pollfd> entries(peers_.size() + 1);
  std::vector<bool> ended(peers_.size(), false);
  while (!closing_) {
    entries.back() = {wake_.descriptor(), POLLIN, 0};
    for (int peer = 0; peer < size(); ++peer) {
      const std::lock_guard lock(at(peer).mutex);
      const auto slot = static_cast<std::size_t>(peer);
      const bool waits = !at(peer).unsent.empty() && !at(peer).broken;
      entries[slot] = {ended[slot] ? -1 : at(peer).connection.descriptor(),
                       static_cast<short>(waits ? POLLIN | POLLOUT : POLLIN), 0};
    }
    poll(entries.data(), entries.size(), -1);
    std::uint64_t count = 0;
    if (entries.back().revents != 0 && read(wake_.descriptor(), &count, sizeof(count)) < 0) continue;
    for (int peer = 0; peer < size(); ++peer) {
      const auto slot = static_cast<std::size_t>(peer);
      if ((entries[slot].revents & POLLOUT) != 0) {
        const std::lock_guard lock(at(peer).mutex);
        send_unsent(at(peer));
      }
      if ((entries[slot].revents & ~POLLOUT) != 0 && !receive(peer)) {
        ended[slot] = true;
        mailbox_->connection_lost(peer, kBroken);
      }
    }
  }
}

// Whether the connection goes on.
bool SideChannel::receive(int peer) {
  Peer& from = at(peer);
  for (;;) {
    const std::size_t wanted =
        from.received < Frame::kHeaderBytes ? Frame::kHeaderBytes : from.incoming.wire_bytes();
    const auto rest =
        std::as_writable_bytes(std::span(&from.incoming, 1)).subspan(from.received, wanted - from.received);
    const std::ptrdiff_t received = from.connection.receive_some(rest);
    if (received <= 0) return received == 0;
    from.received += static_cast<std::size_t>(received);
    if (from.received >= Frame::kHeaderBytes && from.incoming.bytes > Frame::kPayloadBytes) return false;
    if (from.received == from.incoming.wire_bytes() && !take_frame(peer)) return false;
  }
}

bool SideChannel::take_frame(int peer) {
  at(peer).received = 0;
  try {
    const std::optional<Frame> answer = mailbox_->deliver(peer, at(peer).incoming);
    if (answer) post(peer, *answer);
    return true;
  } catch (const std::exception& error) {
    mailbox_->connection_lost(peer, error.what());
    return false;
  }
}

// Most frames go out at once; the thread sends the rest.
void SideChannel::post(int peer, const Frame& frame) noexcept {
  Peer& to = at(peer);
  try {
    const std::lock_guard lock(to.mutex);
    if (to.broken || to.connection.none()) return;
    const auto bytes = std::as_bytes(std::span(&frame, 1)).first(frame.wire_bytes());
    to.unsent.insert(to.unsent.end(), bytes.begin(), bytes.end());
    if (!send_unsent(to)) wake();
  } catch (const std::exception& error) {
    mailbox_->connection_lost(peer, error.what());
  }
}

// Whether nothing is left to send. Under the peer's lock.
bool SideChannel::send_unsent(Peer& peer) {
  std::array<std::byte, Frame::kBytes> part{};
  while (!peer.unsent.empty() && !peer.broken) {
    const std::size_t bytes = std::min(part.size(), peer.unsent.size());
    std::copy_n(peer.unsent.begin(), bytes, part.begin());
    const std::ptrdiff_t sent = peer.connection.send_some(std::span(part).first(bytes));
    if (sent < 0) peer.broken = true;  // the thread finds that out, too, and tells
    if (sent <= 0) return peer.broken;
    peer.unsent.erase(peer.unsent.begin(), peer.unsent.begin() + sent);
  }
  return true;
}

void SideChannel::wake() noexcept {
  const std::uint64_t one = 1;
  // It cannot fail: the counter never comes near its end.
  [[maybe_unused]] const auto written = write(wake_.descriptor(), &one, sizeof(one));
}

// The thread has ended.
void SideChannel::flush(int culprit) {
  const Clock::time_point until = Clock::now() + kFlushPatience;
  for (int peer = 0; peer < size(); ++peer) {
    Peer& to = at(peer);
    if (peer == rank_ || peer == culprit || to.broken || mailbox_->gone(peer)) continue;
    const std::vector<std::byte> rest(to.unsent.begin(), to.unsent.end());
    to.connection.send_all(rest, until);
  }
}

void SideChannel::close(int culprit) noexcept {
  if (mailbox_ == nullptr || closing_.exchange(true)) return;
  wake();
  if (thread_.joinable()) thread_.join();
  flush(culprit);
  for (const auto& peer : peers_) {
    const std::lock_guard lock(peer->mutex);
    peer->connection.close();
  }
}

}  // namespace lvx
