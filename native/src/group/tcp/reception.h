// SPDX-License-Identifier: Apache-2.0
// Whoever connects to this rank's listener, until it has proved to be a rank of the group or is dropped. Strangers cost
// a bounded number of sockets, a few bytes each, and no thread.
#pragma once

#include <poll.h>

#include <list>
#include <string>
#include <utility>
#include <vector>

#include "group/strangers.h"
#include "group/tcp/greeting.h"

namespace lvx {

class Reception {
 public:
  // Adds whom it drops to strangers.
  Reception(Socket listener, int rank, int size, int lanes, const GroupKey& key, Strangers& strangers);

  // Adds what is to be waited for, and takes it back, as many entries, with what came of it.
  void await(std::vector<pollfd>& entries) const;
  void serve(const pollfd* entries);
  // When something is to be done that no socket tells of.
  Clock::time_point next_expiry() const;

  struct Proved {
    Ends ends;
    Socket socket;
  };
  // The connections that have been proved since the last call, in their order.
  std::vector<Proved> take_proved() { return std::exchange(proved_, {}); }

  // Whether somebody said to be that rank and could not prove it.
  bool saw_impostor_of(int rank) const { return impostors_[static_cast<std::size_t>(rank)]; }
  // Nobody can come any more; whoever is still there is dropped.
  void close();

 private:
  struct Visitor {
    Greeting greeting;
    TcpAddress from;
    Clock::time_point expiry;
  };
  using Place = std::list<Visitor>::iterator;

  void accept_all();
  void advance(Place visitor);
  void drop(Place visitor, const std::string& reason);
  void make_room();

  Socket listener_;
  const int rank_;
  const int size_;
  const int lanes_;
  const GroupKey key_;
  std::list<Visitor> visitors_;  // in the order of their coming
  std::vector<Proved> proved_;
  std::vector<bool> impostors_;
  Strangers& strangers_;
  Clock::time_point closed_until_{};  // where the process may open no more sockets
};

}  // namespace lvx
