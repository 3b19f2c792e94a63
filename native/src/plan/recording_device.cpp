// SPDX-License-Identifier: Apache-2.0
#include "plan/recording_device.h"

namespace lvx {
namespace {

std::vector<std::int64_t> begins_of(std::span<const std::int64_t> counts) {
  std::vector<std::int64_t> begins;
  std::int64_t begin = 0;
  for (const std::int64_t count : counts) {
    begins.push_back(begin);
    begin += count;
  }
  return begins;
}

// The shard that a row lies in: of those that begin there the last, which is the one that is not empty.
std::int32_t shard_of(const std::vector<std::int64_t>& begins, std::int64_t row) {
  return static_cast<std::int32_t>(std::upper_bound(begins.begin(), begins.end(), row) - begins.begin() - 1);
}

std::int64_t bytes_of(const ProblemShape& shape, const Partial& partial) {
  const std::int64_t lses = partial.bias_max.data == nullptr ? 1 : 2;
  return shape.query_elements() * size_of(partial.o.dtype) + lses * shape.rows() * size_of(partial.lse.dtype);
}

[[noreturn]] void no_yardstick() { throw Error(LVX_INTERNAL, "a plan has no rates to measure"); }

}  // namespace

RecordingDevice::RecordingDevice(const PlannedCall& planned, Device* scratch, Steps& steps)
    : scratch_(scratch),
      steps_(steps),
      layers_(scratch == nullptr ? nullptr : &scratch->layers(), steps),
      query_begin_(begins_of(planned.queries)),
      key_begin_(begins_of(planned.keys)) {}

void RecordingDevice::zero(std::byte*, std::size_t bytes) {
  steps_.add_memory(0, static_cast<std::int64_t>(bytes));
}

void RecordingDevice::copy_bytes(const std::byte*, std::byte*, std::size_t bytes) {
  steps_.add_memory(static_cast<std::int64_t>(bytes), static_cast<std::int64_t>(bytes));
}

void RecordingDevice::add_attention(const ProblemShape& shape) {
  lvx_plan_step step{};
  step.kind = LVX_PLAN_ATTENTION;
  step.query_rank = shard_of(query_begin_, shape.first_query);
  step.key_rank = shard_of(key_begin_, shape.first_key);
  step.queries = shape.queries;
  step.keys = shape.keys;
  step.query_heads = static_cast<std::int32_t>(shape.query_heads);
  step.key_heads = static_cast<std::int32_t>(shape.key_heads);
  steps_.add(step);
}

void RecordingDevice::forward(const ForwardProblem& problem, std::span<std::byte>) {
  const ProblemShape& shape = problem.shape;
  if (shape.query_elements() > 0 && shape.keys > 0) return add_attention(shape);
  if (!problem.merge) steps_.add_memory(0, bytes_of(shape, problem.out));
}

void RecordingDevice::backward(const BackwardProblem& problem, std::span<std::byte>) {
  const ProblemShape& shape = problem.shape;
  if (shape.query_elements() > 0 && shape.keys > 0) return add_attention(shape);
  std::int64_t zeros = 0;
  if (!problem.add_dq) zeros += shape.query_elements() * size_of(problem.dq.dtype);
  if (!problem.add_dkv) zeros += 2 * shape.key_elements() * size_of(problem.dk.dtype);
  steps_.add_memory(0, zeros);
}

void RecordingDevice::merge(const ProblemShape& shape, const Partial& part, const Partial& into) {
  steps_.add_memory(bytes_of(shape, part) + bytes_of(shape, into), bytes_of(shape, into));
}

void RecordingDevice::delta(const ProblemShape& shape, const Bshd& o, const Bshd& d_o, const Bhs& delta) {
  steps_.add_memory(shape.query_elements() * (size_of(o.dtype) + size_of(d_o.dtype)),
                    shape.rows() * size_of(delta.dtype));
}

void RecordingDevice::copy(std::int64_t batch, std::int64_t rows, std::int64_t heads, std::int64_t dim,
                           const Bshd& from, const Bshd& to) {
  const std::int64_t elements = batch * rows * heads * dim;
  steps_.add_memory(elements * size_of(from.dtype), elements * size_of(to.dtype));
}

void RecordingDevice::copy(std::int64_t batch, std::int64_t heads, std::int64_t rows, const Bhs& from,
                           const Bhs& to) {
  const std::int64_t elements = batch * heads * rows;
  steps_.add_memory(elements * size_of(from.dtype), elements * size_of(to.dtype));
}

void RecordingDevice::add(std::int64_t batch, std::int64_t rows, std::int64_t heads, std::int64_t dim,
                          const Bshd& from, const Bshd& to) {
  const std::int64_t elements = batch * rows * heads * dim;
  steps_.add_memory(elements * (size_of(from.dtype) + size_of(to.dtype)), elements * size_of(to.dtype));
}

void RecordingDevice::copy(std::int64_t batch, std::int64_t rows, const Visibility& from, std::int32_t*) {
  const std::int64_t bytes = batch * rows * from.ranges * 2 * size_of(DType::kInt32);
  steps_.add_memory(bytes, bytes);
}

void RecordingDevice::shards_seen(std::int64_t, std::int64_t, const Visibility&,
                                  std::span<const std::int64_t> bounds, std::span<std::uint8_t> seen) {
  for (std::size_t i = 0; i < seen.size(); ++i) seen[i] = bounds[i] < bounds[i + 1] ? 1 : 0;
}

double RecordingDevice::probe_gemm(std::int64_t) { no_yardstick(); }
double RecordingDevice::probe_read(std::size_t) { no_yardstick(); }

}  // namespace lvx
