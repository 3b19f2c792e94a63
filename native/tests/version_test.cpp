// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "lvx/lvx.h"

namespace {

TEST(Version, LibraryReportsTheHeaderItWasBuiltWith) { EXPECT_EQ(lvx_abi_version(), LVX_ABI_VERSION); }

TEST(Version, LibraryReportsTheVersionOfTheProject) { EXPECT_STREQ(lvx_version(), LVX_VERSION); }

}  // namespace
