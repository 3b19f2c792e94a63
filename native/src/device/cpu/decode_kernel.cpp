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
#include "device/cpu/prefetch.h"
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
};

// s[i, j] = scale * q[i] . k[j] for kRows rows and kKeys keys.
template <int kRows, int kKeys, typename T, typename Element>
HWY_INLINE void dot_block(const T* HWY_RESTRICT q, std::int64_t packed, const KeyRows<Element>& k,
                          std::int64_t dim, T scale, T* HWY_RESTRICT s) {
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
    for (int j = 0; j < kKeys; ++j) key[j] = load_converted(wide, k.at(j) + at);
    for (int i = 0; i < kRows; ++i) {
      const V query = hn::LoadU(wide, q + i * packed + at);
      for (int j = 0; j < kKeys; ++j) sum[i][j] = hn::MulAdd(query, key[j], sum[i][j]);
    }
  }
  for (int i = 0; i < kRows; ++i) {
    for (int j = 0; j < kKeys; ++j) {
      T rest = 0;
      if (at < dim) {
        const auto x = load_converted(d, k.at(j) + at);
        rest = hn::GetLane(hn::SumOfLanes(d, hn::Mul(hn::LoadU(d, q + i * packed + at), x)));
      }
      s[i * kDecodeKeys + j] = scale * (hn::GetLane(hn::SumOfLanes(wide, sum[i][j])) + rest);
    }
  }
}

// o[i] += sum over j of p[i, j] v[j].
template <int kRows, int kKeys, typename T, typename Element>
HWY_INLINE void weigh_block(const T* HWY_RESTRICT p, const KeyRows<Element>& v, std::int64_t dim,
                            T* HWY_RESTRICT o, std::int64_t packed) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t at = 0;
  for (; at + lanes <= dim; at += lanes) {
    V value[kKeys];
    for (int j = 0; j < kKeys; ++j) value[j] = load_converted(d, v.at(j) + at);
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

  void tile(std::int64_t head, std::int64_t begin, std::int64_t end) {
    const Seen seen = visible_.advance(0, rows_, begin, end);
    if (seen == Seen::kNothing) return;
    const std::int64_t keys = end - begin;
    const std::int64_t ahead = std::min(end + keys, task_.key_end);
    ahead_ = Prefetcher(a_.k, a_.v, task_.batch, head, end, std::max(end, ahead), p_.head_dim,
                        2 * divide_up(keys, 4) * divide_up(rows_, 4));
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
    for (std::int64_t row = 0; row < rows_;) {
      const T* queries = q(head) + row * packed_;
      const bool four = row + 4 <= rows_;
      for (std::int64_t key = 0; key < keys;) {
        const KeyRows<Element> k = rows_of(a_.k, head, begin + key);
        T* s = work_.s + row * kDecodeKeys + key;
        if (four && key + 4 <= keys) {
          dot_block<4, 4>(queries, packed_, k, dim, scale, s);
        } else if (four) {
          dot_block<4, 1>(queries, packed_, k, dim, scale, s);
        } else if (key + 4 <= keys) {
          dot_block<1, 4>(queries, packed_, k, dim, scale, s);
        } else {
          dot_block<1, 1>(queries, packed_, k, dim, scale, s);
        }
        key += key + 4 <= keys ? 4 : 1;
        ahead_.step();
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
    for (std::int64_t row = 0; row < rows_;) {
      const bool four = row + 4 <= rows_;
      T* sums = o(head) + row * packed_;
      for (std::int64_t key = 0; key < keys;) {
        const KeyRows<Element> v = rows_of(a_.v, head, begin + key);
        const T* p = work_.s + row * kDecodeKeys + key;
        if (four && key + 4 <= keys) {
          weigh_block<4, 4>(p, v, p_.head_dim, sums, packed_);
        } else if (four) {
          weigh_block<4, 1>(p, v, p_.head_dim, sums, packed_);
        } else if (key + 4 <= keys) {
          weigh_block<1, 4>(p, v, p_.head_dim, sums, packed_);
        } else {
          weigh_block<1, 1>(p, v, p_.head_dim, sums, packed_);
        }
        key += key + 4 <= keys ? 4 : 1;
        ahead_.step();
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
        weigh_block<1, 1>(p, rows_of(a_.v, head, begin + key), p_.head_dim, o(head) + row * packed_, packed_);
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
  Prefetcher ahead_;
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
