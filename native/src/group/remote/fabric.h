// SPDX-License-Identifier: Apache-2.0
// What a backend (TCP, MPI, NCCL) implements so that processes can be the ranks of a group.
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
  // One transfer in progress, or several that end together. Destroyed when finished, or after close.
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

  // From now on delivers the peers' frames to the mailbox, in order for each peer, and the ends of connections.
  virtual void open(Mailbox& mailbox) = 0;

  // Sends a frame to a peer; never blocks, any thread may call. Failure is the end of the connection.
  virtual void post(int peer, Frame frame) noexcept = 0;

  // Appends the started operations to started, also if it throws later. An operation owns its transfers' memory
  // until it has finished, or the fabric is closed.
  virtual void start(std::span<const Transfer> transfers, Operations& started) = 0;

  // Sends what was posted to all but the culprit, for a moment at most, and ends all connections. When it returns,
  // nothing reads or writes the memory of any operation, now or later: no thread of the backend, no copy on a
  // device, no peer that knows its address. The mailbox gets nothing more. Operations are destroyed afterwards.
  virtual void close(int culprit) noexcept = 0;
  // After close: whether the backend has transfers that it could not cancel. Their memory must never be released.
  virtual bool has_stuck_transfers() const noexcept { return false; }
};

}  // namespace lvx
