// SPDX-License-Identifier: Apache-2.0
// What an engine (TCP, MPI, NCCL) must be able to do so that processes can be the ranks of a group.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "group/remote/frame.h"
#include "group/transport.h"

namespace lvx {

class Mailbox;

class Fabric {
 public:
  // One transfer under way, or several that end together. Destroyed when finished, or after close.
  class Operation {
   public:
    virtual ~Operation() = default;
    Operation() = default;
    Operation(const Operation&) = delete;
    Operation& operator=(const Operation&) = delete;

    // Waits some milliseconds at most; true once it is done.
    virtual bool finished() = 0;
    // The rank that it waits for.
    virtual int peer() = 0;
    // When a byte of it last moved, as far as is known.
    virtual Clock::time_point moved() { return {}; }
  };
  using Operations = std::vector<std::unique_ptr<Operation>>;

  virtual ~Fabric() = default;
  Fabric() = default;
  Fabric(const Fabric&) = delete;
  Fabric& operator=(const Fabric&) = delete;

  virtual lvx_group_kind kind() const = 0;
  virtual int rank() const = 0;
  virtual int size() const = 0;

  // From now on the mailbox gets the peers' frames, in the order of each peer, and the ends of connections.
  virtual void open(Mailbox& mailbox) = 0;

  // Sends a frame to a peer; never blocks, any thread may call. Failure is the end of the connection.
  virtual void post(int peer, Frame frame) noexcept = 0;

  // Adds what was started to started, also what was before it throws. The memory of a transfer is the operation's until
  // it has finished, or the fabric is closed.
  virtual void start(std::span<const Transfer> transfers, Operations& started) = 0;

  // Lets what was posted go out to all but the culprit, for a moment at most, and ends all connections. When it returns,
  // nothing on this side reads or writes the memory of any operation, begun, half begun or finished, and nothing will:
  // no thread of the engine, no copy put on a device, no peer that was told its address. So nobody gets from it either
  // what is put there later. The mailbox gets nothing more. Operations outlive it, and are destroyed afterwards.
  virtual void close(int culprit) noexcept = 0;
  // After close: whether the engine has transfers that it cannot take back, so that it could not keep this promise. Their
  // memory must never be released.
  virtual bool has_stuck_transfers() const noexcept { return false; }
};

}  // namespace lvx
