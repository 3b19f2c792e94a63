// SPDX-License-Identifier: Apache-2.0
// lvx_abi_describe against the header's text, and our tensors against the real DLPack.
#include <gtest/gtest.h>
#include <lvx/lvx.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#if __has_include(<dlpack/dlpack.h>)
#include <dlpack/dlpack.h>
#define LVX_HAS_DLPACK 1
#endif

extern "C" int lvx_c11_test(void);

namespace {

std::vector<lvx_abi_field> describe() {
  std::uint64_t count = 0;
  EXPECT_EQ(lvx_abi_describe(nullptr, 0, &count), LVX_OK);
  std::vector<lvx_abi_field> fields(count);
  EXPECT_EQ(lvx_abi_describe(fields.data(), count, &count), LVX_OK);
  return fields;
}

// Every "struct" and "struct.field" in the order of the header.
std::vector<std::string> names_in_header() {
  const auto path = std::filesystem::path(__FILE__).parent_path() / "../../include/lvx/lvx.h";
  std::ifstream file(path);
  EXPECT_TRUE(file) << path;
  std::stringstream stream;
  stream << file.rdbuf();
  const std::string text =
      std::regex_replace(stream.str(), std::regex(R"(/\*[^*]*\*+([^/*][^*]*\*+)*/)"), "");
  const std::regex a_struct(R"(typedef struct (\w+) \{([^}]*)\})");
  const std::regex a_field(R"((\w+)(\[\d+\])?;)");
  std::vector<std::string> names;
  for (std::sregex_iterator found(text.begin(), text.end(), a_struct), end; found != end; ++found) {
    const std::string name = (*found)[1];
    const std::string body = (*found)[2];
    names.push_back(name);
    for (std::sregex_iterator field(body.begin(), body.end(), a_field); field != end; ++field) {
      names.push_back(name + "." + (*field)[1].str());
    }
  }
  return names;
}

TEST(Layout, DescribesEveryFieldOfTheHeader) {
  std::vector<std::string> described;
  for (const lvx_abi_field& field : describe()) described.emplace_back(field.name);
  EXPECT_EQ(described, names_in_header());
  EXPECT_GE(described.size(), 80u);
}

TEST(Layout, FieldsLieInsideTheirStructsOneAfterAnother) {
  std::uint64_t struct_size = 0;
  std::uint64_t end = 0;
  for (const lvx_abi_field& field : describe()) {
    if (std::string(field.name).find('.') == std::string::npos) {
      EXPECT_LE(struct_size - end, 8u) << "before " << field.name;
      struct_size = field.size;
      end = 0;
      continue;
    }
    EXPECT_GE(field.offset, end) << field.name;
    EXPECT_LE(field.offset + field.size, struct_size) << field.name;
    end = field.offset + field.size;
  }
}

TEST(Layout, WritesNoMoreThanThereIsRoomFor) {
  std::vector<lvx_abi_field> fields(3);
  fields[2].offset = 99;
  std::uint64_t count = 0;
  EXPECT_EQ(lvx_abi_describe(fields.data(), 2, &count), LVX_OK);
  EXPECT_EQ(count, describe().size());
  EXPECT_STREQ(fields[1].name, "lvx_error.struct_size");
  EXPECT_EQ(fields[2].offset, 99u);
}

TEST(Layout, TheHeaderIsC11) { EXPECT_EQ(lvx_c11_test(), 0); }

#ifdef LVX_HAS_DLPACK
TEST(Layout, TensorIsDlpacksTensor) {
  EXPECT_EQ(sizeof(lvx_tensor), sizeof(DLTensor));
  EXPECT_EQ(offsetof(lvx_tensor, data), offsetof(DLTensor, data));
  // Called ctx before version 0.6, device since; it lies behind data in either.
  EXPECT_EQ(offsetof(lvx_tensor, device), sizeof(void*));
  EXPECT_EQ(offsetof(lvx_tensor, ndim), offsetof(DLTensor, ndim));
  EXPECT_EQ(offsetof(lvx_tensor, dtype), offsetof(DLTensor, dtype));
  EXPECT_EQ(offsetof(lvx_tensor, shape), offsetof(DLTensor, shape));
  EXPECT_EQ(offsetof(lvx_tensor, strides), offsetof(DLTensor, strides));
  EXPECT_EQ(offsetof(lvx_tensor, byte_offset), offsetof(DLTensor, byte_offset));
  EXPECT_EQ(sizeof(lvx_dl_dtype), sizeof(DLDataType));
  EXPECT_EQ(offsetof(lvx_dl_dtype, code), offsetof(DLDataType, code));
  EXPECT_EQ(offsetof(lvx_dl_dtype, bits), offsetof(DLDataType, bits));
  EXPECT_EQ(offsetof(lvx_dl_dtype, lanes), offsetof(DLDataType, lanes));
#if DLPACK_VERSION >= 60
  EXPECT_EQ(sizeof(lvx_dl_device), sizeof(DLDevice));
  EXPECT_EQ(offsetof(lvx_dl_device, device_type), offsetof(DLDevice, device_type));
  EXPECT_EQ(offsetof(lvx_dl_device, device_id), offsetof(DLDevice, device_id));
#endif
  EXPECT_EQ(int{LVX_CPU}, int{kDLCPU});
#if DLPACK_VERSION >= 60
  EXPECT_EQ(int{LVX_CUDA}, int{kDLCUDA});
#else
  EXPECT_EQ(int{LVX_CUDA}, int{kDLGPU});
#endif
  EXPECT_EQ(int{LVX_INT}, int{kDLInt});
  EXPECT_EQ(int{LVX_FLOAT}, int{kDLFloat});
  EXPECT_EQ(int{LVX_BFLOAT}, int{kDLBfloat});
}
#else
TEST(Layout, TensorIsDlpacksTensor) { GTEST_SKIP() << "dlpack/dlpack.h is not here (Debian: libdlpack-dev)"; }
#endif

}  // namespace
