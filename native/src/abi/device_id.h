// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "abi/tensor_check.h"
#include "device/device.h"

namespace lvx {

inline DeviceId device_id_of(const Device& device) { return {device.kind(), device.ordinal()}; }

}  // namespace lvx
