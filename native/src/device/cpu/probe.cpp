// SPDX-License-Identifier: Apache-2.0
#include "device/cpu/probe.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>

#include "device/cpu/blas.h"
#include "device/cpu/blocking.h"

namespace lvx::cpu {
namespace {

class Held {
 public:
  Held(Memory& memory, std::size_t bytes) : memory_(memory), data_(memory.allocate(bytes)), bytes_(bytes) {}
  ~Held() { memory_.release(data_, bytes_); }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  std::byte* data() const { return data_; }

 private:
  Memory& memory_;
  std::byte* data_;
  std::size_t bytes_;
};

template <typename Work>
double seconds(const Work& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

std::uint64_t sum_of(const std::byte* data, std::size_t bytes) {
  std::uint64_t sums[8] = {};
  for (std::size_t i = 0; i + 64 <= bytes; i += 64) {
    std::uint64_t words[8];
    std::memcpy(words, data + i, 64);
    for (int j = 0; j < 8; ++j) sums[j] += words[j];
  }
  std::uint64_t sum = 0;
  for (const std::uint64_t s : sums) sum += s;
  return sum;
}

}  // namespace

double probe_gemm(ThreadTeam& team, Memory& memory, std::int64_t n) {
  const std::size_t bytes = static_cast<std::size_t>(n * n) * sizeof(float);
  const Held a(memory, bytes);
  const Held b(memory, bytes);
  const Held c(memory, bytes);
  auto* x = reinterpret_cast<float*>(a.data());
  auto* y = reinterpret_cast<float*>(b.data());
  auto* z = reinterpret_cast<float*>(c.data());
  for (std::int64_t i = 0; i < n * n; ++i) {
    x[i] = static_cast<float>(i % 7) - 3.0f;
    y[i] = static_cast<float>(i % 5) - 2.0f;
    z[i] = 0.0f;
  }
  const Split rows(n, team.threads(), 1);
  return seconds([&] {
    team.run(rows.parts(), [&](std::int64_t part, int) {
      const std::int64_t begin = rows.begin(part);
      blas::gemm(false, false, rows.end(part) - begin, n, n, x + begin * n, n, y, n, z + begin * n, n);
    });
  });
}

double probe_read(ThreadTeam& team, Memory& memory, std::size_t bytes) {
  const Held held(memory, bytes);
  const auto total = static_cast<std::int64_t>(bytes);
  const Split parts(total, std::int64_t{4} * team.threads(), 4096);
  std::memset(held.data(), 1, bytes);
  std::atomic<std::uint64_t> sum{0};  // so that the compiler keeps the reads
  return seconds([&] {
    team.run(parts.parts(), [&](std::int64_t part, int) {
      const std::int64_t begin = parts.begin(part);
      sum += sum_of(held.data() + begin, static_cast<std::size_t>(parts.end(part) - begin));
    });
  });
}

}  // namespace lvx::cpu
