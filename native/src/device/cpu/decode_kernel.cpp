// SPDX-License-Identifier: Apache-2.0
// Few rows against many keys. Vectors run along head_dim, so that k and v are used as they are read, converted in
// registers; the rows of a head share each vector that is loaded.
#define HWY_DISABLED_TARGETS HWY_SSSE3  // without SSE4.1 too rare to compile everything once more
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "device/cpu/decode_kernel.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <limits>

#include "device/cpu/decode_task.h"
#include "device/cpu/exp-inl.h"
#include "device/cpu/mask.h"
#include "device/cpu/pack-inl.h"
#include "device/cpu/unit.h"

HWY_BEFORE_NAMESPACE();
namespace lvx {
namespace HWY_NAMESPACE {

// Rows of k or v of one head.
template <typename Element>
struct KeyRows {
  const Element* data;
  std::int64_t stride;

  const Element* at(std::int64_t key) const { return data + key * stride; }
  KeyRows from(std::int64_t key) const { return {at(key), stride}; }
};

// Asks for the line of memory that begins at that element of a row, if one does.
template <typename Element>
HWY_INLINE void prefetch(const Element* row, std::int64_t at) {
  constexpr std::int64_t kLine = 64;
  if (at * static_cast<std::int64_t>(sizeof(Element)) % kLine == 0) __builtin_prefetch(row + at);
}

#if HWY_TARGET != HWY_SCALAR
// Blocks of 128 bits added up.
template <class D, class V = hn::Vec<D>>
HWY_INLINE auto sum_of_blocks([[maybe_unused]] D d, V v) {
  if constexpr (hn::MaxLanes(D()) * sizeof(hn::TFromD<D>) == 16) {
    return v;
  } else {
    const hn::Half<D> half;
    return sum_of_blocks(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  }
}
#endif

// The sums of the lanes of four vectors. Reduced together they take a third of the instructions of one after the other.
template <class D, class V = hn::Vec<D>, typename T = hn::TFromD<D>>
HWY_INLINE void sums_of_lanes(D d, const V* v, T* HWY_RESTRICT sums) {
#if HWY_TARGET != HWY_SCALAR
  if constexpr (sizeof(T) == 4) {
    const hn::RepartitionToWide<hn::RebindToUnsigned<D>> pairs;
    const auto pair_up = [&](V a, V b) HWY_ATTR {  // in each block: a0 + a2, b0 + b2, a1 + a3, b1 + b3
      return hn::Add(hn::InterleaveLower(d, a, b), hn::InterleaveUpper(d, a, b));
    };
    const auto left = hn::BitCast(pairs, pair_up(v[0], v[1]));
    const auto right = hn::BitCast(pairs, pair_up(v[2], v[3]));
    const V blocks = hn::Add(hn::BitCast(d, hn::InterleaveLower(pairs, left, right)),
                             hn::BitCast(d, hn::InterleaveUpper(pairs, left, right)));
    const hn::Full128<T> d4;
    hn::StoreU(sum_of_blocks(d, blocks), d4, sums);
    return;
  }
#endif
  for (int i = 0; i < 4; ++i) sums[i] = hn::GetLane(hn::SumOfLanes(d, v[i]));
}

// s[i, j] = scale * q[i] . k[j] for kRows rows and kKeys keys. For each line that is read one is fetched of the rows
// that come next.
template <int kRows, int kKeys, typename T, typename Element>
HWY_INLINE void dot_block(const T* HWY_RESTRICT q, std::int64_t packed, const KeyRows<Element>& k,
                          const KeyRows<Element>& next, std::int64_t dim, T scale, T* HWY_RESTRICT s) {
  const hn::CappedTag<T, 8> d;  // head_dim is a multiple of 8
  const hn::ScalableTag<T> wide;
  using V = hn::Vec<decltype(wide)>;
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(wide));
  V sum[kRows][kKeys];
  for (int i = 0; i < kRows; ++i) {
    for (int j = 0; j < kKeys; ++j) sum[i][j] = hn::Zero(wide);
  }
  std::int64_t at = 0;
  for (; at + lanes <= dim; at += lanes) {
    V key[kKeys];
    for (int j = 0; j < kKeys; ++j) {
      key[j] = load_converted(wide, k.at(j) + at);
      prefetch(next.at(j), at);
    }
    for (int i = 0; i < kRows; ++i) {
      const V query = hn::LoadU(wide, q + i * packed + at);
      for (int j = 0; j < kKeys; ++j) sum[i][j] = hn::MulAdd(query, key[j], sum[i][j]);
    }
  }
  for (int i = 0; i < kRows; ++i) {
    T sums[4];
    if constexpr (kKeys == 4) {
      sums_of_lanes(wide, sum[i], sums);
    } else {
      sums[0] = hn::GetLane(hn::SumOfLanes(wide, sum[i][0]));
    }
    for (int j = 0; j < kKeys; ++j) {
      T rest = 0;
      if (at < dim) {
        const auto x = load_converted(d, k.at(j) + at);
        rest = hn::GetLane(hn::SumOfLanes(d, hn::Mul(hn::LoadU(d, q + i * packed + at), x)));
      }
      s[i * kDecodeKeys + j] = scale * (sums[j] + rest);
    }
  }
}

// o[i] += sum over j of p[i, j] v[j].
template <int kRows, int kKeys, typename T, typename Element>
HWY_INLINE void weigh_block(const T* HWY_RESTRICT p, const KeyRows<Element>& v, const KeyRows<Element>& next,
                            std::int64_t dim, T* HWY_RESTRICT o, std::int64_t packed) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t at = 0;
  for (; at + lanes <= dim; at += lanes) {
    V value[kKeys];
    for (int j = 0; j < kKeys; ++j) {
      value[j] = load_converted(d, v.at(j) + at);
      prefetch(next.at(j), at);
    }
    for (int i = 0; i < kRows; ++i) {
      V sum = hn::LoadU(d, o + i * packed + at);
      for (int j = 0; j < kKeys; ++j) sum = hn::MulAdd(hn::Set(d, p[i * kDecodeKeys + j]), value[j], sum);
      hn::StoreU(sum, d, o + i * packed + at);
    }
  }
  for (; at < dim; ++at) {
    for (int i = 0; i < kRows; ++i) {
      for (int j = 0; j < kKeys; ++j)
        o[i * packed + at] += p[i * kDecodeKeys + j] * from_element<T>(v.at(j)[at]);
    }
  }
}

template <typename T, typename Element>
class DecodeRun {
 public:
  DecodeRun(const DecodeTask<T>& task, std::byte* workspace) : DecodeRun(task, Scratch(workspace)) {}

  void run() {
    for (std::int64_t head = 0; head < p_.key_heads; ++head) start(head);
    for (std::int64_t key = task_.key_begin; key < task_.key_end; key += kDecodeKeys) {
      const std::int64_t end = std::min(key + kDecodeKeys, task_.key_end);
      for (std::int64_t head = 0; head < p_.key_heads; ++head) tile(head, key, end);
    }
    for (std::int64_t head = 0; head < p_.key_heads; ++head) finish(head);
  }

 private:
  DecodeRun(const DecodeTask<T>& task, Scratch scratch)
      : task_(task),
        a_(*task.arguments),
        p_(a_.problem),
        work_(scratch, p_),
        packed_(packed_dim(p_.head_dim)),
        rows_(Unit::rows(p_)),
        visible_(a_.visibility, p_, unit(0), 0, rows_, work_.cursors) {}

  Unit unit(std::int64_t head) const { return Unit(p_, task_.batch * p_.key_heads + head); }
  T* q(std::int64_t head) const { return work_.q + head * kDecodeRows * packed_; }
  T* o(std::int64_t head) const { return work_.o + head * kDecodeRows * packed_; }

  void start(std::int64_t head) {
    const Unit u = unit(head);
    for (std::int64_t row = 0; row < rows_; ++row) {
      convert_row(a_.q.at(u.batch, u.query(row), u.head(row)), a_.q.dtype, p_.head_dim,
                  q(head) + row * packed_);
    }
    std::fill_n(o(head), rows_ * packed_, T{0});
    std::fill_n(work_.max + head * kDecodeRows, kDecodeRows, -std::numeric_limits<T>::infinity());
    std::fill_n(work_.sum + head * kDecodeRows, kDecodeRows, T{0});
  }

  KeyRows<Element> rows_of(const Bshd& x, std::int64_t head, std::int64_t key) const {
    return {reinterpret_cast<const Element*>(x.at(task_.batch, key, head)), x.row_stride};
  }

  // What is read after that tile: the same keys of the next head, or the next keys of the first.
  KeyRows<Element> rows_after(const Bshd& x, std::int64_t head, std::int64_t begin, std::int64_t keys) const {
    if (head + 1 < p_.key_heads) return rows_of(x, head + 1, begin);
    const bool last = begin + 2 * keys > task_.key_end;
    return rows_of(x, 0, last ? begin : begin + keys);
  }

  void tile(std::int64_t head, std::int64_t begin, std::int64_t end) {
    const Seen seen = visible_.advance(0, rows_, begin, end);
    if (seen == Seen::kNothing) return;
    const std::int64_t keys = end - begin;
    look(head, begin, keys);
    const bool masked = seen == Seen::kSome || !a_.bias.none();
    if (masked) hide(head, begin, end);
    for (std::int64_t row = 0; row < rows_; ++row) soften(head, row, keys);
    if (masked) {
      weigh_what_is_seen(head, begin, keys);
    } else {
      weigh(head, begin, keys);
    }
  }

  // s = scale q k^T.
  void look(std::int64_t head, std::int64_t begin, std::int64_t keys) {
    const T scale = static_cast<T>(p_.scale);
    const std::int64_t dim = p_.head_dim;
    const KeyRows<Element> all = rows_of(a_.k, head, begin);
    const KeyRows<Element> after = rows_after(a_.k, head, begin, keys);
    for (std::int64_t row = 0; row < rows_;) {
      const T* queries = q(head) + row * packed_;
      const bool four = row + 4 <= rows_;
      for (std::int64_t key = 0; key < keys;) {
        const KeyRows<Element> k = all.from(key);
        const KeyRows<Element> next = after.from(key);
        T* s = work_.s + row * kDecodeKeys + key;
        if (four && key + 4 <= keys) {
          dot_block<4, 4>(queries, packed_, k, next, dim, scale, s);
        } else if (four) {
          dot_block<4, 1>(queries, packed_, k, next, dim, scale, s);
        } else if (key + 4 <= keys) {
          dot_block<1, 4>(queries, packed_, k, next, dim, scale, s);
        } else {
          dot_block<1, 1>(queries, packed_, k, next, dim, scale, s);
        }
        key += key + 4 <= keys ? 4 : 1;
      }
      row += four ? 4 : 1;
    }
  }

  // s + bias, -inf where hidden.
  void hide(std::int64_t head, std::int64_t begin, std::int64_t end) {
    constexpr T kHidden = -std::numeric_limits<T>::infinity();
    const Unit u = unit(head);
    for (std::int64_t row = 0; row < rows_; ++row) {
      T* mask = work_.mask + row * kDecodeKeys;
      if (a_.bias.none()) {
        std::fill_n(mask, end - begin, T{0});
      } else {
        load_row(a_.bias.at(u.batch, u.head(row), u.query(row), begin), a_.bias.dtype, end - begin, mask);
      }
    }
    visible_.hide(0, rows_, begin, end, work_.mask, kDecodeKeys, 1);
    for (std::int64_t row = 0; row < rows_; ++row) {
      for (std::int64_t i = row * kDecodeKeys; i < row * kDecodeKeys + end - begin; ++i) {
        work_.s[i] = work_.mask[i] == kHidden ? kHidden : work_.s[i] + work_.mask[i];
      }
    }
  }

  // s = exp(s - running maximum); earlier sums are scaled to it.
  void soften(std::int64_t head, std::int64_t row, std::int64_t keys) {
    const hn::ScalableTag<T> d;
    using V = hn::Vec<decltype(d)>;
    const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
    constexpr T kNothing = -std::numeric_limits<T>::infinity();
    T* s = work_.s + row * kDecodeKeys;
    T& max = work_.max[head * kDecodeRows + row];
    T& sum = work_.sum[head * kDecodeRows + row];
    std::fill(s + keys, s + kDecodeKeys, kNothing);
    V highest = hn::Set(d, max);
    for (std::int64_t i = 0; i < kDecodeKeys; i += lanes) highest = hn::Max(highest, hn::LoadU(d, s + i));
    const T before = max;
    max = hn::GetLane(hn::MaxOfLanes(d, highest));
    const T base = max == kNothing ? T{0} : max;
    V total = hn::Zero(d);
    for (std::int64_t i = 0; i < kDecodeKeys; i += lanes) {
      const V weight = exp_nonpositive(d, hn::Sub(hn::LoadU(d, s + i), hn::Set(d, base)));
      hn::StoreU(weight, d, s + i);
      total = hn::Add(total, weight);
    }
    const T tile_sum = hn::GetLane(hn::SumOfLanes(d, total));
    if (before == max) {
      sum += tile_sum;
      return;
    }
    const T factor = before == kNothing ? T{0} : std::exp(before - base);
    sum = sum * factor + tile_sum;
    for (std::int64_t i = 0; i < p_.head_dim; ++i) o(head)[row * packed_ + i] *= factor;
  }

  // o += s v.
  void weigh(std::int64_t head, std::int64_t begin, std::int64_t keys) {
    const KeyRows<Element> all = rows_of(a_.v, head, begin);
    const KeyRows<Element> after = rows_after(a_.v, head, begin, keys);
    for (std::int64_t row = 0; row < rows_;) {
      const bool four = row + 4 <= rows_;
      T* sums = o(head) + row * packed_;
      for (std::int64_t key = 0; key < keys;) {
        const KeyRows<Element> v = all.from(key);
        const KeyRows<Element> next = after.from(key);
        const T* p = work_.s + row * kDecodeKeys + key;
        if (four && key + 4 <= keys) {
          weigh_block<4, 4>(p, v, next, p_.head_dim, sums, packed_);
        } else if (four) {
          weigh_block<4, 1>(p, v, next, p_.head_dim, sums, packed_);
        } else if (key + 4 <= keys) {
          weigh_block<1, 4>(p, v, next, p_.head_dim, sums, packed_);
        } else {
          weigh_block<1, 1>(p, v, next, p_.head_dim, sums, packed_);
        }
        key += key + 4 <= keys ? 4 : 1;
      }
      row += four ? 4 : 1;
    }
  }

  // The same where values that a row does not see may be NaN: those of weight 0 are left out.
  void weigh_what_is_seen(std::int64_t head, std::int64_t begin, std::int64_t keys) {
    for (std::int64_t row = 0; row < rows_; ++row) {
      for (std::int64_t key = 0; key < keys; ++key) {
        const T* p = work_.s + row * kDecodeKeys + key;
        if (*p == T{0}) continue;
        const KeyRows<Element> v = rows_of(a_.v, head, begin + key);
        weigh_block<1, 1>(p, v, v, p_.head_dim, o(head) + row * packed_, packed_);
      }
    }
  }

  void finish(std::int64_t head) {
    const std::int64_t first = (task_.batch * p_.key_heads + head) * rows_;
    for (std::int64_t row = 0; row < rows_; ++row) {
      std::copy_n(o(head) + row * packed_, p_.head_dim, task_.partial_o + (first + row) * p_.head_dim);
      task_.partial_max[first + row] = work_.max[head * kDecodeRows + row];
      task_.partial_sum[first + row] = work_.sum[head * kDecodeRows + row];
    }
  }

  const DecodeTask<T>& task_;
  const ForwardArguments& a_;
  const Problem& p_;
  DecodeWorkspace<T> work_;
  std::int64_t packed_;
  std::int64_t rows_;
  RowVisibility visible_;
};

void decode_float(const DecodeTask<float>& task, std::byte* workspace) {
  switch (task.arguments->k.dtype) {
    case DType::kBFloat16:
      return DecodeRun<float, BFloat16>(task, workspace).run();
    case DType::kFloat16:
      return DecodeRun<float, Float16>(task, workspace).run();
    default:
      return DecodeRun<float, float>(task, workspace).run();
  }
}

void decode_double(const DecodeTask<double>& task, std::byte* workspace) {
  DecodeRun<double, double>(task, workspace).run();
}

}  // namespace HWY_NAMESPACE
}  // namespace lvx
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lvx {

HWY_EXPORT(decode_float);
HWY_EXPORT(decode_double);

void run_decode_task(const DecodeTask<float>& task, std::byte* workspace) {
  HWY_DYNAMIC_DISPATCH(decode_float)(task, workspace);
}

void run_decode_task(const DecodeTask<double>& task, std::byte* workspace) {
  HWY_DYNAMIC_DISPATCH(decode_double)(task, workspace);
}

}  // namespace lvx
#endif
