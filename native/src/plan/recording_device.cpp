// SPDX-License-Identifier: Apache-2.0
#include "plan/recording_device.h"

#include "device/extents.h"

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

// The shard that contains a row. If several shards begin at that row, the last one, because the others are empty.
std::int32_t shard_of(const std::vector<std::int64_t>& begins, std::int64_t row) {
  return static_cast<std::int32_t>(std::upper_bound(begins.begin(), begins.end(), row) - begins.begin() - 1);
}

std::int64_t bytes_of(const Bshd& x) { return x.elements() * size_of(x.dtype); }
std::int64_t bytes_of(const Bhs& x) { return x.batch * x.heads * x.rows * size_of(x.dtype); }
std::int64_t bytes_of(const Partial& x) {
  return bytes_of(x.o) + (x.bias_max.data == nullptr ? 1 : 2) * bytes_of(x.lse);
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
  require_extents_of_problem(problem);
  const ProblemShape& shape = problem.shape;
  if (shape.query_elements() > 0 && shape.keys > 0) return add_attention(shape);
  if (!problem.merge) steps_.add_memory(0, bytes_of(problem.out));
}

void RecordingDevice::backward(const BackwardProblem& problem, std::span<std::byte>) {
  require_extents_of_problem(problem);
  const ProblemShape& shape = problem.shape;
  if (shape.query_elements() > 0 && shape.keys > 0) return add_attention(shape);
  std::int64_t zeros = 0;
  if (!problem.add_dq) zeros += shape.query_elements() * size_of(problem.dq.dtype);
  if (!problem.add_dkv) zeros += 2 * shape.key_elements() * size_of(problem.dk.dtype);
  steps_.add_memory(0, zeros);
}

void RecordingDevice::merge(const Partial& part, const Partial& into) {
  require_extents_of_merge(part, into);
  steps_.add_memory(bytes_of(part) + bytes_of(into), bytes_of(into));
}

void RecordingDevice::delta(const Bshd& o, const Bshd& d_o, const Bhs& delta) {
  require_extents_of_delta(o, d_o, delta);
  steps_.add_memory(bytes_of(o) + bytes_of(d_o), bytes_of(delta));
}

void RecordingDevice::copy(const Bshd& from, const Bshd& to) {
  require_extents_of_copy(from, to);
  steps_.add_memory(bytes_of(from), bytes_of(to));
}

void RecordingDevice::copy(const Visibility& from, std::int32_t*) {
  const std::int64_t bytes = from.batch * from.rows * from.ranges * 2 * size_of(DType::kInt32);
  steps_.add_memory(bytes, bytes);
}

void RecordingDevice::add(const Bshd& from, const Bshd& to) {
  require_extents_of_copy(from, to);
  steps_.add_memory(bytes_of(from) + bytes_of(to), bytes_of(to));
}

void RecordingDevice::shards_seen(const Visibility&, std::span<const std::int64_t> bounds,
                                  std::span<std::uint8_t> seen) {
  for (std::size_t i = 0; i < seen.size(); ++i) seen[i] = bounds[i] < bounds[i + 1] ? 1 : 0;
}

double RecordingDevice::probe_gemm(std::int64_t) { no_yardstick(); }
double RecordingDevice::probe_read(std::size_t) { no_yardstick(); }

}  // namespace lvx
