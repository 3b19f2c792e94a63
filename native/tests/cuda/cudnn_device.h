// SPDX-License-Identifier: Apache-2.0
// The simulated CUDA device with a choice of attention backends, using the stand-in for cuDNN.
#pragma once

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>

#include "cuda/simulated_device.h"
#include "device/cuda/cudnn/attention.h"

namespace lvx::testing {

template <typename Function>
Function* cudnn_standin(const char* name) {
  static void* const library = [] {
    setenv("LVX_CUDNN_LIBRARY", LVX_CUDNN_STANDIN,
           1);  // NOLINT(concurrency-mt-unsafe): before cuDNN is loaded
    return dlopen(LVX_CUDNN_STANDIN, RTLD_NOW | RTLD_LOCAL);
  }();
  return reinterpret_cast<Function*>(dlsym(library, name));
}
inline int cudnn_live() { return cudnn_standin<int()>("lvx_cudnn_standin_live")(); }
inline int cudnn_plans() { return cudnn_standin<int()>("lvx_cudnn_standin_plans")(); }
inline int cudnn_executions() { return cudnn_standin<int()>("lvx_cudnn_standin_executions")(); }

// Injects this fault (see standin/fault.h) into the stand-in for the lifetime of the object.
class CudnnFault {
 public:
  explicit CudnnFault(const char* fault) { set(fault); }
  ~CudnnFault() { set(""); }
  CudnnFault(const CudnnFault&) = delete;
  CudnnFault& operator=(const CudnnFault&) = delete;

 private:
  static void set(const char* fault) { cudnn_standin<void(const char*)>("lvx_cudnn_standin_fault")(fault); }
};

// A stopwatch by which cuDNN takes a given multiple of our kernels' time. Counts the measurements.
class FakeWatch final : public cudnn::Stopwatch {
 public:
  explicit FakeWatch(double ratio) : ratio_(ratio) {}
  double seconds(const std::function<void()>& work) override {
    ++measured_;
    const int before = cudnn_executions();
    work();
    return cudnn_executions() == before ? 1 : ratio_;
  }
  int measured() const { return measured_; }

 private:
  double ratio_;
  int measured_ = 0;
};

class CudnnDevice final : public SimulatedDevice {
 public:
  explicit CudnnDevice(lvx_attention_backend attention_backend, double cudnn_takes = 1,
                       int compute_major = 10,
                       std::shared_ptr<cudnn::Choices> choices = std::make_shared<cudnn::Choices>())
      : watch_(cudnn_takes) {
    cudnn_live();  // makes the library load the stand-in
    attention_.emplace(*this, cudnn::Gpu{compute_major}, attention_backend, watch_, std::move(choices));
  }
  ~CudnnDevice() override {
    attention_.reset();
    EXPECT_EQ(bytes_in_use(), 0U);
  }

  const FakeWatch& watch() const { return watch_; }

  void require_attention(const AttentionRequest& request) const override { attention_->require(request); }
  void forward(const ForwardProblem& a, std::span<std::byte> scratch) override {
    Given given;
    give(given, a, scratch);
    attention_->forward({}, a, scratch);
  }
  void backward(const BackwardProblem& a, std::span<std::byte> scratch) override {
    Given given;
    give(given, a, scratch);
    attention_->backward({}, a, scratch);
  }
  std::uint32_t take_attention_backends_used() override { return attention_->take_used(); }
  std::vector<AttentionBackendChoice> attention_backend_choices() const override {
    return attention_->choices();
  }

 private:
  FakeWatch watch_;
  std::optional<cudnn::Attention> attention_;
};

}  // namespace lvx::testing
