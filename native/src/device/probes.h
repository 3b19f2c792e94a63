// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace lvx {

// Measures a device, for comparison with its kernels. Results are in seconds.
class Probes {
 public:
  // Time of one product of n x n matrices.
  virtual double probe_gemm(std::int64_t n) = 0;
  // Time to read that many bytes once.
  virtual double probe_read(std::size_t bytes) = 0;

 protected:
  ~Probes() = default;
};

}  // namespace lvx
