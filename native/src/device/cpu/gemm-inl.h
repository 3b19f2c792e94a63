// SPDX-License-Identifier: Apache-2.0
// Small matrix products on packed tiles: C[m, n] (op)= sum over k of A(m, k) B[k, n]. Registers hold a block of C,
// vectors run along n, elements of A are broadcast. B and C are padded to whole vectors along n; A is not padded. A
// and B consist of operands, and k counts operands.
#if defined(LVX_GEMM_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef LVX_GEMM_INL_H
#undef LVX_GEMM_INL_H
#else
#define LVX_GEMM_INL_H
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>

#include "device/cpu/blocking.h"
#include "device/cpu/operand-inl.h"
#include "device/cpu/prefetch.h"

HWY_BEFORE_NAMESPACE();
namespace lvx {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// A's layout: A(m, k) = a[m * lda + k], or a[k * lda + m].
enum class LayoutOfA { kRows, kColumns };

// How C is updated: scale * product, C + scale * product, or C * factor[m] + product.
enum class Update { kScale, kAdd, kRescale };

template <typename T>
struct Product {
  const T* a;
  std::int64_t lda;
  const T* b;
  std::int64_t ldb;
  Accumulator<T>* c;
  std::int64_t ldc;
  std::int64_t m, n, k;
  Update update;
  Accumulator<T> scale = 1;                // kScale, kAdd
  const Accumulator<T>* factor = nullptr;  // kRescale
  bool non_temporal = false;               // kScale: writes C, aligned to vectors, with non-temporal stores
};

template <LayoutOfA kLayout, typename T>
HWY_INLINE const T* element_of_a(const T* a, std::int64_t lda, std::int64_t m, std::int64_t k) {
  return kLayout == LayoutOfA::kRows ? a + m * lda + k : a + k * lda + m;
}

// Writes a block's sums: C = change(vector of sums, vector of C, row).
template <int kM, int kVectors, class D, typename T, class Change>
HWY_INLINE void change_block(D d, const Product<T>& p, std::int64_t m, std::int64_t n,
                             const hn::Vec<D> (&sum)[kM][kVectors], const Change& change) {
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (int i = 0; i < kM; ++i) {
    Accumulator<T>* c = p.c + (m + i) * p.ldc + n;
    for (int j = 0; j < kVectors; ++j) change(sum[i][j], c + j * lanes, m + i);
  }
}

template <int kM, int kVectors, class D, typename T, class V = hn::Vec<D>>
HWY_INLINE void update_block(D d, const Product<T>& p, std::int64_t m, std::int64_t n,
                             const V (&sum)[kM][kVectors]) {
  using Sum = Accumulator<T>;
  const V scale = hn::Set(d, p.scale);
  switch (p.update) {
    case Update::kScale:
      if (p.non_temporal) {
        change_block(d, p, m, n, sum, [&](V product, Sum* c, std::int64_t) HWY_ATTR {
          hn::Stream(hn::Mul(product, scale), d, c);
        });
      } else {
        change_block(d, p, m, n, sum, [&](V product, Sum* c, std::int64_t) HWY_ATTR {
          hn::StoreU(hn::Mul(product, scale), d, c);
        });
      }
      break;
    case Update::kAdd:
      if (p.scale == Sum{1}) {
        change_block(d, p, m, n, sum, [&](V product, Sum* c, std::int64_t) HWY_ATTR {
          hn::StoreU(hn::Add(hn::LoadU(d, c), product), d, c);
        });
        break;
      }
      change_block(d, p, m, n, sum, [&](V product, Sum* c, std::int64_t) HWY_ATTR {
        hn::StoreU(hn::MulAdd(product, scale, hn::LoadU(d, c)), d, c);
      });
      break;
    case Update::kRescale:
      change_block(d, p, m, n, sum, [&](V product, Sum* c, std::int64_t row) HWY_ATTR {
        hn::StoreU(hn::MulAdd(hn::LoadU(d, c), hn::Set(d, p.factor[row]), product), d, c);
      });
      break;
  }
}

// Computes kM rows by kVectors vectors of C, at (m, n). The arrays stay in registers: every loop over them is unrolled.
template <LayoutOfA kLayout, int kM, int kVectors, class D, typename T>
HWY_INLINE void block_product(D d, const Product<T>& p, std::int64_t m, std::int64_t n, Prefetcher& ahead) {
  using V = hn::Vec<D>;
  using Operands = decltype(load_operands(d, p.b));
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
  V sum[kM][kVectors];
  for (int i = 0; i < kM; ++i) {
    for (int j = 0; j < kVectors; ++j) sum[i][j] = hn::Zero(d);
  }
  const T* HWY_RESTRICT b = p.b + n;
  const auto add_term = [&](std::int64_t k) HWY_ATTR {
    Operands row[kVectors];
    for (int j = 0; j < kVectors; ++j) row[j] = load_operands(d, b + j * lanes);
    for (int i = 0; i < kM; ++i) {
      const Operands a = broadcast_operand(d, element_of_a<kLayout>(p.a, p.lda, m + i, k));
      for (int j = 0; j < kVectors; ++j) sum[i][j] = multiply_add(a, row[j], sum[i][j]);
    }
    b += p.ldb;
  };
  constexpr std::int64_t kOperations = kM * kVectors;  // per term
  const std::int64_t terms = ahead.pace(kOperations);
  for (std::int64_t begin = 0; begin < p.k; begin += terms) {
    const std::int64_t end = std::min(begin + terms, p.k);
    ahead.step(kOperations * (end - begin));
    std::int64_t k = begin;
    for (; k + 4 <= end; k += 4) {  // unrolled by 4; the trip count is predictable
      for (int i = 0; i < 4; ++i) add_term(k + i);
    }
    for (; k < end; ++k) add_term(k);
  }
  update_block(d, p, m, n, sum);
}

// Rows of a block: 8 x 3 accumulators need 28 registers; machines with 16 registers use half. A block that is one vector
// wide has more rows, because fewer than eight accumulators would stall on the latency of addition.
template <int kVectors>
constexpr int kRegisterRows = HWY_TARGET <= HWY_AVX3 ? 8 : (kVectors == 1 ? 8 : 4);

// Width of a column of blocks for the vectors that remain: 2 + 2 beats 3 + 1.
constexpr std::int64_t column_vectors(std::int64_t left) {
  return left == 2 || left == 4 ? 2 : left < 3 ? left : 3;
}

// A block of fewer rows, at most kM.
template <LayoutOfA kLayout, int kM, int kVectors, class D, typename T>
HWY_NOINLINE void block_of_rows(D d, const Product<T>& p, std::int64_t rows, std::int64_t m, std::int64_t n,
                                Prefetcher& ahead) {
  if constexpr (kM > 1) {
    if (rows < kM) return block_of_rows<kLayout, kM - 1, kVectors>(d, p, rows, m, n, ahead);
  }
  block_product<kLayout, kM, kVectors>(d, p, m, n, ahead);
}

// The last two blocks share the remaining rows evenly: a block of one or two rows would stall on the latency of addition.
template <LayoutOfA kLayout, int kM, int kVectors, class D, typename T>
HWY_INLINE void column_of_blocks(D d, const Product<T>& p, std::int64_t n, Prefetcher& ahead) {
  std::int64_t m = 0;
  for (; p.m - m >= 2 * kM || p.m - m == kM; m += kM) {
    block_product<kLayout, kM, kVectors>(d, p, m, n, ahead);
  }
  while (m < p.m) {
    const std::int64_t left = p.m - m;
    const std::int64_t rows = left > kM ? divide_up(left, 2) : left;
    block_of_rows<kLayout, kM, kVectors>(d, p, rows, m, n, ahead);
    m += rows;
  }
}

template <LayoutOfA kLayout, typename T>
HWY_NOINLINE void multiply(const Product<T>& p, Prefetcher& ahead) {
  const hn::ScalableTag<Accumulator<T>> d;
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t n = 0;
  while (n < p.n) {
    const std::int64_t vectors = column_vectors(divide_up(p.n - n, lanes));
    switch (vectors) {
      case 1:
        column_of_blocks<kLayout, kRegisterRows<1>, 1>(d, p, n, ahead);
        break;
      case 2:
        column_of_blocks<kLayout, kRegisterRows<2>, 2>(d, p, n, ahead);
        break;
      default:
        column_of_blocks<kLayout, kRegisterRows<3>, 3>(d, p, n, ahead);
    }
    n += vectors * lanes;
  }
}

// The number of operations of a product with that many terms, as the prefetcher counts them.
template <typename T>
std::int64_t operations(std::int64_t m, std::int64_t n, std::int64_t terms) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(hn::ScalableTag<Accumulator<T>>()));
  return m * divide_up(n, lanes) * divide_up(terms, kTerms<T>);
}

// The same product with 0 * x = 0 for every x, for tiles in which NaN or infinity may be multiplied by a weight of exactly 0.
template <LayoutOfA kLayout, typename T>
HWY_NOINLINE void multiply_skipping_zeros(const Product<T>& p) {
  for (std::int64_t m = 0; m < p.m; ++m) {
    for (std::int64_t n = 0; n < p.n; ++n) {
      Accumulator<T> sum = 0;
      for (std::int64_t k = 0; k < p.k; ++k) {
        sum = add_skipping_zeros(*element_of_a<kLayout>(p.a, p.lda, m, k), p.b[k * p.ldb + n], sum);
      }
      Accumulator<T>& c = p.c[m * p.ldc + n];
      c = p.update == Update::kScale ? p.scale * sum
          : p.update == Update::kAdd ? multiply_add_one(sum, p.scale, c)
                                     : multiply_add_one(c, p.factor[m], sum);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lvx
HWY_AFTER_NAMESPACE();

#endif
