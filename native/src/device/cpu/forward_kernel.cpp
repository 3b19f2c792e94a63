// SPDX-License-Identifier: Apache-2.0
// Forward on one block: for each tile of keys and panel of rows, logits = K Q^T, online softmax, O += P V.
// A tile of logits has a key per row and a query per vector lane, so that neither K nor V is transposed and softmax needs no
// reduction across lanes. Method: Milakov and Gimelshein 2018; Dao et al. 2022.
#define HWY_DISABLED_TARGETS HWY_SSSE3  // processors without SSE4.1 are too rare for one more build
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "device/cpu/forward_kernel.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "device/cpu/dot-inl.h"
#include "device/cpu/finish_row.h"
#include "device/cpu/forward_task.h"
#include "device/cpu/gemm-inl.h"
#include "device/cpu/group_sums-inl.h"
#include "device/cpu/mask.h"
#include "device/cpu/pack-inl.h"
#include "device/cpu/rows-inl.h"
#include "device/cpu/softmax-inl.h"
#include "device/cpu/unit.h"

HWY_BEFORE_NAMESPACE();
namespace lvx {
namespace HWY_NAMESPACE {

template <typename Operand>
class ForwardBlock {
  using T = Accumulator<Operand>;

 public:
  ForwardBlock(const ForwardTask<Operand>& task, std::byte* workspace)
      : ForwardBlock(task, Scratch(workspace)) {}

  void run() {
    pack_queries();
    for (std::int64_t key = task_.key_begin; key < task_.key_end; key += kTileKeys) {
      tile(key, std::min(key + kTileKeys, task_.key_end));
    }
    for (std::int64_t panel = 0; panel < panels_.parts(); ++panel) finish(panel);
  }

 private:
  ForwardBlock(const ForwardTask<Operand>& task, Scratch scratch)
      : task_(task),
        a_(*task.problem),
        p_(a_.shape),
        unit_(p_, task.unit),
        work_(scratch, p_, task.grouped),
        packed_(packed_dim(p_.head_dim)),
        width_(round_up(p_.head_dim, kLanes)),
        panels_(task.row_end - task.row_begin, divide_up(task.row_end - task.row_begin, kPanelRows), kLanes),
        visible_(a_.visibility, p_, unit_, task.row_begin, task.row_end, work_.cursors) {}

  std::int64_t row_begin(std::int64_t panel) const { return task_.row_begin + panels_.begin(panel); }
  std::int64_t row_end(std::int64_t panel) const { return task_.row_begin + panels_.end(panel); }
  Operand* q(std::int64_t panel) const { return work_.q + panel * kPanelRows * packed_ / kTerms<Operand>; }
  T* o(std::int64_t panel) const { return work_.o + panel * kPanelRows * packed_; }
  double* o_sums(std::int64_t panel) const { return work_.o_sums + panel * kPanelRows * packed_; }
  RunningSoftmax<T>& state(std::int64_t panel) const {
    return reinterpret_cast<RunningSoftmax<T>*>(work_.state)[panel];
  }

  void pack_queries() {
    for (std::int64_t panel = 0; panel < panels_.parts(); ++panel) {
      const std::int64_t rows = row_end(panel) - row_begin(panel);
      const auto row_at = [&](std::int64_t i) {
        const std::int64_t row = row_begin(panel) + i;
        return a_.q.at(unit_.batch, unit_.query(row), unit_.head(row));
      };
      pack_columns(rows, p_.head_dim, a_.q.dtype, row_at, work_.row, q(panel));
      std::fill_n(o(panel), rows * packed_, T{0});
      std::fill_n(state(panel).max, kPanelRows, -std::numeric_limits<T>::infinity());
      std::fill_n(state(panel).sum, kPanelRows, T{0});
      std::fill_n(state(panel).rounded, kPanelRows, T{0});
      if (task_.grouped) work_.sums[panel].clear();
    }
    // Padding lanes are computed too.
    std::fill_n(work_.s, kTileKeys * kPanelRows, T{0});
  }

  // Dot-product rows of the last panel, which are in work_.row. Other panels consist of whole vectors.
  std::int64_t left_over(std::int64_t panel) const {
    return rows_left_over<Operand>(row_end(panel) - row_begin(panel), p_.head_dim);
  }

  void tile(std::int64_t key_begin, std::int64_t key_end) {
    const Seen seen = visible_.advance(task_.row_begin, task_.row_end, key_begin, key_end);
    if (seen == Seen::kNothing) return;
    const std::int64_t keys = key_end - key_begin;
    const bool masked = seen == Seen::kSome || !a_.bias.none();
    const bool finite = choose_keys(key_begin, keys, masked);
    prefetch_after(key_end);
    for (std::int64_t panel = 0; panel < panels_.parts(); ++panel) {
      const std::int64_t begin = row_begin(panel);
      const std::int64_t end = row_end(panel);
      const Seen panel_seen = visible_.advance(begin, end, key_begin, key_end);
      if (panel_seen == Seen::kNothing) continue;
      const T* mask = nullptr;
      if (panel_seen == Seen::kSome || !a_.bias.none()) {
        fill_bias(a_.bias, a_.out.bias_max, unit_, begin, end, key_begin, key_end, work_.mask);
        visible_.hide(begin, end, key_begin, key_end, work_.mask, 1, kPanelRows);
        mask = work_.mask;
      }
      attend(panel, keys, mask, finite);
      if (task_.grouped && ++work_.sums[panel].tiles == kGroupTiles) add_groups(panel);
    }
  }

  // Packing pays off if several panels use the tile. With one panel, reading in place took 2 to 12 % less time for 16 to 33
  // rows and head dimensions such as 40 and 72. Packing also finds non-finite elements, which must not be multiplied by zero
  // weights; false if there are any.
  bool choose_keys(std::int64_t key, std::int64_t keys, bool masked) {
    const std::int64_t dim = p_.head_dim;
    const bool alone = panels_.parts() == 1;
    if (alone && usable_one_by_one<Operand>(a_.k)) {
      k_ = where_it_lies<const Operand>(a_.k, unit_.batch, key, unit_.key_head);
    } else {
      const std::int64_t ld = packed_ / kTerms<Operand>;
      pack_rows(a_.k, unit_.batch, unit_.key_head, key, keys, dim, work_.k, ld);
      k_ = {work_.k, ld};
    }
    if constexpr (kIsPair<Operand>) {
      const auto row_at = [&](std::int64_t i) { return a_.v.at(unit_.batch, key + i, unit_.key_head); };
      v_ = {work_.v, packed_};
      return pack_pairs_of_rows(keys, dim, row_at, work_.v, packed_);
    } else if (alone && !masked && usable_as_vectors<Operand>(a_.v, dim)) {
      v_ = where_it_lies<const Operand>(a_.v, unit_.batch, key, unit_.key_head);
      return true;
    } else {
      // The product reads whole vectors of v.
      for (std::int64_t i = 0; i < keys && width_ != dim; ++i) {
        std::fill_n(work_.v + i * packed_ + dim, width_ - dim, T{0});
      }
      v_ = {work_.v, packed_};
      return pack_rows(a_.v, unit_.batch, unit_.key_head, key, keys, dim, work_.v, packed_);
    }
  }

  void prefetch_after(std::int64_t key) {
    const bool last = key == task_.key_end;
    const Unit unit = last ? Unit(p_, task_.next_unit) : unit_;
    const std::int64_t begin = last ? task_.next_key : key;
    const std::int64_t end = std::min(begin + kTileKeys, last ? p_.keys : task_.key_end);
    const std::int64_t rows = task_.row_end - task_.row_begin;
    const std::int64_t in_vectors = rows - left_over(panels_.parts() - 1);
    const std::int64_t work = operations<Operand>(kTileKeys, in_vectors, p_.head_dim) +
                              operations<Operand>(rows, width_, kTileKeys);
    ahead_ = Prefetcher({&a_.k, &a_.v}, unit.batch, unit.key_head, begin, end, p_.head_dim, work);
  }

  void attend(std::int64_t panel, std::int64_t keys, const T* mask, bool finite) {
    RunningSoftmax<T>& softmax = state(panel);
    const std::int64_t rows = row_end(panel) - row_begin(panel);
    const std::int64_t left = left_over(panel);
    const T scale = static_cast<T>(p_.scale);
    const Product<Operand> look{.a = k_.data,
                                .lda = k_.ld,
                                .b = q(panel),
                                .ldb = kPanelRows,
                                .c = work_.s,
                                .ldc = kPanelRows,
                                .m = keys,
                                .n = rows - left,
                                .k = p_.head_dim / kTerms<Operand>,
                                .update = Update::kScale,
                                .scale = scale};
    multiply<LayoutOfA::kRows>(look, ahead_);
    if constexpr (!kIsPair<Operand>) {
      dot_products(KeyRows<Operand>{k_.data, k_.ld}, keys, work_.row + (rows - left) * packed_, packed_, left,
                   p_.head_dim, scale, work_.s + (rows - left), kPanelRows);
    }
    online_softmax(rows, keys, mask, work_.s, work_.p, softmax);
    const Product<Operand> weigh{.a = work_.p,
                                 .lda = kPanelRows,
                                 .b = v_.data,
                                 .ldb = v_.ld,
                                 .c = o(panel),
                                 .ldc = packed_,
                                 .m = rows,
                                 .n = width_,
                                 .k = divide_up(keys, kTerms<Operand>),
                                 .update = Update::kRescale,
                                 .factor = softmax.factor};
    if (mask != nullptr && !finite) {
      multiply_skipping_zeros<LayoutOfA::kColumns>(weigh);
    } else {
      multiply<LayoutOfA::kColumns>(weigh, ahead_);
    }
  }

  // Adds the panel's group of tiles to the sums of earlier groups, and begins a new group.
  void add_groups(std::int64_t panel) {
    const std::int64_t rows = row_end(panel) - row_begin(panel);
    RunningSoftmax<T>& group = state(panel);
    GroupSums& sums = work_.sums[panel];
    for (std::int64_t i = 0; i < rows; ++i) {
      const double max = static_cast<double>(group.max[i]);
      double factor = 1;
      if (!sums.begun) {
        sums.sum[i] = sums.rounded[i] = 0;
      } else if (sums.max[i] != max) {
        factor = std::exp(sums.max[i] - max);
      }
      sums.max[i] = max;
      sums.sum[i] = factor * sums.sum[i] + static_cast<double>(group.sum[i]);
      sums.rounded[i] = factor * sums.rounded[i] + static_cast<double>(group.rounded[i]);
      add_group(o(panel) + i * packed_, width_, !sums.begun, factor, o_sums(panel) + i * packed_);
    }
    std::fill_n(group.sum, kPanelRows, T{0});
    std::fill_n(group.rounded, kPanelRows, T{0});
    sums.tiles = 0;
    sums.begun = true;
  }

  void finish(std::int64_t panel) {
    if (task_.grouped && work_.sums[panel].begun) {
      if (work_.sums[panel].tiles > 0) add_groups(panel);
      finish(panel, o_sums(panel), work_.sums[panel]);
    } else {
      finish(panel, o(panel), state(panel));
    }
  }

  template <typename Sum, typename Sums>
  void finish(std::int64_t panel, Sum* lines, const Sums& sums) {
    constexpr Sum kOnce = 1 / static_cast<Sum>(kOfWeights<T>);
    for (std::int64_t i = 0; i < row_end(panel) - row_begin(panel); ++i) {
      Sum* line = lines + i * packed_;
      const std::int64_t row = row_begin(panel) + i;
      // Dividing by the sum of the rounded weights, not of the exact ones, makes the weights add up to 1. Rounding errors
      // that all weights share then cancel.
      normalise(kIsPair<Operand> ? sums.rounded[i] : sums.sum[i], p_.head_dim, line);
      if (task_.partial_o == nullptr) {
        finish_row(a_, unit_, row, line, sums.max[i], kOnce * sums.sum[i]);
      } else {
        std::copy_n(line, p_.head_dim, task_.partial_o + row * p_.head_dim);
        task_.partial_max[row] = static_cast<T>(sums.max[i]);
        task_.partial_sum[row] = static_cast<T>(kOnce * sums.sum[i]);
      }
    }
  }

  const ForwardTask<Operand>& task_;
  const ForwardProblem& a_;
  const ProblemShape& p_;
  Unit unit_;
  ForwardWorkspace<Operand> work_;
  std::int64_t packed_;
  std::int64_t width_;
  Split panels_;
  RowVisibility visible_;
  Rows<const Operand> k_, v_;
  Prefetcher ahead_;
};

void forward_float(const ForwardTask<float>& task, std::byte* workspace) {
  ForwardBlock<float>(task, workspace).run();
}

void forward_double(const ForwardTask<double>& task, std::byte* workspace) {
  ForwardBlock<double>(task, workspace).run();
}

void forward_pairs([[maybe_unused]] const ForwardTask<BFloat16Pair>& task,
                   [[maybe_unused]] std::byte* workspace) {
#if LVX_MULTIPLIES_PAIRS
  ForwardBlock<BFloat16Pair>(task, workspace).run();
#else
  refuse_pairs();
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace lvx
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lvx {

HWY_EXPORT(forward_float);
HWY_EXPORT(forward_double);
HWY_EXPORT(forward_pairs);

void run_forward_task(const ForwardTask<float>& task, std::byte* workspace) {
  HWY_DYNAMIC_DISPATCH(forward_float)(task, workspace);
}

void run_forward_task(const ForwardTask<double>& task, std::byte* workspace) {
  HWY_DYNAMIC_DISPATCH(forward_double)(task, workspace);
}

void run_forward_task(const ForwardTask<BFloat16Pair>& task, std::byte* workspace) {
  HWY_DYNAMIC_DISPATCH(forward_pairs)(task, workspace);
}

}  // namespace lvx
#endif
