// SPDX-License-Identifier: Apache-2.0
// Backward on one run of keys, block by block: for each panel of rows and tile of keys, p = exp(K Q^T - lse),
// ds = p (V dO^T - delta), dV += p^T dO, dK += ds^T Q, dQ += ds K. Tiles have the layout of forward: a key per row.
// Method: Dao et al. 2022.
#define HWY_DISABLED_TARGETS HWY_SSSE3  // processors without SSE4.1 are too rare for one more build
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "device/cpu/backward_kernel.cpp"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "device/cpu/backward_task.h"
#include "device/cpu/dot-inl.h"
#include "device/cpu/gemm-inl.h"
#include "device/cpu/group_sums-inl.h"
#include "device/cpu/key_block-inl.h"
#include "device/cpu/key_gradients-inl.h"
#include "device/cpu/mask.h"
#include "device/cpu/pack-inl.h"
#include "device/cpu/rows-inl.h"
#include "device/cpu/softmax-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lvx {
namespace HWY_NAMESPACE {

template <LayoutOfA kLayout, typename T>
HWY_INLINE void multiply_safely(const Product<T>& product, bool safe, Prefetcher& ahead) {
  if (safe) {
    multiply<kLayout>(product, ahead);
  } else {
    multiply_skipping_zeros<kLayout>(product);
  }
}

template <typename Operand>
class BackwardRun {
  using T = Accumulator<Operand>;

 public:
  BackwardRun(const BackwardTask<Operand>& task, std::byte* workspace)
      : BackwardRun(task, Scratch(workspace)) {}

  void run() {
    std::fill_n(task_.dq, Unit::rows(p_) * packed_, T{0});
    if (task_.groups.keys) std::fill_n(work_.dq_panels, panels_.parts(), DqSums{});
    // Padding lanes are computed too.
    for (T* tile : {work_.s, work_.dp}) std::fill_n(tile, kTileKeys * kPanelRows, T{0});
    if (alone_) pack_panel(0);
    const std::int64_t step = block_step();
    for (std::int64_t key = task_.key_begin; key < task_.key_end; key += step) {
      block(key, std::min(key + step, task_.key_end));
    }
    if (sums_.non_temporal()) hwy::FlushStream();
    if (task_.groups.keys) finish_dq();
  }

 private:
  struct Panel {
    std::int64_t index, begin, end;
    std::int64_t in_vectors, left_over;  // rows
    bool q_finite, d_o_finite;

    std::int64_t rows() const { return end - begin; }
  };

  BackwardRun(const BackwardTask<Operand>& task, Scratch scratch)
      : task_(task),
        a_(*task.problem),
        p_(a_.shape),
        unit_(p_, task.unit),
        work_(scratch, p_, task.groups),
        packed_(packed_dim(p_.head_dim)),
        width_(round_up(p_.head_dim, kLanes)),
        panels_(Unit::rows(p_), divide_up(Unit::rows(p_), kPanelRows), kLanes),
        alone_(Unit::rows(p_) > 0 && panels_.parts() == 1),
        visible_(a_.visibility, p_, unit_, 0, Unit::rows(p_), work_.cursors),
        keys_(a_, unit_, alone_, work_),
        sums_(a_, unit_, alone_, task.groups.rows, work_) {}

  // A single panel uses each key once, so a block larger than a tile would gain nothing.
  std::int64_t block_step() const {
    return alone_ ? kTileKeys : block_keys(p_, BackwardWorkspace<Operand>::kBytes);
  }

  void block(std::int64_t key_begin, std::int64_t key_end) {
    const std::int64_t keys = key_end - key_begin;
    const std::int64_t rows = Unit::rows(p_);
    const bool seen = rows > 0 && visible_.advance(0, rows, key_begin, key_end) != Seen::kNothing;
    sums_.choose(key_begin);
    if (!alone_ || !seen) sums_.clear(keys);
    if (seen) {
      if (shares_d_bias()) std::fill_n(work_.d_bias_sums, unit_.group * keys, 0.0);
      keys_.choose(key_begin, keys);
      prefetch_after(key_end);
      for (std::int64_t i = 0; i < panels_.parts(); ++i) {
        const std::int64_t begin = panels_.begin(i);
        const std::int64_t end = panels_.end(i);
        if (visible_.advance(begin, end, key_begin, key_end) == Seen::kNothing) continue;
        if (!alone_) pack_panel(i);
        panel(key_begin, key_end);
        sums_.end_panel(keys);
      }
      if (shares_d_bias()) add_shared_d_bias(key_begin, keys);
    }
    sums_.finish(key_begin, keys);
  }

  void prefetch_after(std::int64_t key) {
    const std::int64_t step = block_step();
    const bool last = key == task_.key_end;
    const Unit unit = last ? Unit(p_, task_.next_unit) : unit_;
    const std::int64_t begin = last ? task_.next_key : key;
    const std::int64_t end = std::min(begin + step, last ? p_.keys : task_.key_end);
    const std::int64_t rows = Unit::rows(p_);
    const std::int64_t in_vectors = rows - left_over(panels_.parts() - 1);
    const std::int64_t work =
        2 * operations<Operand>(step, in_vectors, p_.head_dim) + 3 * operations<Operand>(rows, width_, step);
    const auto ahead = [&](std::initializer_list<const Bshd*> tensors) {
      return Prefetcher(tensors, unit.batch, unit.key_head, begin, end, p_.head_dim, work);
    };
    ahead_ = a_.add_dkv ? ahead({&a_.k, &a_.v, &a_.dk, &a_.dv}) : ahead({&a_.k, &a_.v});
  }

  // Threshold of s - lse. At or above it, this key is taken to be the only one that the row sees, and the weights of other
  // keys to be 0. Half precision needs a margin, because forward may sum the logit in another order. If lse is large, its
  // last bit is too coarse to decide.
  T sees_only(T lse) const {
    constexpr T kLargest = 64;
    if (!(std::abs(lse) <= kLargest)) return kInfinity;
    return size_of(a_.q.dtype) == 2 ? T(-0x1p-18) * (T{1} + std::abs(lse)) : T{0};
  }

  // The number of rows of a panel whose logits are computed as dot products. Only the last panel has such rows: the others
  // consist of whole vectors.
  std::int64_t left_over(std::int64_t panel) const {
    return rows_left_over<Operand>(panels_.end(panel) - panels_.begin(panel), p_.head_dim);
  }

  void pack_panel(std::int64_t index) {
    const std::int64_t begin = panels_.begin(index);
    const std::int64_t end = panels_.end(index);
    const std::int64_t rows = end - begin;
    const std::int64_t left = left_over(index);
    for (std::int64_t i = 0; i < rows; ++i) {
      const std::int64_t query = unit_.query(begin + i);
      const std::int64_t head = unit_.head(begin + i);
      const T lse = load_element<T>(a_.lse.at(unit_.batch, head, query), a_.lse.dtype, 0);
      // exp(s - inf) = 0: a row that sees no key has zero weights.
      work_.lse[i] = lse == -kInfinity ? kInfinity : lse;
      work_.only[i] = sees_only(lse);
      work_.delta[i] = load_element<T>(a_.delta.at(unit_.batch, head, query), a_.delta.dtype, 0);
    }
    std::fill(work_.lse + rows, work_.lse + kPanelRows, kInfinity);
    std::fill(work_.delta + rows, work_.delta + kPanelRows, T{0});
    std::fill(work_.only + rows, work_.only + kPanelRows, T{0});
    const bool q_finite = pack_rows_of(a_.q, begin, end, work_.q, work_.q_columns);
    const bool d_o_finite = pack_rows_of(a_.d_o, begin, end, work_.d_o, work_.d_o_columns);
    panel_ = {index, begin, end, rows - left, left, q_finite, d_o_finite};
  }

  // Packs the panel's rows of x twice: with terms along rows and, as columns, along head_dim. True if all are finite.
  bool pack_rows_of(const Bshd& x, std::int64_t begin, std::int64_t end, Operand* by_rows,
                    Operand* columns) const {
    const auto row_at = [&](std::int64_t i) {
      return x.at(unit_.batch, unit_.query(begin + i), unit_.head(begin + i));
    };
    if constexpr (kIsPair<Operand>) {
      pack_pairs_of_rows(end - begin, p_.head_dim, row_at, by_rows, packed_);
      return pack_columns(end - begin, p_.head_dim, x.dtype, row_at, work_.room, columns);
    } else {
      return pack_columns(end - begin, p_.head_dim, x.dtype, row_at, by_rows, columns);
    }
  }

  void panel(std::int64_t key_begin, std::int64_t key_end) {
    const Panel& panel = panel_;
    // If a query's heads are in two panels, its ranges are traversed twice over the same keys.
    RowVisibility visible = visible_.fork(panel.begin, panel.end, work_.panel_cursors);
    for (std::int64_t key = key_begin; key < key_end; key += kTileKeys) {
      const std::int64_t end = std::min(key + kTileKeys, key_end);
      const Seen seen = visible.advance(panel.begin, panel.end, key, end);
      if (seen == Seen::kNothing) continue;
      const T* mask = nullptr;
      if (seen == Seen::kSome || !a_.bias.none()) {
        fill_bias(a_.bias, a_.bias_max, unit_, panel.begin, panel.end, key, end, work_.mask);
        visible.hide(panel.begin, panel.end, key, end, work_.mask, 1, kPanelRows);
        hide_from_missing_row(panel.rows(), end - key);
        mask = work_.mask;
      }
      tile(panel, key - key_begin, end - key, mask);
      if (shares_d_bias()) {
        sum_d_bias(panel, key - key_begin, end - key, key_end - key_begin);
      } else if (!a_.d_bias.none()) {
        add_d_bias(panel, key, end);
      }
      if (task_.groups.keys && ++work_.dq_panels[panel.index].tiles == kGroupTiles) add_groups(panel.index);
    }
  }

  // Adds the panel's group of tiles to the sum of earlier groups, and begins a new group.
  void add_groups(std::int64_t index) {
    DqSums& sums = work_.dq_panels[index];
    for (std::int64_t row = panels_.begin(index); row < panels_.end(index); ++row) {
      add_group(task_.dq + row * packed_, width_, !sums.begun, 1, work_.dq_sums + row * packed_);
    }
    sums = {0, true};
  }

  void finish_dq() {
    for (std::int64_t i = 0; i < panels_.parts(); ++i) {
      if (!work_.dq_panels[i].begun) continue;
      if (work_.dq_panels[i].tiles > 0) add_groups(i);
      for (std::int64_t row = panels_.begin(i); row < panels_.end(i); ++row) {
        std::copy_n(work_.dq_sums + row * packed_, width_, task_.dq + row * packed_);
      }
    }
  }

  // With an odd number of rows, the last pair contains a padding row. Its values are 0; its weights must not be NaN.
  void hide_from_missing_row(std::int64_t rows, std::int64_t keys) const {
    if (rows % kTerms<Operand> == 0) return;
    for (std::int64_t key = 0; key < keys; ++key) work_.mask[key * kPanelRows + rows] = -kInfinity;
  }

  // key counts from the start of the block.
  void tile(const Panel& panel, std::int64_t key, std::int64_t keys, const T* mask) {
    const bool unmasked = mask == nullptr;
    const WeightTile<Operand> weights{work_.s,  work_.dp,         work_.p,
                                      work_.ds, work_.ds_by_keys, !a_.d_bias.none()};
    look({keys_.k().at(key), keys_.k().ld}, keys, panel, work_.q, work_.q_columns, static_cast<T>(p_.scale),
         work_.s);
    look({keys_.v().at(key), keys_.v().ld}, keys, panel, work_.d_o, work_.d_o_columns, T{1}, work_.dp);
    softmax_gradient(panel.rows(), keys, mask, RowStatistics<T>{work_.lse, work_.delta, work_.only}, weights);
    multiply_safely<LayoutOfA::kRows>(gather(work_.p, work_.d_o, sums_.dv(), key, T{1}, panel, keys),
                                      unmasked || panel.d_o_finite, ahead_);
    multiply_safely<LayoutOfA::kRows>(
        gather(work_.ds, work_.q, sums_.dk(), key, static_cast<T>(p_.scale), panel, keys),
        unmasked || panel.q_finite, ahead_);
    const Product<Operand> to_queries{.a = work_.ds_by_keys,
                                      .lda = kPanelRows,
                                      .b = keys_.k_by_keys().at(key / kTerms<Operand>),
                                      .ldb = keys_.k_by_keys().ld,
                                      .c = task_.dq + panel.begin * packed_,
                                      .ldc = packed_,
                                      .m = panel.rows(),
                                      .n = width_,
                                      .k = divide_up(keys, kTerms<Operand>),
                                      .update = Update::kAdd};
    multiply_safely<LayoutOfA::kColumns>(to_queries, unmasked || keys_.k_is_finite(key), ahead_);
  }

  // out[key, row] = scale * keys[key] . rows[row]; columns are the rows transposed.
  void look(const KeyRows<Operand>& rows_of_keys, std::int64_t keys, const Panel& panel, const Operand* rows,
            const Operand* columns, T scale, T* out) {
    const Product<Operand> product{.a = rows_of_keys.data,
                                   .lda = rows_of_keys.stride,
                                   .b = columns,
                                   .ldb = kPanelRows,
                                   .c = out,
                                   .ldc = kPanelRows,
                                   .m = keys,
                                   .n = panel.in_vectors,
                                   .k = p_.head_dim / kTerms<Operand>,
                                   .update = Update::kScale,
                                   .scale = scale};
    multiply<LayoutOfA::kRows>(product, ahead_);
    if constexpr (!kIsPair<Operand>) {
      dot_products(rows_of_keys, keys, rows + panel.in_vectors * packed_, packed_, panel.left_over,
                   p_.head_dim, scale, out + panel.in_vectors, kPanelRows);
    }
  }

  // sums[key] += sum over rows of weights[key, row] values[row]. Applies the final scale if sums is the caller's tensor.
  Product<Operand> gather(const Operand* weights, const Operand* values, const Rows<T>& sums,
                          std::int64_t key, T scale, const Panel& panel, std::int64_t keys) const {
    const bool first = sums_.first_product_writes();
    return {.a = weights,
            .lda = kPanelRows / kTerms<Operand>,
            .b = values,
            .ldb = packed_,
            .c = sums.at(key),
            .ldc = sums.ld,
            .m = keys,
            .n = width_,
            .k = divide_up(panel.rows(), kTerms<Operand>),
            .update = first ? Update::kScale : Update::kAdd,
            .scale = sums_.in_place() ? scale : T{1},
            .non_temporal = first && sums_.in_place() && sums_.non_temporal()};
  }

  // Whether the bias is broadcast along queries. Its gradient is then summed over them in the workspace, block by block.
  bool shares_d_bias() const { return !a_.d_bias.none() && a_.d_bias.row_stride == 0; }

  // key counts from the start of the block of block_keys.
  void sum_d_bias(const Panel& panel, std::int64_t key, std::int64_t keys, std::int64_t block_keys) {
    for (std::int64_t row = panel.begin; row < panel.end; ++row) {
      const T* column = work_.dp + (row - panel.begin);
      double* sums = work_.d_bias_sums + row % unit_.group * block_keys + key;
      for (std::int64_t i = 0; i < keys; ++i) sums[i] += static_cast<double>(column[i * kPanelRows]);
    }
  }

  void add_shared_d_bias(std::int64_t key_begin, std::int64_t keys) {
    for (std::int64_t head = 0; head < unit_.group; ++head) {
      T* out = reinterpret_cast<T*>(a_.d_bias.at(unit_.batch, unit_.head(head), 0, key_begin));
      const double* sums = work_.d_bias_sums + head * keys;
      for (std::int64_t i = 0; i < keys; ++i) {
        out[i] = static_cast<T>(static_cast<double>(out[i]) + sums[i]);
      }
    }
  }

  // Broadcast dimensions have stride 0, so their rows accumulate into the same elements one after the other.
  void add_d_bias(const Panel& panel, std::int64_t key_begin, std::int64_t key_end) {
    for (std::int64_t row = panel.begin; row < panel.end; ++row) {
      const T* column = work_.dp + (row - panel.begin);
      T* sums = reinterpret_cast<T*>(a_.d_bias.at(unit_.batch, unit_.head(row), unit_.query(row), key_begin));
      for (std::int64_t key = 0; key < key_end - key_begin; ++key) sums[key] += column[key * kPanelRows];
    }
  }

  static constexpr T kInfinity = std::numeric_limits<T>::infinity();
  const BackwardTask<Operand>& task_;
  const BackwardProblem& a_;
  const ProblemShape& p_;
  Unit unit_;
  BackwardWorkspace<Operand> work_;
  std::int64_t packed_;
  std::int64_t width_;
  Split panels_;
  bool alone_;  // one panel holds all rows
  RowVisibility visible_;
  Panel panel_{};  // the packed panel
  KeyBlock<Operand> keys_;
  KeyGradients<Operand> sums_;
  Prefetcher ahead_;
};

void backward_float(const BackwardTask<float>& task, std::byte* workspace) {
  BackwardRun<float>(task, workspace).run();
}

void backward_double(const BackwardTask<double>& task, std::byte* workspace) {
  BackwardRun<double>(task, workspace).run();
}

void backward_pairs([[maybe_unused]] const BackwardTask<BFloat16Pair>& task,
                    [[maybe_unused]] std::byte* workspace) {
#if LVX_MULTIPLIES_PAIRS
  BackwardRun<BFloat16Pair>(task, workspace).run();
#else
  refuse_pairs();
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace lvx
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lvx {

HWY_EXPORT(backward_float);
HWY_EXPORT(backward_double);
HWY_EXPORT(backward_pairs);

void run_backward_task(const BackwardTask<float>& task, std::byte* workspace) {
  HWY_DYNAMIC_DISPATCH(backward_float)(task, workspace);
}

void run_backward_task(const BackwardTask<double>& task, std::byte* workspace) {
  HWY_DYNAMIC_DISPATCH(backward_double)(task, workspace);
}

void run_backward_task(const BackwardTask<BFloat16Pair>& task, std::byte* workspace) {
  HWY_DYNAMIC_DISPATCH(backward_pairs)(task, workspace);
}

}  // namespace lvx
#endif
