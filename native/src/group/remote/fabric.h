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
  // One transfer in progress, or several that complete together. Destroyed when finished, or after close.
  class Operation {
   public:
    virtual ~Operation() = default;
    Operation() = default;
    Operation(const Operation&) = delete;
    Operation& operator=(const Operation&) = delete;

    // Waits at most some milliseconds. True once the operation is complete.
    virtual bool finished() = 0;
    // The rank that the operation waits for.
    virtual int peer() = 0;
    // When a byte of the operation last moved, as far as is known.
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

  // Starts to deliver frames to the mailbox, in order for each peer, and to report lost connections to it.
  virtual void open(Mailbox& mailbox) = 0;

  // Sends a frame to a peer. Never blocks; any thread may call it. After a failure, the connection counts as lost.
  virtual void post(int peer, Frame frame) noexcept = 0;

  // Appends the operations to `started`, including those started before an exception. An operation may access its transfers'
  // memory until it has finished or the fabric is closed.
  virtual void start(std::span<const Transfer> transfers, Operations& started) = 0;

  // Briefly tries to send all posted frames, except to the culprit, and closes all connections. When it returns, nothing
  // accesses the memory of any operation any more: no thread of the backend, no copy on a device, no peer that knows its
  // address. The mailbox receives no more frames. Operations are destroyed afterwards.
  virtual void close(int culprit) noexcept = 0;
  // After close: whether the backend has transfers that it could not cancel. Their memory must never be released.
  virtual bool has_stuck_transfers() const noexcept { return false; }
};

}  // namespace lvx
