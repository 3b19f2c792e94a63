// SPDX-License-Identifier: Apache-2.0
// Backward on one run of keys, block by block: for each panel of rows and tile of keys, p = exp(K Q^T - lse),
// dV += p^T dO, ds = p (V dO^T - delta), dK += ds^T Q, dQ += ds K. Tiles lie as in forward: keys along rows.
// Method: Dao et al. 2022.
#define HWY_DISABLED_TARGETS HWY_SSSE3  // without SSE4.1 too rare to compile everything once more
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "device/cpu/backward_kernel.cpp"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>
#include <limits>

#include "device/cpu/backward_task.h"
#include "device/cpu/dot-inl.h"
#include "device/cpu/gemm-inl.h"
#include "device/cpu/mask.h"
#include "device/cpu/pack-inl.h"
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

template <typename T>
class BackwardRun {
 public:
  BackwardRun(const BackwardTask<T>& task, std::byte* workspace) : BackwardRun(task, Scratch(workspace)) {}

  void run() {
    std::fill_n(task_.dq, Unit::rows(p_) * packed_, T{0});
    // Lanes of rows that do not exist are computed with.
    for (T* tile : {work_.p, work_.ds}) std::fill_n(tile, kTileKeys * kPanelRows, T{0});
    if (alone_) pack_panel(0);
    const std::int64_t step = block_step();
    for (std::int64_t key = task_.key_begin; key < task_.key_end; key += step) {
      block(key, std::min(key + step, task_.key_end));
    }
    if (alone_) add_dq();
    if (past_caches_) hwy::FlushStream();
  }

 private:
  struct Panel {
    std::int64_t begin, end;
    std::int64_t in_vectors, left_over;  // rows
    bool q_finite, d_o_finite;

    std::int64_t rows() const { return end - begin; }
  };

  // Gradients of the block's keys.
  struct Sums {
    T* data = nullptr;
    std::int64_t ld = 0;

    T* at(std::int64_t key) const { return data + key * ld; }
  };

  BackwardRun(const BackwardTask<T>& task, Scratch scratch)
      : task_(task),
        a_(*task.arguments),
        p_(a_.problem),
        unit_(p_, task.unit),
        work_(scratch, p_),
        packed_(packed_dim(p_.head_dim)),
        width_(round_up(p_.head_dim, kLanes)),
        panels_(Unit::rows(p_), divide_up(Unit::rows(p_), kPanelRows), kLanes),
        alone_(Unit::rows(p_) > 0 && panels_.parts() == 1),
        visible_(a_.visibility, p_, unit_, 0, Unit::rows(p_), work_.cursors) {}

  // Keys are used by one panel once only: nothing is gained by a block beyond a tile.
  std::int64_t block_step() const { return alone_ ? kTileKeys : block_keys(p_, sizeof(T)); }

  void block(std::int64_t key_begin, std::int64_t key_end) {
    const std::int64_t keys = key_end - key_begin;
    const std::int64_t rows = Unit::rows(p_);
    const bool seen = rows > 0 && visible_.advance(0, rows, key_begin, key_end) != Seen::kNothing;
    choose_sums(key_begin);
    if (!alone_ || !seen) clear_sums(keys);
    if (seen) {
      choose_keys(key_begin, keys);
      prefetch_after(key_end);
      for (std::int64_t i = 0; i < panels_.parts(); ++i) {
        const std::int64_t begin = panels_.begin(i);
        const std::int64_t end = panels_.end(i);
        if (visible_.advance(begin, end, key_begin, key_end) == Seen::kNothing) continue;
        if (!alone_) pack_panel(i);
        panel(key_begin, key_end);
        if (!alone_) add_dq();
      }
    }
    if (sums_in_place_) return;
    store(work_.dk, static_cast<T>(p_.scale), a_.dk, key_begin, keys);
    store(work_.dv, T{1}, a_.dv, key_begin, keys);
  }

  // A panel that is alone has the whole of dk and dv at once, and need not add them up in the workspace.
  void choose_sums(std::int64_t key) {
    sums_in_place_ = alone_ && in_place(a_.dk) && in_place(a_.dv);
    dk_ = {work_.dk, packed_};
    dv_ = {work_.dv, packed_};
    if (!sums_in_place_) return;
    past_caches_ =
        !a_.add_dkv && fills_lines(a_.dk) && fills_lines(a_.dv) && key_gradients_exceed_cache(p_, sizeof(T));
    dk_ = {reinterpret_cast<T*>(a_.dk.at(unit_.batch, key, unit_.key_head)), a_.dk.row_stride};
    dv_ = {reinterpret_cast<T*>(a_.dv.at(unit_.batch, key, unit_.key_head)), a_.dv.row_stride};
  }

  void clear_sums(std::int64_t keys) const {
    if (sums_in_place_ && a_.add_dkv) return;
    for (std::int64_t key = 0; key < keys; ++key) {
      std::fill_n(dk_.at(key), width_, T{0});
      std::fill_n(dv_.at(key), width_, T{0});
    }
  }

  // Packing pays where several panels use the keys; it also tells whether zero weights may meet NaN.
  void choose_keys(std::int64_t key_begin, std::int64_t keys) {
    const bool masked = !a_.visibility.everything() || !a_.bias.none();
    if (!alone_ || masked || !in_place(a_.k) || !in_place(a_.v)) {
      pack_keys(key_begin, keys);
      k_ = {work_.k, packed_};
      v_ = {work_.v, packed_};
    } else {
      k_ = {reinterpret_cast<const T*>(a_.k.at(unit_.batch, key_begin, unit_.key_head)), a_.k.row_stride};
      v_ = {reinterpret_cast<const T*>(a_.v.at(unit_.batch, key_begin, unit_.key_head)), a_.v.row_stride};
    }
  }

  // Whether rows of x can be used where they lie: elements as they are computed with, and whole vectors.
  bool in_place(const Bshd& x) const {
    return sizeof(T) == static_cast<std::size_t>(size_of(x.dtype)) && width_ == p_.head_dim;
  }

  // Whether vectors are whole lines of the cache in every row of x.
  static bool fills_lines(const Bshd& x) {
    constexpr std::uintptr_t kLine = 64;
    const auto whole = [](std::int64_t elements) { return elements * sizeof(T) % kLine == 0; };
    return hn::Lanes(hn::ScalableTag<T>()) * sizeof(T) == kLine &&
           reinterpret_cast<std::uintptr_t>(x.data) % kLine == 0 && whole(x.batch_stride) &&
           whole(x.row_stride) && whole(x.head_stride);
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
        2 * operations<T>(step, in_vectors, p_.head_dim) + 3 * operations<T>(rows, width_, step);
    const auto ahead = [&](std::initializer_list<const Bshd*> tensors) {
      return Prefetcher(tensors, unit.batch, unit.key_head, begin, end, p_.head_dim, work);
    };
    ahead_ = a_.add_dkv ? ahead({&a_.k, &a_.v, &a_.dk, &a_.dv}) : ahead({&a_.k, &a_.v});
  }

  void pack_keys(std::int64_t key_begin, std::int64_t keys) {
    for (std::int64_t tile = 0; tile * kTileKeys < keys; ++tile) {
      const std::int64_t first = tile * kTileKeys;
      const std::int64_t count = std::min(kTileKeys, keys - first);
      k_finite_[tile] = pack_rows(a_.k, unit_.batch, unit_.key_head, key_begin + first, count, p_.head_dim,
                                  work_.k + first * packed_, packed_);
      pack_rows(a_.v, unit_.batch, unit_.key_head, key_begin + first, count, p_.head_dim,
                work_.v + first * packed_, packed_);
      // Whole vectors of k are read where it is the second factor.
      for (std::int64_t i = first; i < first + count; ++i) {
        std::fill(work_.k + i * packed_ + p_.head_dim, work_.k + i * packed_ + width_, T{0});
      }
    }
  }

  // Rows of a panel whose logits are dot products; all but the last are whole vectors.
  std::int64_t left_over(std::int64_t panel) const {
    return rows_left_over<T>(panels_.end(panel) - panels_.begin(panel), p_.head_dim);
  }

  void pack_panel(std::int64_t index) {
    Panel& panel = panel_;
    const std::int64_t begin = panels_.begin(index);
    const std::int64_t rows = panels_.end(index) - begin;
    const std::int64_t left = left_over(index);
    panel = {begin, begin + rows, rows - left, left, true, true};
    for (std::int64_t i = 0; i < rows; ++i) {
      const std::int64_t query = unit_.query(begin + i);
      const std::int64_t head = unit_.head(begin + i);
      panel.q_finite &=
          convert_row(a_.q.at(unit_.batch, query, head), a_.q.dtype, p_.head_dim, work_.q + i * packed_);
      panel.d_o_finite &= convert_row(a_.d_o.at(unit_.batch, query, head), a_.d_o.dtype, p_.head_dim,
                                      work_.d_o + i * packed_);
      std::fill(work_.q + i * packed_ + p_.head_dim, work_.q + i * packed_ + width_, T{0});
      std::fill(work_.d_o + i * packed_ + p_.head_dim, work_.d_o + i * packed_ + width_, T{0});
      const T lse = load_element<T>(a_.lse.at(unit_.batch, head, query), a_.lse.dtype, 0);
      // exp(s - inf) = 0: a row that sees nothing has no weights.
      work_.lse[i] = lse == -kInfinity ? kInfinity : lse;
      work_.delta[i] = load_element<T>(a_.delta.at(unit_.batch, head, query), a_.delta.dtype, 0);
    }
    std::fill(work_.lse + rows, work_.lse + kPanelRows, kInfinity);
    std::fill(work_.delta + rows, work_.delta + kPanelRows, T{0});
    const std::int64_t width = round_up(rows, kLanes);
    transpose(work_.q, packed_, rows, p_.head_dim, width, work_.q_columns, kPanelRows);
    transpose(work_.d_o, packed_, rows, p_.head_dim, width, work_.d_o_columns, kPanelRows);
    std::fill_n(work_.dq, kPanelRows * packed_, T{0});
  }

  void add_dq() const {
    for (std::int64_t row = panel_.begin; row < panel_.end; ++row) {
      const T* from = work_.dq + (row - panel_.begin) * packed_;
      T* to = task_.dq + row * packed_;
      for (std::int64_t d = 0; d < p_.head_dim; ++d) to[d] += from[d];
    }
  }

  void panel(std::int64_t key_begin, std::int64_t key_end) {
    const Panel& panel = panel_;
    // A query whose heads lie in two panels is walked twice over the same keys.
    RowVisibility visible = visible_.fork(panel.begin, panel.end, work_.panel_cursors);
    for (std::int64_t key = key_begin; key < key_end; key += kTileKeys) {
      const std::int64_t end = std::min(key + kTileKeys, key_end);
      const Seen seen = visible.advance(panel.begin, panel.end, key, end);
      if (seen == Seen::kNothing) continue;
      const T* mask = nullptr;
      if (seen == Seen::kSome || !a_.bias.none()) {
        fill_bias(a_.bias, unit_, panel.begin, panel.end, key, end, work_.mask);
        visible.hide(panel.begin, panel.end, key, end, work_.mask, 1, kPanelRows);
        mask = work_.mask;
      }
      tile(panel, key - key_begin, end - key, mask);
      if (!a_.d_bias.none()) add_d_bias(panel, key, end);
    }
  }

  // key counts from the start of the block.
  void tile(const Panel& panel, std::int64_t key, std::int64_t keys, const T* mask) {
    const bool unmasked = mask == nullptr;
    look(k_.from(key), keys, panel, work_.q, work_.q_columns, static_cast<T>(p_.scale), work_.p);
    final_softmax(panel.rows(), keys, mask, work_.lse, work_.p);
    multiply_safely<LayoutOfA::kRows>(gather(work_.p, work_.d_o, dv_, key, T{1}, panel, keys),
                                      unmasked || panel.d_o_finite, ahead_);
    look(v_.from(key), keys, panel, work_.d_o, work_.d_o_columns, T{1}, work_.ds);
    softmax_gradient(panel.rows(), keys, work_.p, work_.delta, work_.ds);
    multiply_safely<LayoutOfA::kRows>(
        gather(work_.ds, work_.q, dk_, key, static_cast<T>(p_.scale), panel, keys),
        unmasked || panel.q_finite, ahead_);
    const Product<T> to_queries{.a = work_.ds,
                                .lda = kPanelRows,
                                .b = k_.at(key),
                                .ldb = k_.stride,
                                .c = work_.dq,
                                .ldc = packed_,
                                .m = panel.rows(),
                                .n = width_,
                                .k = keys,
                                .update = Update::kAdd};
    multiply_safely<LayoutOfA::kColumns>(to_queries, unmasked || k_finite_[key / kTileKeys], ahead_);
  }

  // out[key, row] = scale * keys[key] . rows[row]; columns are the rows transposed.
  void look(const KeyRows<T>& rows_of_keys, std::int64_t keys, const Panel& panel, const T* rows,
            const T* columns, T scale, T* out) {
    const Product<T> product{.a = rows_of_keys.data,
                             .lda = rows_of_keys.stride,
                             .b = columns,
                             .ldb = kPanelRows,
                             .c = out,
                             .ldc = kPanelRows,
                             .m = keys,
                             .n = panel.in_vectors,
                             .k = p_.head_dim,
                             .update = Update::kScale,
                             .scale = scale};
    multiply<LayoutOfA::kRows>(product, ahead_);
    dot_products(rows_of_keys, keys, rows + panel.in_vectors * packed_, packed_, panel.left_over, p_.head_dim,
                 scale, out + panel.in_vectors, kPanelRows);
  }

  // sums[key] += sum over rows of weights[key, row] values[row]; the final scale is due where they lie in place.
  Product<T> gather(const T* weights, const T* values, const Sums& sums, std::int64_t key, T scale,
                    const Panel& panel, std::int64_t keys) const {
    const bool first = alone_ && !(sums_in_place_ && a_.add_dkv);
    return {.a = weights,
            .lda = kPanelRows,
            .b = values,
            .ldb = packed_,
            .c = sums.at(key),
            .ldc = sums.ld,
            .m = keys,
            .n = width_,
            .k = panel.rows(),
            .update = first ? Update::kScale : Update::kAdd,
            .scale = sums_in_place_ ? scale : T{1},
            .past_caches = first && past_caches_};
  }

  // Broadcast dimensions have stride 0: their rows add to the same elements, one after the other.
  void add_d_bias(const Panel& panel, std::int64_t key_begin, std::int64_t key_end) {
    for (std::int64_t row = panel.begin; row < panel.end; ++row) {
      const T* column = work_.ds + (row - panel.begin);
      T* sums = reinterpret_cast<T*>(a_.d_bias.at(unit_.batch, unit_.head(row), unit_.query(row), key_begin));
      for (std::int64_t key = 0; key < key_end - key_begin; ++key) sums[key] += column[key * kPanelRows];
    }
  }

  void store(const T* sums, T scale, const Bshd& out, std::int64_t key_begin, std::int64_t keys) const {
    T line[kMaxHeadDim];
    for (std::int64_t i = 0; i < keys; ++i) {
      std::byte* at = out.at(unit_.batch, key_begin + i, unit_.key_head);
      const T* sum = sums + i * packed_;
      if (a_.add_dkv) {
        load_row(at, out.dtype, p_.head_dim, line);
        for (std::int64_t d = 0; d < p_.head_dim; ++d) line[d] += scale * sum[d];
      } else {
        for (std::int64_t d = 0; d < p_.head_dim; ++d) line[d] = scale * sum[d];
      }
      store_row(line, p_.head_dim, at, out.dtype);
    }
  }

  static constexpr T kInfinity = std::numeric_limits<T>::infinity();

  const BackwardTask<T>& task_;
  const BackwardArguments& a_;
  const Problem& p_;
  Unit unit_;
  BackwardWorkspace<T> work_;
  std::int64_t packed_;
  std::int64_t width_;
  Split panels_;
  bool alone_;  // all rows are one panel
  RowVisibility visible_;
  Panel panel_{};  // the one that is packed
  KeyRows<T> k_, v_;
  Sums dk_, dv_;
  bool sums_in_place_ = false;
  bool past_caches_ = false;  // sums in place are written once, and no cache could keep them
  Prefetcher ahead_;
  bool k_finite_[kMaxBlockKeys / kTileKeys] = {};
};

void backward_float(const BackwardTask<float>& task, std::byte* workspace) {
  BackwardRun<float>(task, workspace).run();
}

void backward_double(const BackwardTask<double>& task, std::byte* workspace) {
  BackwardRun<double>(task, workspace).run();
}

}  // namespace HWY_NAMESPACE
}  // namespace lvx
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lvx {

HWY_EXPORT(backward_float);
HWY_EXPORT(backward_double);

void run_backward_task(const BackwardTask<float>& task, std::byte* workspace) {
  HWY_DYNAMIC_DISPATCH(backward_float)(task, workspace);
}

void run_backward_task(const BackwardTask<double>& task, std::byte* workspace) {
  HWY_DYNAMIC_DISPATCH(backward_double)(task, workspace);
}

}  // namespace lvx
#endif
