// SPDX-License-Identifier: Apache-2.0
// A group whose ranks are threads of one process.
#pragma once

#include <memory>

#include "group/group.h"

namespace lvx {

class LocalWorld {
 public:
  virtual ~LocalWorld() = default;
  virtual int size() const = 0;
  virtual const GroupOptions& options() const = 0;
  // device: holds the memory of the rank's messages; null: host memory. All ranks' devices are of one kind. Throws
  // Error(LVX_INVALID_ARGUMENT) for a rank out of range, and Error(LVX_INVALID_STATE) if the rank has joined already or the
  // world is closed.
  virtual std::unique_ptr<Transport> join(int rank, std::shared_ptr<Device> device = nullptr) = 0;
  virtual void close() = 0;
};

std::shared_ptr<LocalWorld> make_local_world(int size, const GroupOptions& options);
std::unique_ptr<Transport> make_self_transport();

}  // namespace lvx
