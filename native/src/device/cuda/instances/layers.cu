// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/kernel/activation.h"
#include "device/cuda/kernel/column_sums.h"
#include "device/cuda/kernel/gate.h"
#include "device/cuda/kernel/norm.h"
#include "device/cuda/kernel/rotary.h"
#include "device/cuda/launch/launch.h"

namespace lvx::cuda {

#define LVX_INSTANTIATE(T)                                                                                \
  template void launch<NormForward<T, 1>>(const Queue&, std::int64_t, const NormParams&);                 \
  template void launch<NormForward<T, 4>>(const Queue&, std::int64_t, const NormParams&);                 \
  template void launch<NormStatistics<T, 1>>(const Queue&, std::int64_t, const NormStatisticsParams&);    \
  template void launch<NormStatistics<T, 4>>(const Queue&, std::int64_t, const NormStatisticsParams&);    \
  template void launch<NormBackward<T, 1>>(const Queue&, std::int64_t, const NormBackwardParams&);        \
  template void launch<NormBackward<T, 4>>(const Queue&, std::int64_t, const NormBackwardParams&);        \
  template void launch<Rotary<T>>(const Queue&, std::int64_t, const RotaryParams&);                       \
  template void launch<SwigluForward<T>>(const Queue&, std::int64_t, const SwigluParams&);                \
  template void launch<SwigluBackward<T>>(const Queue&, std::int64_t, const SwigluBackwardParams&);       \
  template void launch<GeluForward<T>>(const Queue&, std::int64_t, const GeluParams&);                    \
  template void launch<GeluBackward<T>>(const Queue&, std::int64_t, const GeluBackwardParams&);           \
  template void launch<GatedAddForward<T>>(const Queue&, std::int64_t, const GatedAddParams&);            \
  template void launch<GatedAddBackward<T>>(const Queue&, std::int64_t, const GatedAddBackwardParams&);   \
  template void launch<BlendForward<T>>(const Queue&, std::int64_t, const BlendParams&);                  \
  template void launch<BlendBackward<T>>(const Queue&, std::int64_t, const BlendBackwardParams&);         \
  template void launch<ClearRows<T>>(const Queue&, std::int64_t, const ClearRowsParams&);                 \
  template void launch<ColumnSums<T, RowsTerm>>(const Queue&, std::int64_t,                               \
                                                const ColumnSumParams<RowsTerm>&);                        \
  template void launch<ColumnSums<T, GatedAddTerm>>(const Queue&, std::int64_t,                           \
                                                    const ColumnSumParams<GatedAddTerm>&);                \
  template void launch<ColumnSums<T, BlendTerm>>(const Queue&, std::int64_t,                              \
                                                 const ColumnSumParams<BlendTerm>&);                      \
  template void launch<ColumnSums<T, NormTerm>>(const Queue&, std::int64_t,                               \
                                                const ColumnSumParams<NormTerm>&)

LVX_INSTANTIATE(float);
LVX_INSTANTIATE(double);

template void launch<AddColumnSums>(const Queue&, std::int64_t, const AddColumnSumsParams&);
template void launch<AddTotal>(const Queue&, std::int64_t, const AddTotalParams&);

}  // namespace lvx::cuda
