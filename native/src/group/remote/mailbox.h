// SPDX-License-Identifier: Apache-2.0
// What this process knows of its peers. The threads of a fabric fill it, the rank's own thread waits for it.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "group/remote/frame.h"
#include "group/transport.h"

namespace lvx {

class Mailbox {
 public:
  Mailbox(int rank, int size) : rank_(rank), peers_(static_cast<std::size_t>(size)) {}
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // ---- For the fabric's threads.

  // Takes a frame of a peer; returns the answer it wants, if any.
  std::optional<Frame> deliver(int peer, const Frame& frame);
  // The connection to a peer has ended. What the peer said itself weighs more.
  void connection_lost(int peer, const std::string& reason);

  // ---- For the rank's thread.

  // Peers that ask are told whom this rank waits for, -1 for nobody, and when a byte last moved on that.
  void waiting_for(int peer, Clock::time_point moved = {});
  bool gone(int peer);
  // Whether the peer has left with transfers that had not ended: what would still come of them is not to be trusted.
  bool broke_off(int peer);
  // Waits until the peer is gone or the time has come.
  void await_end_of(int peer, Clock::time_point until);
  // Likewise for any peer; the first that is gone, or -1.
  int await_any_end(Clock::time_point until);

  // Whether a peer has said that it has received so many messages of this rank. Waits for that until the time has come, or
  // the peer is gone.
  bool await_received(int peer, std::uint64_t messages, Clock::time_point until);

  // Counts the transfers with a peer that this rank has begun, and tells how many the peer had begun with this rank when
  // it last answered a probe: by that an engine that does not know which of its transfers is held up sees who has not
  // come yet.
  void count_transfer(int peer);
  std::uint64_t transfers_begun_by(int peer);

  // Fills all but this rank's part with the messages of a round. Returns the peer whose message is missing when the
  // time has come, or -1. Throws Error(LVX_PEER_LOST) for one that is gone.
  int await_round(std::uint64_t round, std::span<std::byte> all, std::size_t message_bytes,
                  Clock::time_point until);
  // A round that nobody reads: what came for it may be forgotten.
  void forget_rounds_before(std::uint64_t round);

  [[noreturn]] void throw_lost(int peer);
  // Whether some peer has left with transfers under way.
  bool anyone_broke_off();

  // Finds who holds up the others, beginning with the peer this rank waits for. Before: every live peer was sent a
  // probe after forget_answers. Waits for their answers until the time has come. Where bytes have moved along the chain
  // of waits within the patience, nobody holds up anybody: returns when they did. Throws Error(LVX_DEADLINE_EXCEEDED)
  // otherwise, Error(LVX_PEER_LOST) for a rank that has gone.
  void forget_answers();
  Clock::time_point find_late(int peer, Clock::time_point until, Clock::duration patience);
  // The first live peer that has not answered when the time has come, or -1. Throws Error(LVX_PEER_LOST) if one is gone.
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
    int culprit = -1;
    std::string reason;
    std::map<std::uint64_t, Message> rounds;
    bool answered = false;
    int waits_for = -1;
    std::uint32_t idle_milliseconds = Frame::kLongAgo;  // on what it waits for
    std::uint64_t received = 0;                         // messages of this rank
    std::uint64_t transfers = 0;                        // with this rank, begun by this rank
    std::uint64_t transfers_begun = 0;                  // by the peer, when it last answered
  };

  int size() const { return static_cast<int>(peers_.size()); }
  Peer& at(int peer) { return peers_[static_cast<std::size_t>(peer)]; }
  void take_part(Peer& peer, const Frame& frame);
  bool complete(Peer& peer, std::uint64_t round);
  void await_answers(Lock& lock, Clock::time_point until);
  int first_gone() const;
  [[noreturn]] void throw_lost_locked(int peer);

  const int rank_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Peer> peers_;
  int waiting_for_ = -1;
  Clock::time_point moved_{};  // a byte, on what this rank waits for
};

}  // namespace lvx
