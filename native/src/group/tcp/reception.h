// SPDX-License-Identifier: Apache-2.0
// Handles connections to this rank's listener until they have authenticated or are dropped. Unauthenticated connections take a
// bounded number of sockets, a few bytes each, and no threads.
#pragma once

#include <poll.h>

#include <list>
#include <string>
#include <utility>
#include <vector>

#include "group/rejected_connections.h"
#include "group/tcp/greeting.h"

namespace lvx {

class Reception {
 public:
  // Adds dropped connections to rejected.
  Reception(Socket listener, int rank, int size, int lanes, const GroupKey& key,
            RejectedConnections& rejected);

  // await appends the descriptors to poll. serve takes the same entries with the results of poll.
  void await(std::vector<pollfd>& entries) const;
  void serve(const pollfd* entries);
  // The next time at which serve must be called even without a socket event.
  Clock::time_point next_expiry() const;

  struct Proved {
    Ends ends;
    Socket socket;
  };
  // The connections that have authenticated since the last call, in order.
  std::vector<Proved> take_proved() { return std::exchange(proved_, {}); }

  // Whether a connection claimed to be that rank but could not prove it.
  bool saw_impostor_of(int rank) const { return impostors_[static_cast<std::size_t>(rank)]; }
  // Stops listening and drops unauthenticated connections.
  void close();

 private:
  struct Visitor {
    Greeting greeting;
    TcpAddress from;
    Clock::time_point expiry;
  };
  using Position = std::list<Visitor>::iterator;

  void accept_all();
  void advance(Position visitor);
  void drop(Position visitor, const std::string& reason);
  void make_room();

  Socket listener_;
  const int rank_;
  const int size_;
  const int lanes_;
  const GroupKey key_;
  std::list<Visitor> visitors_;  // in the order of arrival
  std::vector<Proved> proved_;
  std::vector<bool> impostors_;
  RejectedConnections& rejected_;
  Clock::time_point closed_until_{};  // accepts no connections before, after the process ran out of sockets
};

}  // namespace lvx
