// SPDX-License-Identifier: Apache-2.0
// The transport of a group of one rank. It has no transfers; collect returns the rank's own message.
#include <algorithm>
#include <vector>

#include "group/local/local_world.h"

namespace lvx {
namespace {

class SelfTransport final : public Transport {
 public:
  lvx_group_kind kind() const override { return LVX_GROUP_SELF; }
  int rank() const override { return 0; }
  int size() const override { return 1; }
  void publish(std::uint64_t, std::span<const std::byte> message) override {
    published_.assign(message.begin(), message.end());
  }
  void collect(std::uint64_t, std::span<std::byte> all, std::size_t, Clock::time_point) override {
    std::copy(published_.begin(), published_.end(), all.begin());
  }
  Ticket start(std::span<const Transfer>) override {
    throw Error(LVX_INTERNAL, "a group of one rank has no peers to exchange data with");
  }
  void wait(Ticket, Clock::time_point) override {}
  void interrupt(std::string_view) noexcept override {}  // it never waits
  void resume() noexcept override {}
  void leave(int, std::string_view) noexcept override {}

 private:
  std::vector<std::byte> published_;
};

}  // namespace

std::unique_ptr<Transport> make_self_transport() { return std::make_unique<SelfTransport>(); }

}  // namespace lvx
