// SPDX-License-Identifier: Apache-2.0
// What this process knows about its peers. The fabric's threads fill it; the rank's own thread waits for changes.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "group/interruption.h"
#include "group/remote/frame.h"
#include "group/transport.h"

namespace lvx {

class Mailbox {
 public:
  Mailbox(int rank, int size) : rank_(rank), peers_(static_cast<std::size_t>(size)) {}
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // ---- For the fabric's threads.

  // Processes a peer's frame; returns the reply, if any.
  std::optional<Frame> deliver(int peer, const Frame& frame);
  // The connection to a peer has ended. The peer's own farewell takes precedence.
  void connection_lost(int peer, const std::string& reason);

  // ---- For any thread.

  // As in Transport.
  void interrupt(std::string_view reason) noexcept;
  void resume() noexcept;
  bool interrupted();

  // ---- For the rank's thread.

  // Throws Error(LVX_INTERRUPTED) if this rank, which waits for the peer, is interrupted, and Error(LVX_PEER_LOST) if any peer
  // has left because it was. await_round and find_late do so themselves.
  void require_uninterrupted(int peer);

  // Sets the answer to probes: the rank that this one waits for, -1 for none, and when a byte last moved on that transfer.
  void waiting_for(int peer, Clock::time_point moved = {});
  bool gone(int peer);
  // Whether the peer has left with unfinished transfers, whose data are invalid.
  bool broke_off(int peer);
  // Waits until the peer is gone, or the expiry.
  void await_end_of(int peer, Clock::time_point until);
  // The same for any peer. Returns the first peer that is gone, or -1.
  int await_any_end(Clock::time_point until);

  // Waits until the peer has confirmed this number of this rank's messages, or is gone, or the expiry. Returns whether it has
  // confirmed them.
  bool await_received(int peer, std::uint64_t messages, Clock::time_point until);

  // Counts the transfers that this rank has begun with a peer; and the number that the peer had begun with this rank when it
  // last answered a probe. A backend that cannot tell which of its transfers is delayed finds the late peer by these numbers.
  void count_transfer(int peer);
  std::uint64_t transfers_begun_by(int peer);

  // Fills `all`, except this rank's part, with the messages of a round. Returns a peer whose message is missing at the expiry,
  // or -1. Throws Error(LVX_PEER_LOST) for a peer that is gone.
  int await_round(std::uint64_t round, std::span<std::byte> all, std::size_t message_bytes,
                  Clock::time_point until);
  // Discards the messages of earlier rounds, which will not be read.
  void forget_rounds_before(std::uint64_t round);

  [[noreturn]] void throw_lost(int peer);
  // Whether some peer has left with unfinished transfers.
  bool anyone_broke_off();

  // Finds the rank that delays the others, starting with the peer that this rank waits for. The caller must send a probe to
  // every live peer after forget_answers; this waits for their answers until the expiry. If bytes have moved along the chain of
  // waits within the patience, no rank is at fault: returns the time at which they moved. Otherwise throws Error(LVX_TIMEOUT),
  // or Error(LVX_PEER_LOST) for a rank that has gone.
  void forget_answers();
  Clock::time_point find_late(int peer, Clock::time_point until, Clock::duration patience);
  // The first live peer that has not answered by the expiry, or -1. Throws Error(LVX_PEER_LOST) if one is gone.
  int silent_peer(Clock::time_point until);

 private:
  using Lock = std::unique_lock<std::mutex>;

  struct Message {
    std::vector<std::byte> bytes;
    std::size_t received = 0;
  };
  struct Peer {
    bool gone = false;
    bool broke_off = false;
    bool interrupted = false;
    int culprit = -1;
    std::string reason;
    std::map<std::uint64_t, Message> rounds;
    bool answered = false;
    int waits_for = -1;
    std::uint32_t idle_milliseconds = Frame::kLongAgo;  // of the transfer that it waits for
    std::uint64_t received = 0;                         // messages of this rank that it has received
    std::uint64_t transfers = 0;                        // begun by this rank with the peer
    std::uint64_t transfers_begun = 0;                  // begun by the peer, when it last answered
  };

  int size() const { return static_cast<int>(peers_.size()); }
  Peer& at(int peer) { return peers_[static_cast<std::size_t>(peer)]; }
  void take_part(Peer& peer, const Frame& frame);
  bool complete(Peer& peer, std::uint64_t round);
  void await_answers(Lock& lock, Clock::time_point until);
  int first_gone() const;
  void require_uninterrupted_locked(int peer);
  [[noreturn]] void throw_lost_locked(int peer);

  const int rank_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Peer> peers_;
  int waiting_for_ = -1;
  Clock::time_point moved_{};  // when a byte last moved on the transfer that this rank waits for
  Interruption interruption_;
};

}  // namespace lvx
