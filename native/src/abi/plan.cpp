// SPDX-License-Identifier: Apache-2.0
// Calls before they are made.
#include <algorithm>
#include <limits>
#include <memory>
#include <span>
#include <string>

#include "abi/error.h"
#include "abi/objects.h"
#include "abi/sizes_check.h"
#include "abi/structs.h"
#include "plan/planned_call.h"

using namespace lvx;

namespace {

constexpr std::int64_t kMostRanks = std::int64_t{1} << 20;
constexpr double kMostElements = 36028797018963968.0;  // 2^55

[[noreturn]] void refuse(const std::string& name, const std::string& expected, std::int64_t got) {
  throw ArgumentError(LVX_INVALID_ARGUMENT, "options." + name,
                      "expected " + expected + ", got " + std::to_string(got));
}

void require_within(std::int64_t value, std::int64_t low, std::int64_t high, const char* name) {
  if (value < low || value > high) refuse(name, std::to_string(low) + " to " + std::to_string(high), value);
}

std::span<const std::int64_t> counts(const std::int64_t* values, std::size_t ranks, const char* name) {
  require_not_null(values, (std::string("options.") + name).c_str());
  const std::span<const std::int64_t> all(values, ranks);
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    if (all[rank] < 0 || all[rank] > kLargestCount) {
      refuse(std::string(name).append("[").append(std::to_string(rank)).append("]"), "0 to 2^40", all[rank]);
    }
  }
  return all;
}

double sum(std::span<const std::int64_t> values) {
  double total = 0;
  for (const std::int64_t value : values) total += static_cast<double>(value);
  return total;
}

// So that no sum of the group's tensors overflows.
void require_small(double elements, const char* what) {
  if (elements > kMostElements) {
    throw ArgumentError(LVX_INVALID_ARGUMENT, "options",
                        std::string("expected at most 2^55 elements of ") + what + " over all ranks");
  }
}

void check_bias(const lvx_plan_options& options, PlannedCall& planned) {
  if (options.bias_dtype_bits == 0) return;
  planned.has_bias = true;
  planned.bias.dtype = floating_dtype(options.bias_dtype_code, options.bias_dtype_bits, "options.bias_dtype");
  if (planned.bias.dtype != planned.dtype &&
      (planned.bias.dtype != DType::kFloat32 || planned.dtype == DType::kFloat64)) {
    throw ArgumentError(LVX_INVALID_ARGUMENT, "options.bias_dtype",
                        std::string("expected ") + name_of(planned.dtype) +
                            (size_of(planned.dtype) == 2 ? " or float32" : "") + ", got " +
                            name_of(planned.bias.dtype));
  }
  planned.bias.batch = options.bias_batch;
  planned.bias.heads = options.bias_heads;
  planned.bias.rows = options.bias_rows;
  const double queries = sum(planned.queries);
  if (options.bias_batch != 1 && options.bias_batch != options.batch) {
    refuse("bias_batch", "1 or the batch of " + std::to_string(options.batch), options.bias_batch);
  }
  if (options.bias_heads != 1 && options.bias_heads != options.query_heads) {
    refuse("bias_heads", "1 or the " + std::to_string(options.query_heads) + " query heads",
           options.bias_heads);
  }
  if (options.bias_rows != 1 && static_cast<double>(options.bias_rows) != queries) {
    refuse("bias_rows", "1 or the group's " + std::to_string(static_cast<std::int64_t>(queries)) + " queries",
           options.bias_rows);
  }
  require_within(options.bias_gradient, 0, 1, "bias_gradient");
  planned.bias.wants_gradient = options.bias_gradient != 0;
  require_small(static_cast<double>(options.bias_batch) * static_cast<double>(options.bias_heads) *
                    static_cast<double>(options.bias_rows) * sum(planned.keys),
                "bias");
}

void check_visibility(const lvx_plan_options& options, PlannedCall& planned) {
  if (options.ranges == nullptr) return;
  const auto ranks = static_cast<std::size_t>(options.ranks);
  planned.ranges = counts(options.ranges, ranks, "ranges");
  require_not_null(options.sees, "options.sees");
  planned.sees = {options.sees, ranks * ranks};
  double ends = 0;
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    ends += 2 * static_cast<double>(planned.queries[rank]) * static_cast<double>(planned.ranges[rank]);
  }
  require_small(ends * static_cast<double>(options.batch), "visibility");
}

void check_projection(const lvx_plan_options& options, PlannedCall& planned) {
  if (!planned.is_visual()) return;
  if (options.strategy != LVX_QUERY_GATHER) {
    refuse("strategy", "LVX_QUERY_GATHER (2) for a visual operation", options.strategy);
  }
  require_within(options.key_value_layout, LVX_KEY_VALUE_SEPARATE, LVX_KEY_VALUE_INTERLEAVED,
                 "key_value_layout");
  require_within(options.input_norm, LVX_NORM_NONE, LVX_NORM_LAYER, "input_norm");
  require_within(options.key_norm, LVX_NORM_NONE, LVX_NORM_RMS, "key_norm");
  require_within(options.rotary, 0, 1, "rotary");
  require_within(options.width, 1, kLargestCount, "width");
  require_within(options.tile_rows, 1, std::numeric_limits<std::int64_t>::max(), "tile_rows");
  planned.projection = {options.width,
                        options.tile_rows,
                        static_cast<lvx_key_value_layout>(options.key_value_layout),
                        static_cast<lvx_norm>(options.input_norm),
                        static_cast<lvx_norm>(options.key_norm),
                        options.rotary != 0};
  require_small(static_cast<double>(options.batch) * sum(planned.keys) * static_cast<double>(options.width),
                "features");
  require_small(2.0 * options.key_heads * options.head_dim * static_cast<double>(options.width), "weight");
}

PlannedCall check_options(const lvx_plan_options& options) {
  PlannedCall planned;
  planned.operation = static_cast<Operation>(options.operation);
  if (planned.operation != Operation::kForward && planned.operation != Operation::kBackward &&
      !planned.is_visual()) {
    refuse("operation",
           "LVX_OPERATION_FORWARD (2), _BACKWARD (3), _VISUAL_FORWARD (5) or _VISUAL_BACKWARD (6)",
           options.operation);
  }
  require_within(options.strategy, LVX_QUERY_RING, LVX_TWO_LEVEL, "strategy");
  planned.strategy = static_cast<lvx_strategy>(options.strategy);
  require_within(options.ranks, 1, kMostRanks, "ranks");
  require_within(options.ranks_per_node, 0, std::numeric_limits<std::int32_t>::max(), "ranks_per_node");
  planned.ranks_per_node = std::min(options.ranks_per_node, options.ranks);
  planned.dtype = floating_dtype(options.dtype_code, options.dtype_bits, "options.dtype");
  require_heads(options.query_heads, options.key_heads, options.head_dim);
  require_within(options.batch, 0, kLargestCount, "batch");
  planned.shape.batch = options.batch;
  planned.shape.query_heads = options.query_heads;
  planned.shape.key_heads = options.key_heads;
  planned.shape.head_dim = options.head_dim;
  require_within(options.layout, 0, LVX_PLAN_STRIDED_Q | LVX_PLAN_STRIDED_DBIAS | LVX_PLAN_PLAIN_LSE,
                 "layout");
  planned.strided_q = (options.layout & LVX_PLAN_STRIDED_Q) != 0;
  planned.strided_d_bias = (options.layout & LVX_PLAN_STRIDED_DBIAS) != 0;
  planned.plain_lse = (options.layout & LVX_PLAN_PLAIN_LSE) != 0;
  require_zero(options.reserved, "options.reserved");

  const auto ranks = static_cast<std::size_t>(options.ranks);
  planned.queries = counts(options.queries, ranks, "queries");
  planned.keys = counts(options.keys, ranks, "keys");
  const double width = static_cast<double>(options.batch) * options.head_dim;
  require_small(width * options.query_heads * sum(planned.queries), "q");
  require_small(width * options.key_heads * sum(planned.keys), "k");
  check_visibility(options, planned);
  check_bias(options, planned);
  check_projection(options, planned);
  return planned;
}

}  // namespace

lvx_status lvx_plan_rank(lvx_device device, const lvx_plan_options* options, int32_t rank,
                         lvx_plan_step* steps, uint64_t capacity, uint64_t* count,
                         lvx_statistics* statistics) {
  return guard([&] {
    const lvx_plan_options read = read_options(options, "options");
    const PlannedCall planned = check_options(read);
    if (rank < 0 || rank >= read.ranks) {
      throw ArgumentError(
          LVX_INVALID_ARGUMENT, "rank",
          "expected 0 to " + std::to_string(read.ranks - 1) + ", got " + std::to_string(rank));
    }
    require_not_null(count, "count");
    if (capacity > 0) require_not_null(steps, "steps");
    if (statistics != nullptr) check_result(statistics, "statistics");
    std::shared_ptr<DeviceObject> object;
    if (device != 0) object = find_handle<DeviceObject>(device);
    Steps recorded(std::span(steps, static_cast<std::size_t>(capacity)));
    lvx_statistics counted{};
    counted.struct_size = sizeof(counted);
    plan_rank(planned, rank, object ? object->device.get() : nullptr, recorded, &counted);
    *count = recorded.count();
    if (statistics != nullptr) write_result(statistics, counted);
  });
}
