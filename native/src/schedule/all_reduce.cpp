// SPDX-License-Identifier: Apache-2.0
// Ring all-reduce (Patarasuk and Yuan 2009): the elements are cut into one chunk for each rank. First each chunk goes
// once round the ring and every rank adds its own on the way; then the finished chunks go round. Each rank sends
// 2 (size - 1) / size of the elements, the least there is.
#include "schedule/all_reduce.h"

#include <algorithm>
#include <vector>

#include "device/layers.h"
#include "schedule/workspace.h"

namespace lvx {
namespace {

class RingSum {
 public:
  RingSum(Call& call, std::byte* data, DType dtype, std::int64_t elements)
      : call_(call),
        rank_(call.rank()),
        size_(call.size()),
        data_(data),
        dtype_(dtype),
        elements_(elements),
        left_(wrap(rank_ - 1)),
        right_(wrap(rank_ + 1)) {}

  void run() {
    std::int64_t longest = 0;
    for (int chunk = 0; chunk < size_; ++chunk) longest = std::max(longest, bytes(chunk));
    const Workspace::Piece arriving = workspace_.reserve(longest);
    workspace_.allocate(call_);
    call_.lend(data_, elements_ * size_of(dtype_));
    for (int step = 0; step + 1 < size_; ++step) {
      const int chunk = wrap(rank_ - step - 1);
      exchange(wrap(rank_ - step), chunk, workspace_.at(arriving));
      if (bytes(chunk) > 0) call_.compute([&] { add(workspace_.at(arriving), chunk); });
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

  // One chunk goes to the right while another comes from the left.
  void exchange(int leaving, int arriving, std::byte* to) {
    transfers_.clear();
    if (bytes(leaving) > 0) {
      transfers_.push_back(send_to(right_, at(leaving), static_cast<std::size_t>(bytes(leaving))));
    }
    if (bytes(arriving) > 0) {
      transfers_.push_back(receive_from(left_, to, static_cast<std::size_t>(bytes(arriving))));
    }
    call_.wait(call_.start(transfers_));
  }

  void add(std::byte* part, int chunk) {
    const auto as_row = [&](std::byte* data) {
      return Rows{data, dtype_, 1, 1, count(chunk), count(chunk), count(chunk)};
    };
    call_.device().layers().add(as_row(part), as_row(at(chunk)));
  }

  Call& call_;
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
  collective(group, mine, lvx_strategy{}, nullptr,
             [&](Call& call) { RingSum(call, data, dtype, elements).run(); });
}

}  // namespace lvx
