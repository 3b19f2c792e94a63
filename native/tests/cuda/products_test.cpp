// SPDX-License-Identifier: Apache-2.0
// Matrix products for the GPU, as far as they can be tested without one: the arguments that are passed to the library, and
// whether the real library loads and accepts them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <vector>

#include "base/error.h"
#include "device/cuda/layers/column_major.h"
#include "device/cuda/layers/make_products.h"
#if LVX_HAS_CUBLASLT
#include "device/cuda/layers/cublaslt/descriptors.h"
#endif

namespace lvx::cuda {
namespace {

using ::testing::HasSubstr;

// Element (row, column) of an operand, as the library interprets it.
double element(const ColumnMajor::Stored& x, std::int64_t row, std::int64_t column) {
  if (x.transposed) std::swap(row, column);
  EXPECT_LT(row, x.rows);
  EXPECT_LT(column, x.columns);
  EXPECT_GE(x.ld, x.rows);
  return reinterpret_cast<const double*>(x.data)[row + column * x.ld];
}

TEST(ColumnMajor, ComputesTheRowMajorProduct) {
  constexpr std::int64_t m = 3, n = 5, k = 4, gap = 2;
  for (const bool a_transposed : {false, true}) {
    for (const bool b_transposed : {false, true}) {
      const auto numbers = [](std::int64_t lines, std::int64_t length) {
        std::vector<double> x(static_cast<std::size_t>(lines * (length + gap)));
        for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<double>(i * i % 17) - 8;
        return x;
      };
      std::vector<double> a = numbers(a_transposed ? k : m, a_transposed ? m : k);
      std::vector<double> b = numbers(b_transposed ? n : k, b_transposed ? k : n);
      std::vector<double> c(m * (n + gap), 7);
      const auto matrix = [](std::vector<double>& x, std::int64_t length, bool transposed) {
        return Matrix{reinterpret_cast<std::byte*>(x.data()), DType::kFloat64, length + gap, transposed};
      };
      const Product product{m,
                            n,
                            k,
                            matrix(a, a_transposed ? m : k, a_transposed),
                            matrix(b, b_transposed ? k : n, b_transposed),
                            matrix(c, n, false),
                            {},
                            false};
      const ColumnMajor p(product);
      for (std::int64_t row = 0; row < p.m; ++row) {
        for (std::int64_t column = 0; column < p.n; ++column) {
          double sum = 0;
          for (std::int64_t i = 0; i < p.k; ++i) sum += element(p.left, row, i) * element(p.right, i, column);
          ASSERT_FALSE(p.out.transposed);
          reinterpret_cast<double*>(p.out.data)[row + column * p.out.ld] = sum;
        }
      }
      for (std::int64_t row = 0; row < m; ++row) {
        for (std::int64_t column = 0; column < n; ++column) {
          double expected = 0;
          for (std::int64_t i = 0; i < k; ++i) {
            expected += *reinterpret_cast<const double*>(product.a.at(row, i)) *
                        *reinterpret_cast<const double*>(product.b.at(i, column));
          }
          EXPECT_EQ(c[static_cast<std::size_t>(row * (n + gap) + column)], expected);
        }
        for (std::int64_t i = 0; i < gap; ++i) {
          EXPECT_EQ(c[static_cast<std::size_t>(row * (n + gap) + n + i)], 7);
        }
      }
    }
  }
}

#if LVX_HAS_CUBLASLT

TEST(CublasLt, ThatIsMissingIsNamedWithWhatBringsIt) {
  setenv("LVX_CUBLASLT_LIBRARY", "/nowhere/libcublasLt.so.13", 1);
  try {
    make_products(0);
    FAIL() << "no library, no product";
  } catch (const Error& e) {
    EXPECT_EQ(e.status(), LVX_MISSING_LIBRARY);
    EXPECT_THAT(e.what(), HasSubstr("/nowhere/libcublasLt.so.13"));
    EXPECT_THAT(e.what(), HasSubstr("nvidia-cublas"));
  }
  unsetenv("LVX_CUBLASLT_LIBRARY");
}

// The library creates descriptors without a driver, and rejects unknown attributes.
TEST(CublasLt, HasEverySymbolAndUnderstandsEveryProduct) {
  const std::string file = LVX_CUBLASLT_REAL_LIBRARY;
  if (file.empty()) GTEST_SKIP() << "cuBLASLt's header is here, the library is not";
  setenv("LVX_CUBLASLT_LIBRARY", file.c_str(), 1);
  const CublasLt& api = CublasLt::loaded();
  unsetenv("LVX_CUBLASLT_LIBRARY");
  EXPECT_GE(api.version(), 120000u);
  EXPECT_THAT(api.status_string(CUBLAS_STATUS_NOT_SUPPORTED), HasSubstr("supported"));
  alignas(256) std::byte memory[1024];
  const auto matrix = [&](DType dtype, std::int64_t ld, bool transposed) {
    return Matrix{memory + 2, dtype, ld, transposed};
  };
  for (const DType dtype : {DType::kFloat64, DType::kFloat32, DType::kBFloat16, DType::kFloat16}) {
    for (const DType out : {dtype, accumulator_of(dtype)}) {
      for (const bool transposed : {false, true}) {
        const ColumnMajor p(Product{3,
                                    5,
                                    4,
                                    matrix(dtype, 8, transposed),
                                    matrix(dtype, 8, !transposed),
                                    matrix(out, 8, false),
                                    {},
                                    false});
        EXPECT_NO_THROW(Descriptors(api, p)) << name_of(dtype);
        EXPECT_NO_THROW(Preference(api, p, 1 << 20)) << name_of(dtype);
        EXPECT_EQ(Preference::alignment_of(p.left), 2u);
      }
    }
  }
}

#else

TEST(CublasLt, IsNotPartOfThisBuildWhichSaysSo) {
  try {
    make_products(0);
    FAIL() << "no header, no product";
  } catch (const Error& e) {
    EXPECT_EQ(e.status(), LVX_UNSUPPORTED);
    EXPECT_THAT(e.what(), HasSubstr("nvidia-cublas"));
  }
}

TEST(CublasLt, HasEverySymbolAndUnderstandsEveryProduct) {
  GTEST_SKIP() << "cuBLASLt's header is not here: python3 -m pip install --target DIR nvidia-cublas, and "
                  "-DcuBLASLt_ROOT=DIR";
}

#endif

}  // namespace
}  // namespace lvx::cuda
