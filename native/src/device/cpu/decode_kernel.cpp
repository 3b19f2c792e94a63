// SPDX-License-Identifier: Apache-2.0
// Forward for few rows and many keys. Vectors run along head_dim, so that k and v are not packed: they are converted in
// registers. The rows of a head share each loaded vector.
#define HWY_DISABLED_TARGETS HWY_SSSE3  // processors without SSE4.1 are too rare for one more build
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "device/cpu/decode_kernel.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "device/cpu/decode_task.h"
#include "device/cpu/dot-inl.h"
#include "device/cpu/exp-inl.h"
#include "device/cpu/finish_row.h"
#include "device/cpu/group_sums-inl.h"
#include "device/cpu/mask.h"
#include "device/cpu/pack-inl.h"
#include "device/cpu/unit.h"

HWY_BEFORE_NAMESPACE();
namespace lvx {
namespace HWY_NAMESPACE {

// o[i] += sum over j of p[i, j] v[j].
template <int kRows, int kKeys, typename T, typename Element, typename Later>
HWY_INLINE void weigh_block(const T* HWY_RESTRICT p, KeyRows<Element> v, Later later, std::int64_t dim,
                            T* HWY_RESTRICT o, std::int64_t packed) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
  V weight[kRows][kKeys];
  for (int i = 0; i < kRows; ++i) {
    for (int j = 0; j < kKeys; ++j) weight[i][j] = hn::Set(d, p[i * kDecodeKeys + j]);
  }
  std::int64_t at = 0;
  for (; at + lanes <= dim; at += lanes) {
    V value[kKeys];
    for (int j = 0; j < kKeys; ++j) value[j] = load_converted(d, v.at(j) + at);
    later.prefetch(at * kKeys, lanes * kKeys);
    for (int i = 0; i < kRows; ++i) {
      V sum = hn::LoadU(d, o + i * packed + at);
      for (int j = 0; j < kKeys; ++j) sum = hn::MulAdd(weight[i][j], value[j], sum);
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
      tile(key, std::min(key + kDecodeKeys, task_.key_end));
      if (tiles_ == kTilesOfGroup) add_groups();
    }
    if (tiles_ > 0) add_groups();
    for (std::int64_t head = 0; head < p_.key_heads; ++head) finish(head);
  }

 private:
  DecodeRun(const DecodeTask<T>& task, Scratch scratch)
      : task_(task),
        a_(*task.problem),
        p_(a_.shape),
        work_(scratch, p_),
        packed_(round_up(p_.head_dim, kLanes)),
        rows_(Unit::rows(p_)),
        ahead_(keys_ahead(p_)),
        visible_(a_.visibility, p_, unit(0), 0, rows_, work_.cursors) {}

  // L1 holds the sums, the rows being read and the rows being prefetched.
  static constexpr int kWeighKeys = sizeof(Element) > 2 ? 2 : 4;

  // Here a group is summed sequentially, key by key. In half precision these sums may be long, because results are rounded
  // more coarsely. Separate sums for each tile took 10 % of the time: they and the group's sums do not both fit L1.
  static constexpr std::int64_t kTilesOfGroup = sizeof(Element) > 2 ? 2 : kGroupTiles;

  // Prefetch distance: enough bytes in flight to cover memory latency.
  static std::int64_t keys_ahead(const ProblemShape& p) {
    constexpr std::int64_t kBytes = 16 << 10;
    const std::int64_t row = p.key_heads * p.head_dim * static_cast<std::int64_t>(sizeof(Element));
    return std::clamp<std::int64_t>(kBytes / row / kDotKeys * kDotKeys, kDotKeys, kDecodeKeys);
  }

  Unit unit(std::int64_t head) const { return Unit(p_, task_.batch * p_.key_heads + head); }
  // Packed without padding: these arrays share L1 with the keys being read.
  T* q(std::int64_t head) const { return work_.q + head * rows_ * packed_; }
  T* o(std::int64_t head) const { return work_.o + head * rows_ * packed_; }
  T* s(std::int64_t head) const { return work_.s + head * rows_ * kDecodeKeys; }
  double* o_sums(std::int64_t head) const { return work_.o_sums + head * rows_ * packed_; }

  void start(std::int64_t head) {
    const Unit u = unit(head);
    for (std::int64_t row = 0; row < rows_; ++row) {
      T* query = q(head) + row * packed_;
      convert_row(a_.q.at(u.batch, u.query(row), u.head(row)), a_.q.dtype, p_.head_dim, query);
      std::fill(query + p_.head_dim, query + packed_, T{0});
    }
    std::fill_n(o(head), rows_ * packed_, T{0});
    std::fill_n(work_.max + head * kDecodeRows, kDecodeRows, -std::numeric_limits<T>::infinity());
    std::fill_n(work_.sum + head * kDecodeRows, kDecodeRows, T{0});
  }

  KeyRows<Element> rows_of(const Bshd& x, std::int64_t head, std::int64_t key) const {
    return {reinterpret_cast<const Element*>(x.at(task_.batch, key, head)), x.row_stride};
  }

  // Processes all heads of a few keys, then the next keys, so that memory is read sequentially, in whole rows.
  void tile(std::int64_t begin, std::int64_t end) {
    const Seen seen = visible_.advance(0, rows_, begin, end);
    if (seen == Seen::kNothing) return;
    const std::int64_t keys = end - begin;
    const bool masked = seen == Seen::kSome || !a_.bias.none();
    look(begin, keys);
    for (std::int64_t head = 0; head < p_.key_heads; ++head) {
      if (masked) hide(head, begin, end);
      for (std::int64_t row = 0; row < rows_; ++row) soften(head, row, keys);
    }
    weigh(begin, keys, masked);
    ++tiles_;
  }

  // The rows of x that will be read some keys after [begin, begin + keys): later keys, or the first keys of the next task.
  std::int64_t key_after(std::int64_t key, std::int64_t keys, std::int64_t begin,
                         std::int64_t following) const {
    const std::int64_t after = key + ahead_;
    return after < keys ? begin + after : std::min(following + after - keys, task_.key_end - 1);
  }

  // They are prefetched sequentially: while one head of n keys is computed, n heads of one key are prefetched.
  Ahead<Element> ahead(const Bshd& x, std::int64_t key, std::int64_t head, std::int64_t keys) const {
    const bool rows_lie_together = x.head_stride == p_.head_dim;
    return {rows_lie_together ? rows_of(x, 0, key).data + head * keys * p_.head_dim
                              : rows_of(x, head, key).data};
  }

  // s = scale q k^T.
  void look(std::int64_t begin, std::int64_t keys) {
    const T scale = static_cast<T>(p_.scale);
    for_key_groups(keys, [&](auto count, std::int64_t key) HWY_ATTR {
      constexpr int kKeys = decltype(count)::value;
      const std::int64_t after = key_after(key, keys, begin, begin);
      const Bshd& following = key + ahead_ < keys ? a_.k : a_.v;
      for (std::int64_t head = 0; head < p_.key_heads; ++head) {
        const KeyRows<Element> k = rows_of(a_.k, head, begin + key);
        const Ahead<Element> later = ahead(following, after, head, kKeys);
        for_row_blocks(rows_, [&](auto rows, std::int64_t row) HWY_ATTR {
          dot_block<decltype(rows)::value, kKeys>(q(head) + row * packed_, packed_, k, later, p_.head_dim,
                                                  scale, s(head) + row * kDecodeKeys + key, kDecodeKeys);
        });
      }
    });
  }

  // s += bias - bias_max; -inf for hidden keys.
  void hide(std::int64_t head, std::int64_t begin, std::int64_t end) {
    constexpr T kHidden = -std::numeric_limits<T>::infinity();
    const Unit u = unit(head);
    for (std::int64_t row = 0; row < rows_; ++row) {
      T* mask = work_.mask + row * kDecodeKeys;
      if (a_.bias.none()) {
        std::fill_n(mask, end - begin, T{0});
      } else {
        load_row(a_.bias.at(u.batch, u.head(row), u.query(row), begin), a_.bias.dtype, end - begin, mask);
        const T base = bias_base<T>(a_.out.bias_max, u, row);
        for (std::int64_t i = 0; i < end - begin; ++i) mask[i] -= base;
      }
    }
    visible_.hide(0, rows_, begin, end, work_.mask, kDecodeKeys, 1);
    T* logits = s(head);
    for (std::int64_t row = 0; row < rows_; ++row) {
      for (std::int64_t i = row * kDecodeKeys; i < row * kDecodeKeys + end - begin; ++i) {
        logits[i] = work_.mask[i] == kHidden ? kHidden : logits[i] + work_.mask[i];
      }
    }
  }

  // s = kOfWeights exp(s - running maximum). Rescales the group's earlier sums to the new maximum.
  void soften(std::int64_t head, std::int64_t row, std::int64_t keys) {
    const hn::ScalableTag<T> d;
    using V = hn::Vec<decltype(d)>;
    const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
    constexpr T kNothing = -std::numeric_limits<T>::infinity();
    T* weights = s(head) + row * kDecodeKeys;
    T& max = work_.max[head * kDecodeRows + row];
    T& sum = work_.sum[head * kDecodeRows + row];
    std::fill(weights + keys, weights + kDecodeKeys, kNothing);
    V highest = hn::Set(d, max);
    for (std::int64_t i = 0; i < kDecodeKeys; i += lanes)
      highest = hn::Max(highest, hn::LoadU(d, weights + i));
    const T before = max;
    max = hn::GetLane(hn::MaxOfLanes(d, highest));
    const T base = max == kNothing ? T{0} : max;
    V total = hn::Zero(d);
    for (std::int64_t i = 0; i < kDecodeKeys; i += lanes) {
      const V weight = scaled_weight(d, hn::Sub(hn::LoadU(d, weights + i), hn::Set(d, base)));
      hn::StoreU(weight, d, weights + i);
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

  // o += s v. With a mask, hidden values may be NaN, so values with weight 0 are skipped.
  void weigh(std::int64_t begin, std::int64_t keys, bool masked) {
    for_key_groups<kWeighKeys>(keys, [&](auto count, std::int64_t key) HWY_ATTR {
      constexpr int kKeys = decltype(count)::value;
      const std::int64_t after = key_after(key, keys, begin, begin + keys);
      const Bshd& following = key + ahead_ < keys ? a_.v : a_.k;
      for (std::int64_t head = 0; head < p_.key_heads; ++head) {
        const KeyRows<Element> v = rows_of(a_.v, head, begin + key);
        const Ahead<Element> later = ahead(following, after, head, kKeys);
        const T* weights = s(head) + key;
        if (masked && some_are_zero(weights, kKeys)) {
          weigh_what_is_seen(weights, kKeys, v, o(head));
          continue;
        }
        for_row_blocks(rows_, [&](auto rows, std::int64_t row) HWY_ATTR {
          weigh_block<decltype(rows)::value, kKeys>(weights + row * kDecodeKeys, v, later, p_.head_dim,
                                                    o(head) + row * packed_, packed_);
        });
      }
    });
  }

  bool some_are_zero(const T* weights, int keys) const {
    for (std::int64_t row = 0; row < rows_; ++row) {
      for (int key = 0; key < keys; ++key) {
        if (weights[row * kDecodeKeys + key] == T{0}) return true;
      }
    }
    return false;
  }

  void weigh_what_is_seen(const T* weights, int keys, const KeyRows<Element>& v, T* sums) const {
    for (std::int64_t row = 0; row < rows_; ++row) {
      for (int key = 0; key < keys; ++key) {
        const T* weight = weights + row * kDecodeKeys + key;
        if (*weight == T{0}) continue;
        weigh_block<1, 1>(weight, v.from(key), NothingAhead(), p_.head_dim, sums + row * packed_, packed_);
      }
    }
  }

  // Adds a group of tiles to the sums of earlier groups, and begins a new group.
  void add_groups() {
    for (std::int64_t head = 0; head < p_.key_heads; ++head) {
      for (std::int64_t row = 0; row < rows_; ++row) {
        const std::int64_t at = head * kDecodeRows + row;
        const double max = static_cast<double>(work_.max[at]);
        const double factor = !begun_ || work_.maxima[at] == max ? 1 : std::exp(work_.maxima[at] - max);
        work_.maxima[at] = max;
        work_.sums[at] = (begun_ ? factor * work_.sums[at] : 0) + static_cast<double>(work_.sum[at]);
        work_.sum[at] = 0;
        add_group(o(head) + row * packed_, packed_, !begun_, factor, o_sums(head) + row * packed_);
      }
    }
    tiles_ = 0;
    begun_ = true;
  }

  void finish(std::int64_t head) {
    constexpr double kOnce = 1 / static_cast<double>(kOfWeights<T>);
    const std::int64_t first = (task_.batch * p_.key_heads + head) * rows_;
    for (std::int64_t row = 0; row < rows_; ++row) {
      const std::int64_t at = head * kDecodeRows + row;
      // A row that has seen no key has no sums.
      const double sum = begun_ ? work_.sums[at] : 0;
      T* out = task_.partial_o + (first + row) * p_.head_dim;
      if (begun_) {
        normalise(sum, p_.head_dim, o_sums(head) + row * packed_);
        std::copy_n(o_sums(head) + row * packed_, p_.head_dim, out);
      } else {
        std::fill_n(out, p_.head_dim, T{0});
      }
      task_.partial_max[first + row] = work_.max[at];
      task_.partial_sum[first + row] = static_cast<T>(kOnce * sum);
    }
  }

  const DecodeTask<T>& task_;
  const ForwardProblem& a_;
  const ProblemShape& p_;
  DecodeWorkspace<T> work_;
  std::int64_t packed_;
  std::int64_t rows_;
  std::int64_t ahead_;      // keys
  std::int64_t tiles_ = 0;  // tiles of the current group, which has not been added yet
  bool begun_ = false;      // whether the sums of groups hold anything
  RowVisibility visible_;
};

void decode_float(const DecodeTask<float>& task, std::byte* workspace) {
  switch (task.problem->k.dtype) {
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
