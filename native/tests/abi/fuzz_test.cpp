// SPDX-License-Identifier: Apache-2.0
// Thousands of malformed calls: each must fail with a message that names an argument, and must not write to any tensor.
#include <gmock/gmock.h>
#include <lvx/lvx.h>

#include <cmath>
#include <set>

#include "fuzz_layer_calls.h"
#include "fuzz_spoil.h"
#include "fuzz_visual_calls.h"

namespace lvx::test {
namespace {

constexpr int kTensorCalls = 32000;
constexpr int kHandleCalls = 8000;

// The words with which messages may begin.
const std::set<std::string> kArguments = {
    "q",         "k",        "v",       "visibility", "bias",    "o",         "lse",      "d_o",
    "dq",        "dk",       "dv",      "dbias",      "delta",   "o_part",    "lse_part", "group",
    "world",     "rank",     "size",    "device",     "options", "scale",     "buffer",   "data",
    "bytes",     "info",     "seconds", "x",          "w",       "b",         "y",        "dx",
    "dw",        "db",       "dy",      "weight",     "dweight", "positions", "gate",     "up",
    "dgate",     "dup",      "branch",  "live",       "dbranch", "a",         "da",       "n",
    "count",     "records",  "fields",  "statistics", "error",   "operation", "reason",   "projection",
    "gradients", "features", "raw_k",   "d_features"};

// Expects that the call failed, that the error names an argument, and that its message begins with it.
void expect_refused(lvx_status status, const std::string& what) {
  ASSERT_NE(status, LVX_OK) << what;
  const lvx_error error = error_now();
  EXPECT_EQ(error.status, status) << what;
  const std::string message = error.message;
  const std::string first = message.substr(0, message.find_first_of(":. "));
  EXPECT_EQ(kArguments.count(first), 1u) << what << ": " << message;
  const std::string argument = error.argument;
  EXPECT_EQ(argument.substr(0, argument.find('.')), first) << what << ": " << message;
  EXPECT_EQ(message.rfind(argument, 0), 0u) << what << ": " << argument << ", " << message;
  EXPECT_NE(status, LVX_INTERNAL) << what << ": " << message;
}

class Fuzz : public testing::Test {
 protected:
  void SetUp() override {
    lvx_cpu_options options{};
    options.struct_size = sizeof(options);
    options.threads = 1;
    ASSERT_EQ(lvx_device_open_cpu(&options, &device), LVX_OK);
    ASSERT_EQ(lvx_group_create_self(device, nullptr, &group), LVX_OK);
    ASSERT_EQ(lvx_local_world_create(2, nullptr, &world), LVX_OK);
    void* data = nullptr;
    ASSERT_EQ(lvx_buffer_allocate(device, 64, &buffer, &data), LVX_OK);
    ASSERT_EQ(lvx_group_create_self(device, nullptr, &closed_group), LVX_OK);
    ASSERT_EQ(lvx_group_close(closed_group), LVX_OK);
  }
  void TearDown() override {
    EXPECT_EQ(lvx_buffer_free(buffer), LVX_OK);
    EXPECT_EQ(lvx_local_world_close(world), LVX_OK);
    EXPECT_EQ(lvx_group_close(group), LVX_OK);
    EXPECT_EQ(lvx_device_close(device), LVX_OK);
  }

  // Anything but an open handle of the type that right has.
  std::uint64_t wrong_handle(Dice& dice, std::uint64_t right) {
    switch (dice.between(0, 4)) {
      case 0:
        return 0;
      case 1:
        return dice.bits();
      case 2:
        return closed_group;
      case 3:
        return right ^ (std::uint64_t{1} << dice.between(20, 63));
      default:
        return right == device ? group : device;
    }
  }

  std::string spoil_the_rest(TensorCall& call, Dice& dice) {
    const bool grouped = call.handle == group;
    if (call.handle == 0) {
      call.scale = dice.one_of({std::nan(""), HUGE_VAL, -HUGE_VAL});
      return call.function + ", scale";
    }
    switch (grouped ? dice.between(0, 5) : 0) {
      case 0:
        call.handle = wrong_handle(dice, call.handle);
        return call.function + ", handle";
      case 1:
        call.options_pointer = nullptr;
        break;
      case 2:
        call.options.struct_size =
            dice.one_of<std::uint64_t>({0, 8, sizeof(call.options) - 1, 1 << 20, dice.bits()});
        break;
      case 3:
        call.options.scale = dice.one_of({std::nan(""), HUGE_VAL, -HUGE_VAL});
        break;
      case 4:
        call.options.strategy = dice.one_of({0, -1, 7, 1000});
        break;
      default:
        call.statistics.struct_size =
            dice.one_of<std::uint64_t>({0, 8, sizeof(call.statistics) - 1, 1 << 20});
        break;
    }
    return call.function + ", options or statistics";
  }

  lvx_device device = 0;
  lvx_group group = 0, closed_group = 0;
  lvx_world world = 0;
  lvx_buffer buffer = 0;
};

TEST_F(Fuzz, TensorsOfEveryKind) {
  int valid = 0;
  for (int i = 0; i < kTensorCalls && !HasFailure(); ++i) {
    Dice dice(static_cast<std::uint64_t>(i));
    TensorCall call = dice.one_in(3)   ? random_layer_call(dice, device)
                      : dice.one_in(2) ? random_visual_call(dice, device, group)
                                       : random_tensor_call(dice, device, group);
    call.options_pointer = &call.options;
    if (dice.one_in(10)) {
      EXPECT_EQ(call.run(), LVX_OK) << "seed " << i << ", " << call.function << ": " << error_now().message;
      ++valid;
      continue;
    }
    const std::string what = "seed " + std::to_string(i) + ", " +
                             (dice.one_in(8) ? spoil_the_rest(call, dice) : spoil_one_tensor(call, dice));
    call.remember();
    const lvx_statistics statistics = call.statistics;
    expect_refused(call.run(), what);
    EXPECT_EQ(call.changed(), "") << what;
    EXPECT_EQ(std::memcmp(&statistics, &call.statistics, sizeof(statistics)), 0) << what;
  }
  EXPECT_GT(valid, kTensorCalls / 20);
}

// Calls without tensors. In each, one argument is invalid, and results hold marks that must not change.
TEST_F(Fuzz, HandlesOptionsAndResults) {
  for (int i = 0; i < kHandleCalls && !HasFailure(); ++i) {
    Dice dice(static_cast<std::uint64_t>(i));
    const std::string what = "seed " + std::to_string(i);
    std::uint64_t made = 0xABCD;
    void* data = &made;
    double seconds = -5;
    const bool wrong_result = dice.one_in(3);
    const bool wrong_options = !wrong_result && dice.one_in(2);
    std::uint64_t* result = wrong_result ? nullptr : &made;
    const auto handle = [&](std::uint64_t right) {
      return wrong_result || wrong_options ? right : wrong_handle(dice, right);
    };
    const std::uint64_t bad_size = dice.one_of<std::uint64_t>({0, 7, 15, 4097, dice.bits() | 1 << 20});

    lvx_cpu_options cpu{};
    cpu.struct_size = sizeof(cpu);
    lvx_group_options options{};
    options.struct_size = sizeof(options);
    lvx_device_info device_info{};
    device_info.struct_size = wrong_options ? bad_size : sizeof(device_info);
    lvx_group_info group_info{};
    group_info.struct_size = wrong_options ? bad_size : sizeof(group_info);
    if (wrong_options) {
      switch (dice.between(0, 3)) {
        case 0:
          cpu.struct_size = options.struct_size = bad_size;
          break;
        case 1:
          cpu.threads = dice.one_of({-1, 1025, std::numeric_limits<std::int32_t>::min()});
          options.timeout_seconds = dice.one_of({-1.0, std::nan(""), HUGE_VAL, 1e10});
          break;
        case 2:
          cpu.reserved = 1;
          options.ranks_per_node = -1;
          break;
        default:
          cpu.threads = 5000;
          options.recorder_entries = dice.one_of({-1, std::numeric_limits<std::int32_t>::max()});
          break;
      }
    }

    switch (dice.between(0, 17)) {
      case 0:
        if (!wrong_result) cpu.struct_size = bad_size;
        expect_refused(lvx_device_open_cpu(&cpu, result), what);
        break;
      case 1:
        expect_refused(lvx_device_close(device), what);  // in use
        expect_refused(lvx_device_close(wrong_handle(dice, device)), what);
        break;
      case 2:
        expect_refused(lvx_device_query(handle(device), wrong_result ? nullptr : &device_info), what);
        break;
      case 3:
        expect_refused(lvx_buffer_allocate(handle(device), wrong_options ? 0 : 64, result, &data), what);
        break;
      case 4:
        expect_refused(lvx_buffer_allocate(device, 64, &made, nullptr), what);
        break;
      case 5:
        expect_refused(lvx_buffer_free(wrong_handle(dice, buffer)), what);
        break;
      case 6:
        expect_refused(lvx_group_create_self(handle(device), &options, result), what);
        break;
      case 7:
        if (!wrong_options) options.ranks_per_node = -2;
        expect_refused(
            lvx_local_world_create(wrong_result ? 2 : dice.one_of({0, -1, 4097}), &options, result), what);
        break;
      case 8:
        expect_refused(lvx_local_world_join(handle(world), wrong_options ? dice.one_of({-1, 2, 1 << 30}) : 0,
                                            device, result),
                       what);
        break;
      case 9:
        expect_refused(lvx_local_world_join(world, 0, wrong_handle(dice, device), &made), what);
        break;
      case 10:
        expect_refused(lvx_local_world_close(wrong_handle(dice, world)), what);
        break;
      case 11:
        expect_refused(lvx_group_close(wrong_handle(dice, group)), what);
        expect_refused(lvx_group_barrier(wrong_handle(dice, group)), what);
        break;
      case 12:
        expect_refused(lvx_group_query(handle(group), wrong_result ? nullptr : &group_info), what);
        break;
      case 13:
        expect_refused(lvx_group_set_timeout(group, dice.one_of({0.0, -1.0, std::nan(""), HUGE_VAL, 1e10})),
                       what);
        break;
      case 14:
        expect_refused(lvx_group_records(wrong_result ? group : wrong_handle(dice, group), nullptr,
                                         wrong_options ? 0 : dice.between(0, 3), result),
                       what);
        break;
      case 15:
        expect_refused(lvx_probe_gemm(wrong_result ? device : wrong_handle(dice, device), 8,
                                      wrong_result ? nullptr : &seconds),
                       what);
        expect_refused(lvx_probe_gemm(device, dice.one_of<std::int64_t>({0, -1, 16385}), &seconds), what);
        expect_refused(lvx_probe_read(device, dice.one_of<std::uint64_t>({0, ~std::uint64_t{0}}), &seconds),
                       what);
        break;
      case 16:
        expect_refused(lvx_group_decline(wrong_handle(dice, group), LVX_OPERATION_FORWARD, "mistake"), what);
        expect_refused(lvx_group_decline(group, LVX_OPERATION_FORWARD, nullptr), what);
        expect_refused(lvx_group_decline(group, dice.one_of({-1, 7, 1000}), "mistake"), what);
        break;
      default:
        expect_refused(lvx_abi_describe(nullptr, 1, &made), what);
        expect_refused(lvx_abi_describe(nullptr, 0, nullptr), what);
        break;
    }
    EXPECT_EQ(made, 0xABCDu) << what;
    EXPECT_EQ(data, &made) << what;
    EXPECT_EQ(seconds, -5) << what;
    EXPECT_EQ(device_info.kind, 0) << what;
    EXPECT_EQ(group_info.size, 0) << what;
  }
}

}  // namespace
}  // namespace lvx::test
