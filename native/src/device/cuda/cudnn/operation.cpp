// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/cudnn/operation.h"

#include <array>

namespace lvx::cudnn {
namespace {

using Dimensions = std::array<std::int64_t, 4>;  // batch, head, row, column

DataType data_type_of(DType dtype) { return dtype == DType::kBFloat16 ? kBFloat16 : kHalf; }

BackendDescriptor tensor(const Api& api, TensorId id, DataType type, const Dimensions& extents,
                         const Dimensions& strides, bool by_value = false) {
  BackendDescriptor made(api, kTensor);
  made.value(kTensorDataType, kDataTypeType, type);
  made.integers(kTensorDimensions, extents);
  made.integers(kTensorStrides, strides);
  made.integers(kTensorId, {id});
  made.integers(kTensorAlignment, {16});
  if (by_value) made.value(kTensorByValue, kBooleanType, true);
  made.finalize("tensor");
  return made;
}

class Description {
 public:
  Description(const Api& api, const Operation& operation) : api_(api), operation_(operation) {
    made_.emplace_back(api, operation.backward ? kSdpaBackward : kSdpaForward);
  }

  void queries(AttributeName name, TensorId id, const Strides& strides) {
    rows(name, id, operation_.query_heads, operation_.queries, strides);
  }
  void keys(AttributeName name, TensorId id, const Strides& strides) {
    rows(name, id, operation_.key_heads, operation_.keys, strides);
  }
  void lse(AttributeName name) {
    add(name, tensor(api_, kLse, kFloat, {operation_.batch, operation_.query_heads, operation_.queries, 1},
                     {operation_.lse.batch, operation_.lse.head, 1, 1}));
  }
  void scale(AttributeName name) {
    add(name, tensor(api_, kScale, kFloat, {1, 1, 1, 1}, {1, 1, 1, 1}, true));
  }
  std::vector<BackendDescriptor> finish() {
    made_.front().finalize(operation_.backward ? "backward operation" : "forward operation");
    return std::move(made_);
  }

 private:
  void rows(AttributeName name, TensorId id, std::int64_t heads, std::int64_t rows, const Strides& strides) {
    add(name,
        tensor(api_, id, data_type_of(operation_.dtype), {operation_.batch, heads, rows, operation_.head_dim},
               {strides.batch, strides.head, strides.row, 1}));
  }
  void add(AttributeName name, BackendDescriptor tensor) {
    made_.front().child(name, tensor);
    made_.push_back(std::move(tensor));
  }

  const Api& api_;
  const Operation& operation_;
  std::vector<BackendDescriptor> made_;
};

}  // namespace

Strides strides_of(const Bshd& x) {
  return {x.batch == 1 ? x.rows * x.heads * x.dim : x.batch_stride,
          x.rows == 1 ? x.heads * x.dim : x.row_stride, x.heads == 1 ? x.dim : x.head_stride};
}

Strides strides_of(const Bhs& x) {
  return {x.batch == 1 ? x.heads * x.rows : x.batch_stride, 1, x.heads == 1 ? x.rows : x.head_stride};
}

Operation operation_of(const ProblemShape& p, const Bshd& q, const Bshd& k, const Bshd& v, bool backward) {
  Operation operation;
  operation.backward = backward;
  operation.dtype = q.dtype;
  operation.batch = p.batch;
  operation.queries = p.queries;
  operation.keys = p.keys;
  operation.query_heads = p.query_heads;
  operation.key_heads = p.key_heads;
  operation.head_dim = p.head_dim;
  operation.q = strides_of(q);
  operation.k = strides_of(k);
  operation.v = strides_of(v);
  return operation;
}

std::vector<BackendDescriptor> describe(const Api& api, const Operation& operation) {
  Description description(api, operation);
  if (operation.backward) {
    description.queries(kBackwardQ, kQ, operation.q);
    description.keys(kBackwardK, kK, operation.k);
    description.keys(kBackwardV, kV, operation.v);
    description.queries(kBackwardO, kO, operation.o);
    description.lse(kBackwardStatistics);
    description.scale(kBackwardScale);
    description.queries(kBackwardDo, kDo, operation.d_o);
    description.queries(kBackwardDq, kDq, operation.dq);
    description.keys(kBackwardDk, kDk, operation.dk);
    description.keys(kBackwardDv, kDv, operation.dv);
  } else {
    description.queries(kForwardQ, kQ, operation.q);
    description.keys(kForwardK, kK, operation.k);
    description.keys(kForwardV, kV, operation.v);
    description.queries(kForwardO, kO, operation.o);
    description.lse(kForwardStatistics);
    description.scale(kForwardScale);
  }
  return description.finish();
}

}  // namespace lvx::cudnn
