// SPDX-License-Identifier: Apache-2.0
// A rank that fails at a chosen step of its work: the n-th start, wait, computation or allocation of its calls.
#pragma once

#include <array>
#include <chrono>
#include <memory>
#include <new>
#include <string_view>
#include <thread>
#include <utility>

#include "group/transport.h"
#include "support/quarantine.h"

namespace lvx::test {

enum class Step { kStart, kHalfStart, kStarted, kWait, kWaited, kCompute, kAllocate };
inline constexpr std::size_t kSteps = 7;

// What is thrown: exceptions of the core, of the standard library, and of neither.
enum class Thrown { kError, kBadAlloc, kInt };

struct Injection {
  Step step = Step::kStart;
  int index = -1;  // none
  Thrown thrown = Thrown::kError;
};

// Counts a rank's steps, and fails at one of them.
class Fuse {
 public:
  explicit Fuse(const Injection& injection = {}) : injection_(injection) {}

  int count(Step step) const { return counts_[static_cast<std::size_t>(step)]; }
  bool blown() const { return blown_; }

  void pass(Step step) {
    const int index = counts_[static_cast<std::size_t>(step)]++;
    if (step != injection_.step || index != injection_.index) return;
    blown_ = true;
    switch (injection_.thrown) {
      case Thrown::kBadAlloc:
        throw std::bad_alloc();
      case Thrown::kInt:
        throw 7;  // NOLINT(hicpp-exception-baseclass)
      default:
        throw Error(LVX_DEVICE_ERROR, "an injected failure");
    }
  }

 private:
  const Injection injection_;
  std::array<int, kSteps> counts_{};
  bool blown_ = false;
};

// Delays leave, so that writes to memory that was released too early have time to happen.
class FailingTransport final : public Transport {
 public:
  FailingTransport(std::unique_ptr<Transport> to, std::shared_ptr<Fuse> fuse)
      : to_(std::move(to)), fuse_(std::move(fuse)) {}

  lvx_group_kind kind() const override { return to_->kind(); }
  int rank() const override { return to_->rank(); }
  int size() const override { return to_->size(); }
  Clock::time_point now() const override { return to_->now(); }
  void publish(std::uint64_t round, std::span<const std::byte> message) override {
    to_->publish(round, message);
  }
  void collect(std::uint64_t round, std::span<std::byte> all, std::size_t message_bytes,
               Clock::time_point expiry) override {
    to_->collect(round, all, message_bytes, expiry);
  }
  Ticket start(std::span<const Transfer> transfers) override {
    fuse_->pass(Step::kStart);
    try {
      fuse_->pass(Step::kHalfStart);
    } catch (...) {
      to_->start(transfers.first((transfers.size() + 1) / 2));
      throw;
    }
    const Ticket ticket = to_->start(transfers);
    fuse_->pass(Step::kStarted);
    return ticket;
  }
  void wait(Ticket ticket, Clock::time_point expiry) override {
    fuse_->pass(Step::kWait);
    to_->wait(ticket, expiry);
    fuse_->pass(Step::kWaited);
  }
  void interrupt(std::string_view reason) noexcept override { to_->interrupt(reason); }
  void resume() noexcept override { to_->resume(); }
  void leave(int culprit, std::string_view reason) noexcept override {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    to_->leave(culprit, reason);
  }

 private:
  const std::unique_ptr<Transport> to_;
  const std::shared_ptr<Fuse> fuse_;
};

class FailingDevice final : public QuarantineDevice {
 public:
  FailingDevice(std::shared_ptr<Device> to, Quarantine& quarantine, std::shared_ptr<Fuse> fuse)
      : QuarantineDevice(std::move(to), quarantine), fuse_(std::move(fuse)) {}

  std::byte* allocate(std::size_t bytes) override {
    fuse_->pass(Step::kAllocate);
    return QuarantineDevice::allocate(bytes);
  }
  void zero(std::byte* data, std::size_t bytes) override {
    fuse_->pass(Step::kCompute);
    QuarantineDevice::zero(data, bytes);
  }
  void forward(const ForwardProblem& problem, std::span<std::byte> scratch) override {
    fuse_->pass(Step::kCompute);
    QuarantineDevice::forward(problem, scratch);
  }
  void backward(const BackwardProblem& problem, std::span<std::byte> scratch) override {
    fuse_->pass(Step::kCompute);
    QuarantineDevice::backward(problem, scratch);
  }
  void merge(const Partial& part, const Partial& into) override {
    fuse_->pass(Step::kCompute);
    QuarantineDevice::merge(part, into);
  }
  void copy(const Bshd& from, const Bshd& to) override {
    fuse_->pass(Step::kCompute);
    QuarantineDevice::copy(from, to);
  }
  using QuarantineDevice::copy;
  void add(const Bshd& from, const Bshd& to) override {
    fuse_->pass(Step::kCompute);
    QuarantineDevice::add(from, to);
  }
  LayerOperations& layers() override {
    fuse_->pass(Step::kCompute);
    return QuarantineDevice::layers();
  }

 private:
  const std::shared_ptr<Fuse> fuse_;
};

}  // namespace lvx::test
