// SPDX-License-Identifier: Apache-2.0
// Which heads each rank computes in HEAD_ALL_TO_ALL.
#pragma once

#include <string>

#include "attention/views.h"
#include "group/group.h"

namespace lvx {

struct HeadRange {
  std::int64_t first = 0;
  std::int64_t count = 0;
};

class HeadSplit {
 public:
  // Throws Error unless every rank gets the same number of query heads: whole groups, or equal parts of one group.
  HeadSplit(Collective& collective, const ProblemShape& shape)
      : size_(collective.size()),
        query_heads_(shape.query_heads),
        group_(shape.query_heads / shape.key_heads) {
    const std::int64_t share = query_heads_ / size_;
    if (query_heads_ % size_ != 0 || (share % group_ != 0 && group_ % share != 0)) {
      collective.refuse(
          LVX_UNSUPPORTED,
          "HEAD_ALL_TO_ALL needs the query heads to divide evenly among the ranks, in whole groups of query "
          "heads that share a key head or in equal parts of one: " +
              std::to_string(query_heads_) + " query heads in groups of " + std::to_string(group_) +
              " do not go round " + std::to_string(size_) + " ranks",
          -1);
    }
  }

  HeadRange query_heads(int rank) const { return {rank * (query_heads_ / size_), query_heads_ / size_}; }
  // Several ranks may need the same key head.
  HeadRange key_heads(int rank) const {
    const HeadRange queries = query_heads(rank);
    const std::int64_t first = queries.first / group_;
    return {first, (queries.first + queries.count - 1) / group_ - first + 1};
  }

 private:
  int size_;
  std::int64_t query_heads_;
  std::int64_t group_;
};

// The view of some of the heads.
template <typename View>
View heads_of(View view, HeadRange heads) {
  if (view.data != nullptr) view.data += heads.first * view.head_stride * size_of(view.dtype);
  view.heads = heads.count;
  return view;
}
// A bias that is broadcast along the heads is not split.
inline Bias heads_of(Bias view, HeadRange heads) {
  return view.heads == 1 ? view : heads_of<Bias>(view, heads);
}

}  // namespace lvx
