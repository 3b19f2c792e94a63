// SPDX-License-Identifier: Apache-2.0
// lvx_abi_describe against the header's text, and our tensors against the real DLPack.
#include <gtest/gtest.h>
#include <lvx/lvx.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
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

// The header without its comments.
std::string header_text() {
  const auto path = std::filesystem::path(LVX_HEADER);
  std::ifstream file(path);
  EXPECT_TRUE(file) << path;
  std::stringstream stream;
  stream << file.rdbuf();
  std::string text = stream.str();
  for (std::size_t begin = 0; (begin = text.find("/*", begin)) != std::string::npos;) {
    text.erase(begin, text.find("*/", begin) + 2 - begin);
  }
  return text;
}

// Every "struct" and "struct.field" in the order of the header.
std::vector<std::string> names_in_header() {
  const std::string text = header_text();
  const std::string opening = "typedef struct ";
  std::vector<std::string> names;
  for (std::size_t at = 0; (at = text.find(opening, at)) != std::string::npos;) {
    at += opening.size();
    const std::size_t body = text.find('{', at);
    const std::string name = text.substr(at, body - 1 - at);
    names.push_back(name);
    at = text.find('}', body);
    std::istringstream fields(text.substr(body + 1, at - body - 1));
    // A declaration ends with the field's name or with its name and [extent].
    for (std::string declaration; std::getline(fields, declaration, ';');) {
      const std::string declared = declaration.substr(0, declaration.find('['));
      const std::size_t last_space = declared.find_last_of(" \n");
      const std::string field = declared.substr(last_space + 1);
      if (!field.empty()) names.push_back(name + "." + field);
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
  // The field is named ctx before DLPack 0.6 and device since; it follows data in both.
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
  EXPECT_EQ(int{LVX_CUDA_HOST}, int{kDLCUDAHost});
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
