// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace lvx {

// Rates of a device to compare its kernels with, in seconds.
class Probes {
 public:
  // A product of n x n matrices.
  virtual double probe_gemm(std::int64_t n) = 0;
  // A read of so many bytes.
  virtual double probe_read(std::size_t bytes) = 0;

 protected:
  ~Probes() = default;
};

}  // namespace lvx
