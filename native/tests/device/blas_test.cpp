// SPDX-License-Identifier: Apache-2.0
// Concurrent products on several threads, as several ranks of one process and the threads of a device make them.
#include "device/cpu/blas.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>
#include <vector>

#include "support/seed.h"

namespace lvx {
namespace {

constexpr int kThreads = 6;
constexpr int kProducts = 20000;

// c = a b with integers, so that results are exact.
bool multiplies_well(std::mt19937& random) {
  const auto pick = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); };
  const int m = pick(1, 30);
  const int n = pick(1, 64);
  const int k = pick(1, 40);
  const auto fill = [&](int count) {
    std::vector<double> values(static_cast<std::size_t>(count));
    for (double& value : values) value = pick(-9, 9);
    return values;
  };
  const std::vector<double> a = fill(m * k);
  const std::vector<double> b = fill(k * n);
  std::vector<double> c(static_cast<std::size_t>(m * n));
  blas::gemm(false, false, m, n, k, a.data(), k, b.data(), n, c.data(), n);
  for (int i = 0; i < m; ++i) {
    for (int j = 0; j < n; ++j) {
      double sum = 0;
      for (int l = 0; l < k; ++l)
        sum += a[static_cast<std::size_t>(i * k + l)] * b[static_cast<std::size_t>(l * n + j)];
      if (c[static_cast<std::size_t>(i * n + j)] != sum) return false;
    }
  }
  return true;
}

TEST(Blas, ThreadsMultiplyAtOnceWithoutDisturbingEachOther) {
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&wrong, thread] {
      std::mt19937 random(test::seeded(static_cast<unsigned>(thread)));
      for (int i = 0; i < kProducts; ++i) wrong += multiplies_well(random) ? 0 : 1;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace lvx
