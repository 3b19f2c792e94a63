// SPDX-License-Identifier: Apache-2.0
// Ring all-reduce (Patarasuk and Yuan 2009). The elements are split into one chunk per rank. First, each chunk travels around
// the ring while every rank adds its own part (reduce-scatter). Then the sums travel around the ring (all-gather). Each rank
// sends 2 (size - 1) / size of the elements, which is optimal.
#include "schedule/all_reduce.h"

#include <algorithm>
#include <vector>

#include "device/layers.h"
#include "schedule/workspace.h"

namespace lvx {
namespace {

class RingSum {
 public:
  RingSum(Collective& collective, std::byte* data, DType dtype, std::int64_t elements)
      : collective_(collective),
        rank_(collective.rank()),
        size_(collective.size()),
        data_(data),
        dtype_(dtype),
        elements_(elements),
        left_(wrap(rank_ - 1)),
        right_(wrap(rank_ + 1)) {}

  void run() {
    std::int64_t longest = 0;
    for (int chunk = 0; chunk < size_; ++chunk) longest = std::max(longest, bytes(chunk));
    const Workspace::Piece arriving = workspace_.reserve(longest);
    workspace_.allocate(collective_);
    collective_.lend(data_, elements_ * size_of(dtype_));
    for (int step = 0; step + 1 < size_; ++step) {
      const int chunk = wrap(rank_ - step - 1);
      exchange(wrap(rank_ - step), chunk, workspace_.at(arriving));
      if (bytes(chunk) > 0) collective_.compute([&] { add(workspace_.at(arriving), chunk); });
    }
    for (int step = 0; step + 1 < size_; ++step) {
      const int chunk = wrap(rank_ - step);
      exchange(wrap(rank_ + 1 - step), chunk, at(chunk));
    }
  }

 private:
  int wrap(int rank) const { return ((rank % size_) + size_) % size_; }
  std::int64_t begin(int chunk) const { return elements_ * chunk / size_; }
  std::int64_t count(int chunk) const { return begin(chunk + 1) - begin(chunk); }
  std::int64_t bytes(int chunk) const { return count(chunk) * size_of(dtype_); }
  std::byte* at(int chunk) const { return data_ + begin(chunk) * size_of(dtype_); }

  // Sends one chunk to the right while receiving another from the left.
  void exchange(int leaving, int arriving, std::byte* to) {
    transfers_.clear();
    if (bytes(leaving) > 0) {
      transfers_.push_back(send_to(right_, at(leaving), static_cast<std::size_t>(bytes(leaving))));
    }
    if (bytes(arriving) > 0) {
      transfers_.push_back(receive_from(left_, to, static_cast<std::size_t>(bytes(arriving))));
    }
    collective_.wait(collective_.start(transfers_));
  }

  void add(std::byte* part, int chunk) {
    const auto as_row = [&](std::byte* data) {
      return Rows{data, dtype_, 1, 1, count(chunk), count(chunk), count(chunk)};
    };
    collective_.device().layers().add(as_row(part), as_row(at(chunk)));
  }

  Collective& collective_;
  const int rank_, size_;
  std::byte* const data_;
  const DType dtype_;
  const std::int64_t elements_;
  const int left_, right_;
  Workspace workspace_;
  std::vector<Transfer> transfers_;
};

}  // namespace

void all_reduce(Group& group, std::byte* data, DType dtype, std::int64_t elements) {
  Announcement mine;
  mine.operation = Operation::kAllReduce;
  mine.dtype = static_cast<std::int32_t>(dtype);
  mine.elements = elements;
  run_collective(group, mine, lvx_strategy{}, nullptr,
                 [&](Collective& collective) { RingSum(collective, data, dtype, elements).run(); });
}

}  // namespace lvx
