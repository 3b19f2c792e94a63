// SPDX-License-Identifier: Apache-2.0
// The structs of lvx.h as this library was compiled, for bindings that check themselves.
#include <lvx/lvx.h>

#include <algorithm>
#include <cstddef>
#include <iterator>

#include "abi/error.h"
#include "abi/structs.h"

namespace lvx {
namespace {

#define LVX_STRUCT(type) \
  { #type, 0, sizeof(type) }
#define LVX_FIELD(type, field) \
  { #type "." #field, offsetof(type, field), sizeof(type::field) }

// Every struct with all its fields; a test holds this list against the header. Pointers are measured as pointers.
// NOLINTBEGIN(bugprone-sizeof-expression)
constexpr lvx_abi_field kLayout[] = {
    LVX_STRUCT(lvx_error),
    LVX_FIELD(lvx_error, struct_size),
    LVX_FIELD(lvx_error, status),
    LVX_FIELD(lvx_error, rank),
    LVX_FIELD(lvx_error, sequence),
    LVX_FIELD(lvx_error, operation),
    LVX_FIELD(lvx_error, message),
    LVX_STRUCT(lvx_dl_device),
    LVX_FIELD(lvx_dl_device, device_type),
    LVX_FIELD(lvx_dl_device, device_id),
    LVX_STRUCT(lvx_dl_dtype),
    LVX_FIELD(lvx_dl_dtype, code),
    LVX_FIELD(lvx_dl_dtype, bits),
    LVX_FIELD(lvx_dl_dtype, lanes),
    LVX_STRUCT(lvx_tensor),
    LVX_FIELD(lvx_tensor, data),
    LVX_FIELD(lvx_tensor, device),
    LVX_FIELD(lvx_tensor, ndim),
    LVX_FIELD(lvx_tensor, dtype),
    LVX_FIELD(lvx_tensor, shape),
    LVX_FIELD(lvx_tensor, strides),
    LVX_FIELD(lvx_tensor, byte_offset),
    LVX_STRUCT(lvx_cpu_options),
    LVX_FIELD(lvx_cpu_options, struct_size),
    LVX_FIELD(lvx_cpu_options, threads),
    LVX_FIELD(lvx_cpu_options, reserved),
    LVX_FIELD(lvx_cpu_options, memory_budget),
    LVX_STRUCT(lvx_cuda_options),
    LVX_FIELD(lvx_cuda_options, struct_size),
    LVX_FIELD(lvx_cuda_options, ordinal),
    LVX_FIELD(lvx_cuda_options, engine),
    LVX_FIELD(lvx_cuda_options, memory_budget),
    LVX_FIELD(lvx_cuda_options, stream),
    LVX_STRUCT(lvx_device_info),
    LVX_FIELD(lvx_device_info, struct_size),
    LVX_FIELD(lvx_device_info, kind),
    LVX_FIELD(lvx_device_info, ordinal),
    LVX_FIELD(lvx_device_info, threads),
    LVX_FIELD(lvx_device_info, multiprocessors),
    LVX_FIELD(lvx_device_info, bytes_in_use),
    LVX_FIELD(lvx_device_info, peak_bytes),
    LVX_FIELD(lvx_device_info, buffers),
    LVX_FIELD(lvx_device_info, groups),
    LVX_FIELD(lvx_device_info, memory_budget),
    LVX_FIELD(lvx_device_info, memory_total),
    LVX_FIELD(lvx_device_info, memory_free),
    LVX_FIELD(lvx_device_info, compute_major),
    LVX_FIELD(lvx_device_info, compute_minor),
    LVX_FIELD(lvx_device_info, name),
    LVX_STRUCT(lvx_engine_choice),
    LVX_FIELD(lvx_engine_choice, engine),
    LVX_FIELD(lvx_engine_choice, backward),
    LVX_FIELD(lvx_engine_choice, dtype_code),
    LVX_FIELD(lvx_engine_choice, dtype_bits),
    LVX_FIELD(lvx_engine_choice, batch),
    LVX_FIELD(lvx_engine_choice, queries),
    LVX_FIELD(lvx_engine_choice, keys),
    LVX_FIELD(lvx_engine_choice, query_heads),
    LVX_FIELD(lvx_engine_choice, key_heads),
    LVX_FIELD(lvx_engine_choice, head_dim),
    LVX_FIELD(lvx_engine_choice, reserved),
    LVX_FIELD(lvx_engine_choice, lvx_seconds),
    LVX_FIELD(lvx_engine_choice, cudnn_seconds),
    LVX_FIELD(lvx_engine_choice, reason),
    LVX_STRUCT(lvx_group_options),
    LVX_FIELD(lvx_group_options, struct_size),
    LVX_FIELD(lvx_group_options, deadline_seconds),
    LVX_FIELD(lvx_group_options, ranks_per_node),
    LVX_FIELD(lvx_group_options, recorder_entries),
    LVX_FIELD(lvx_group_options, intra_bytes_per_second),
    LVX_FIELD(lvx_group_options, intra_latency_seconds),
    LVX_FIELD(lvx_group_options, inter_bytes_per_second),
    LVX_FIELD(lvx_group_options, inter_latency_seconds),
    LVX_FIELD(lvx_group_options, shared_inter),
    LVX_FIELD(lvx_group_options, virtual_time),
    LVX_STRUCT(lvx_group_info),
    LVX_FIELD(lvx_group_info, struct_size),
    LVX_FIELD(lvx_group_info, kind),
    LVX_FIELD(lvx_group_info, rank),
    LVX_FIELD(lvx_group_info, size),
    LVX_FIELD(lvx_group_info, failed),
    LVX_FIELD(lvx_group_info, sequence),
    LVX_FIELD(lvx_group_info, deadline_seconds),
    LVX_STRUCT(lvx_record),
    LVX_FIELD(lvx_record, sequence),
    LVX_FIELD(lvx_record, state),
    LVX_FIELD(lvx_record, status),
    LVX_FIELD(lvx_record, peer),
    LVX_FIELD(lvx_record, reserved),
    LVX_FIELD(lvx_record, begin_nanoseconds),
    LVX_FIELD(lvx_record, end_nanoseconds),
    LVX_FIELD(lvx_record, bytes_sent),
    LVX_FIELD(lvx_record, bytes_received),
    LVX_FIELD(lvx_record, operation),
    LVX_STRUCT(lvx_attention_options),
    LVX_FIELD(lvx_attention_options, struct_size),
    LVX_FIELD(lvx_attention_options, scale),
    LVX_FIELD(lvx_attention_options, strategy),
    LVX_FIELD(lvx_attention_options, reserved),
    LVX_STRUCT(lvx_statistics),
    LVX_FIELD(lvx_statistics, struct_size),
    LVX_FIELD(lvx_statistics, bytes_sent),
    LVX_FIELD(lvx_statistics, messages_sent),
    LVX_FIELD(lvx_statistics, inter_node_bytes_sent),
    LVX_FIELD(lvx_statistics, bytes_received),
    LVX_FIELD(lvx_statistics, messages_received),
    LVX_FIELD(lvx_statistics, control_bytes_sent),
    LVX_FIELD(lvx_statistics, control_messages_sent),
    LVX_FIELD(lvx_statistics, peak_bytes),
    LVX_FIELD(lvx_statistics, total_seconds),
    LVX_FIELD(lvx_statistics, compute_seconds),
    LVX_FIELD(lvx_statistics, exposed_wait_seconds),
    LVX_FIELD(lvx_statistics, strategy),
    LVX_FIELD(lvx_statistics, engines),
    LVX_STRUCT(lvx_projection),
    LVX_FIELD(lvx_projection, struct_size),
    LVX_FIELD(lvx_projection, key_heads),
    LVX_FIELD(lvx_projection, head_dim),
    LVX_FIELD(lvx_projection, layout),
    LVX_FIELD(lvx_projection, input_norm),
    LVX_FIELD(lvx_projection, key_norm),
    LVX_FIELD(lvx_projection, rotary),
    LVX_FIELD(lvx_projection, input_epsilon),
    LVX_FIELD(lvx_projection, key_epsilon),
    LVX_FIELD(lvx_projection, theta),
    LVX_FIELD(lvx_projection, weight),
    LVX_FIELD(lvx_projection, bias),
    LVX_FIELD(lvx_projection, value_weight),
    LVX_FIELD(lvx_projection, value_bias),
    LVX_FIELD(lvx_projection, input_weight),
    LVX_FIELD(lvx_projection, input_bias),
    LVX_FIELD(lvx_projection, key_weight),
    LVX_FIELD(lvx_projection, positions),
    LVX_STRUCT(lvx_projection_gradients),
    LVX_FIELD(lvx_projection_gradients, struct_size),
    LVX_FIELD(lvx_projection_gradients, weight),
    LVX_FIELD(lvx_projection_gradients, bias),
    LVX_FIELD(lvx_projection_gradients, value_weight),
    LVX_FIELD(lvx_projection_gradients, value_bias),
    LVX_FIELD(lvx_projection_gradients, input_weight),
    LVX_FIELD(lvx_projection_gradients, input_bias),
    LVX_FIELD(lvx_projection_gradients, key_weight),
    LVX_STRUCT(lvx_visual_options),
    LVX_FIELD(lvx_visual_options, struct_size),
    LVX_FIELD(lvx_visual_options, scale),
    LVX_FIELD(lvx_visual_options, tile_rows),
    LVX_STRUCT(lvx_abi_field),
    LVX_FIELD(lvx_abi_field, name),
    LVX_FIELD(lvx_abi_field, offset),
    LVX_FIELD(lvx_abi_field, size),
};
// NOLINTEND(bugprone-sizeof-expression)

}  // namespace
}  // namespace lvx

lvx_status lvx_abi_describe(lvx_abi_field* fields, uint64_t capacity, uint64_t* count) {
  return lvx::guard([&] {
    lvx::require_not_null(count, "count");
    if (capacity > 0) lvx::require_not_null(fields, "fields");
    const std::uint64_t entries = std::size(lvx::kLayout);
    std::copy_n(lvx::kLayout, std::min(capacity, entries), fields);
    *count = entries;
  });
}
