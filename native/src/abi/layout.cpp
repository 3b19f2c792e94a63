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

// Every struct with all its fields; a test holds this list against the header.
#define LVX_LAYOUT(S, F)                                                                                     \
  S(lvx_error)                                                                                               \
  F(lvx_error, struct_size)                                                                                  \
  F(lvx_error, status) F(lvx_error, rank) F(lvx_error, sequence) F(lvx_error, operation) F(                  \
      lvx_error, message) S(lvx_dl_device) F(lvx_dl_device, device_type) F(lvx_dl_device, device_id)         \
      S(lvx_dl_dtype) F(lvx_dl_dtype, code) F(lvx_dl_dtype, bits) F(lvx_dl_dtype, lanes) S(lvx_tensor) F(    \
          lvx_tensor, data) F(lvx_tensor, device) F(lvx_tensor, ndim) F(lvx_tensor, dtype)                   \
          F(lvx_tensor, shape) F(lvx_tensor, strides) F(lvx_tensor, byte_offset) S(lvx_cpu_options) F(       \
              lvx_cpu_options, struct_size) F(lvx_cpu_options, threads) F(lvx_cpu_options, reserved)         \
              F(lvx_cpu_options, memory_budget) S(lvx_device_info) F(lvx_device_info, struct_size) F(        \
                  lvx_device_info, kind) F(lvx_device_info, ordinal) F(lvx_device_info, threads)             \
                  F(lvx_device_info, reserved) F(lvx_device_info, bytes_in_use) F(                           \
                      lvx_device_info, peak_bytes) F(lvx_device_info, buffers) F(lvx_device_info, groups)    \
                      F(lvx_device_info, name) S(lvx_group_options) F(lvx_group_options, struct_size) F(     \
                          lvx_group_options, deadline_seconds) F(lvx_group_options, ranks_per_node)          \
                          F(lvx_group_options, recorder_entries) S(lvx_group_info) F(                        \
                              lvx_group_info,                                                                \
                              struct_size) F(lvx_group_info,                                                 \
                                             kind) F(lvx_group_info,                                         \
                                                     rank) F(lvx_group_info,                                 \
                                                             size) F(lvx_group_info,                         \
                                                                     failed) F(lvx_group_info, sequence)     \
                              F(lvx_group_info,                                                              \
                                deadline_seconds) S(lvx_record) F(lvx_record, sequence)                      \
                                  F(lvx_record, state) F(lvx_record, status) F(lvx_record, peer) F(          \
                                      lvx_record,                                                            \
                                      reserved) F(lvx_record, begin_nanoseconds)                             \
                                      F(lvx_record, end_nanoseconds) F(lvx_record, bytes_sent) F(            \
                                          lvx_record,                                                        \
                                          bytes_received) F(lvx_record, operation)                           \
                                          S(lvx_attention_options) F(lvx_attention_options, struct_size) F(  \
                                              lvx_attention_options,                                         \
                                              scale) F(lvx_attention_options,                                \
                                                       strategy) F(lvx_attention_options, reserved)          \
                                              S(lvx_statistics) F(lvx_statistics, struct_size) F(            \
                                                  lvx_statistics,                                            \
                                                  bytes_sent) F(lvx_statistics, messages_sent)               \
                                                  F(lvx_statistics, inter_node_bytes_sent) F(                \
                                                      lvx_statistics,                                        \
                                                      bytes_received) F(lvx_statistics, messages_received)   \
                                                      F(lvx_statistics, control_bytes_sent)                  \
                                                          F(lvx_statistics, control_messages_sent) F(        \
                                                              lvx_statistics,                                \
                                                              peak_bytes) F(lvx_statistics, total_seconds)   \
                                                              F(lvx_statistics, compute_seconds)             \
                                                                  F(lvx_statistics, exposed_wait_seconds)    \
                                                                      F(lvx_statistics, strategy)            \
                                                                          F(lvx_statistics, reserved)        \
                                                                              S(lvx_abi_field)               \
                                                                                  F(lvx_abi_field, name) F(  \
                                                                                      lvx_abi_field, offset) \
                                                                                      F(lvx_abi_field, size)

#define LVX_STRUCT(type) {#type, 0, sizeof(type)},
#define LVX_FIELD(type, field) {#type "." #field, offsetof(type, field), sizeof(type::field)},

constexpr lvx_abi_field kLayout[] = {LVX_LAYOUT(LVX_STRUCT, LVX_FIELD)};

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
