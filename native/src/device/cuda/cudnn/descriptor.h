// SPDX-License-Identifier: Apache-2.0
// A descriptor of cuDNN's backend API. It is finalised after its attributes are set.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <span>
#include <utility>
#include <vector>

#include "device/cuda/cudnn/cudnn_api.h"

namespace lvx::cudnn {

class BackendDescriptor {
 public:
  BackendDescriptor(const Api& api, DescriptorType type) : api_(&api) {
    api.check(api.create_descriptor(type, &descriptor_), "descriptor");
  }
  ~BackendDescriptor() {
    if (descriptor_ != nullptr) api_->destroy_descriptor(descriptor_);
  }
  BackendDescriptor(BackendDescriptor&& other) noexcept
      : api_(other.api_), descriptor_(std::exchange(other.descriptor_, nullptr)) {}
  BackendDescriptor& operator=(BackendDescriptor&& other) noexcept {
    std::swap(api_, other.api_);
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }

  Descriptor get() const { return descriptor_; }

  void integers(AttributeName name, std::span<const std::int64_t> values) {
    set(name, kInt64Type, values.size(), values.data());
  }
  void integers(AttributeName name, std::initializer_list<std::int64_t> values) {
    integers(name, std::span(values.begin(), values.size()));
  }
  // Sets an attribute of an enumeration type, or of any other type that has its own type id.
  template <typename T>
  void value(AttributeName name, AttributeType type, T value) {
    set(name, type, 1, &value);
  }
  void child(AttributeName name, const BackendDescriptor& other) {
    set(name, kDescriptorType, 1, &other.descriptor_);
  }
  void set(AttributeName name, AttributeType type, std::size_t count, const void* elements) {
    api_->check(api_->set_attribute(descriptor_, name, type, static_cast<std::int64_t>(count), elements),
                "attribute");
  }
  void finalize(const char* what) { api_->check(api_->finalize(descriptor_), what); }

  template <typename T>
  T read(AttributeName name, AttributeType type) const {
    T value{};
    std::int64_t count = 0;
    api_->check(api_->get_attribute(descriptor_, name, type, 1, &count, &value), "attribute");
    return value;
  }
  // The descriptors of a type that this one holds, at most the given number.
  std::vector<BackendDescriptor> children(AttributeName name, DescriptorType type, std::size_t most) const {
    std::vector<BackendDescriptor> made;
    std::vector<Descriptor> filled;
    for (std::size_t i = 0; i < most; ++i) filled.push_back(made.emplace_back(*api_, type).descriptor_);
    std::int64_t count = 0;
    api_->check(api_->get_attribute(descriptor_, name, kDescriptorType, static_cast<std::int64_t>(most),
                                    &count, filled.data()),
                "attribute");
    made.erase(made.begin() + std::min(count, static_cast<std::int64_t>(most)), made.end());
    return made;
  }

 private:
  const Api* api_;
  Descriptor descriptor_ = nullptr;
};

}  // namespace lvx::cudnn
