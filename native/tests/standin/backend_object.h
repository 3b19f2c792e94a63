// SPDX-License-Identifier: Apache-2.0
// A descriptor of the stand-in for cuDNN: its attributes, and the attributes that finalisation requires.
#pragma once

#include <atomic>
#include <cstring>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "device/cuda/cudnn/cudnn_api.h"

namespace lvx::test {

// The status of a failed call: thrown internally, returned by the API functions.
struct Refusal {
  cudnn::Status status;
  std::string reason;
};

class BackendObject {
 public:
  using Shared = std::shared_ptr<const BackendObject>;

  explicit BackendObject(cudnn::DescriptorType type) : type_(type) { ++live_; }
  BackendObject(const BackendObject& other)
      : type_(other.type_), final_(other.final_), attributes_(other.attributes_), children_(other.children_) {
    ++live_;
  }
  BackendObject& operator=(const BackendObject&) = default;
  ~BackendObject() { --live_; }
  static int live() { return live_; }

  cudnn::DescriptorType type() const { return type_; }
  bool is_final() const { return final_; }
  void make_final() { final_ = true; }

  void set(cudnn::AttributeName name, cudnn::AttributeType type, std::int64_t count, const void* elements) {
    if (final_) throw Refusal{cudnn::kBadParameter, "set after finalize"};
    attributes_[name] = {
        type, count,
        std::string(static_cast<const char*>(elements), static_cast<std::size_t>(count) * size_of(type))};
  }
  void set_children(cudnn::AttributeName name, std::vector<Shared> children) {
    for (const Shared& child : children) {
      if (!child->is_final()) throw Refusal{cudnn::kBadParameter, "a child that is not finalised"};
    }
    children_[name] = std::move(children);
  }
  bool has(cudnn::AttributeName name) const { return attributes_.contains(name) || children_.contains(name); }

  const BackendObject& child(cudnn::AttributeName name, cudnn::DescriptorType type) const {
    const auto found = children_.find(name);
    if (found == children_.end() || found->second.size() != 1 || found->second[0]->type() != type) {
      throw Refusal{cudnn::kBadParameter, "expected one child for attribute " + std::to_string(name)};
    }
    return *found->second[0];
  }
  template <typename T>
  std::vector<T> values(cudnn::AttributeName name, cudnn::AttributeType type) const {
    const auto found = attributes_.find(name);
    if (found == attributes_.end() || found->second.type != type || sizeof(T) != size_of(type)) {
      throw Refusal{cudnn::kBadParameter, "expected attribute " + std::to_string(name) + " of another type"};
    }
    std::vector<T> values(static_cast<std::size_t>(found->second.count));
    std::memcpy(values.data(), found->second.bytes.data(), found->second.bytes.size());
    return values;
  }
  template <typename T>
  T value(cudnn::AttributeName name, cudnn::AttributeType type) const {
    const std::vector<T> all = values<T>(name, type);
    if (all.size() != 1) throw Refusal{cudnn::kBadParameter, "expected one value"};
    return all[0];
  }
  std::vector<std::int64_t> integers(cudnn::AttributeName name) const {
    return values<std::int64_t>(name, cudnn::kInt64Type);
  }

 private:
  struct Attribute {
    cudnn::AttributeType type;
    std::int64_t count;
    std::string bytes;
  };

  static std::size_t size_of(cudnn::AttributeType type) {
    switch (type) {
      case cudnn::kHandleType:
      case cudnn::kPointerType:
      case cudnn::kInt64Type:
        return 8;
      case cudnn::kBooleanType:
      case cudnn::kCharType:
        return 1;
      case cudnn::kDescriptorType:
        throw Refusal{cudnn::kBadParameter, "descriptors are no plain values"};
      default:
        return sizeof(int);
    }
  }

  static inline std::atomic<int> live_{0};

  cudnn::DescriptorType type_;
  bool final_ = false;
  std::map<cudnn::AttributeName, Attribute> attributes_;
  std::map<cudnn::AttributeName, std::vector<Shared>> children_;
};

}  // namespace lvx::test
