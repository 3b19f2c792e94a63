// SPDX-License-Identifier: Apache-2.0
// One rank's part in a group, and one collective call of it.
#pragma once

#include <cstddef>
#include <exception>
#include <memory>
#include <span>
#include <vector>

#include "base/error.h"
#include "device/device.h"
#include "group/announcement.h"
#include "group/links.h"
#include "group/recorder.h"
#include "group/transport.h"

namespace lvx {

struct GroupOptions {
  double deadline_seconds = 60;
  int ranks_per_node = 0;  // 0: one node
  int recorder_entries = 4096;
  Links links;  // of a local group
};

class Group {
 public:
  Group(std::unique_ptr<Transport> transport, std::shared_ptr<Device> device, const GroupOptions& options);
  ~Group();
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  int rank() const { return transport_->rank(); }
  int size() const { return transport_->size(); }
  lvx_group_kind kind() const { return transport_->kind(); }
  Device& device() { return *device_; }
  const std::shared_ptr<Device>& shared_device() const { return device_; }
  int ranks_per_node() const { return options_.ranks_per_node == 0 ? size() : options_.ranks_per_node; }
  int node_of(int rank) const { return rank / ranks_per_node(); }
  bool failed() const { return failed_; }
  std::uint64_t sequence() const { return sequence_; }
  double deadline_seconds() const { return options_.deadline_seconds; }
  void set_deadline_seconds(double seconds) { options_.deadline_seconds = seconds; }
  const Recorder& recorder() const { return recorder_; }

  // Tells the peers that this rank will not take part in the call they are about to make, and why. The group stays
  // usable: nothing has moved yet. Never blocks.
  void decline(Operation operation, const char* reason) noexcept;

  void barrier();
  // all gets every rank's message in rank order; as many bytes on every rank.
  void all_gather(std::span<const std::byte> mine, std::span<std::byte> all);

 private:
  friend class Call;

  void require_usable() const;
  Clock::time_point deadline() const;
  void fail(int culprit, const char* reason) noexcept;

  std::unique_ptr<Transport> transport_;
  std::shared_ptr<Device> device_;
  GroupOptions options_;
  Recorder recorder_;
  std::uint64_t sequence_ = 0;
  std::uint64_t round_ = 0;
  bool failed_ = false;
  std::vector<Announcement> announcements_;  // of the call under way, kept so that calls do not allocate
};

// A collective call from its announcement to its end; made by collective() below.
//
// Peers may write into memory of a transfer until the transfer has ended, also while an exception unwinds what the call's
// body holds. So transfers take only memory that outlives the body: the call's own, which it releases once nothing moves
// any more, and its caller's.
class Call {
 public:
  // Announces the call and waits for the peers' announcements. Throws Error(LVX_PEER_MISMATCH) if they do not agree;
  // the group stays usable then.
  Call(Group& group, Announcement mine);
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  Device& device() { return group_.device(); }
  int rank() const { return group_.rank(); }
  int size() const { return group_.size(); }
  int ranks_per_node() const { return group_.ranks_per_node(); }
  const Announcement& announced(int rank) const {
    return group_.announcements_[static_cast<std::size_t>(rank)];
  }

  // Every rank's message in rank order. Control traffic: counted apart.
  void gather_control(std::span<const std::byte> mine, std::span<std::byte> all);

  // Memory of the device until the call's end, counted in its statistics. Throws Error(LVX_OUT_OF_MEMORY).
  std::byte* allocate(std::size_t bytes);
  // Transfers may take this too: memory of whoever made the call, not of its body. Returns data.
  std::byte* lend(std::byte* data, std::int64_t bytes);

  // Moves data; the transfers of one start complete together. An empty start costs nothing. Throws Error(LVX_INTERNAL)
  // for memory that is neither the call's nor lent.
  Ticket start(std::span<const Transfer> transfers);
  void wait(Ticket ticket);

  // Runs and times work on the device.
  template <typename Work>
  void compute(Work&& work) {
    const Clock::time_point begin = now();
    work();
    statistics_.compute_seconds += seconds_since(begin);
  }

  // A mistake that every rank finds alike from the announcements, before data moves: the group stays usable.
  [[noreturn]] void refuse(lvx_status status, const std::string& message, int peer);

  // Runs work. Whatever it throws ends the call badly: the group has failed, the peers are told, and none touches this
  // rank's memory any more.
  template <typename Work>
  void or_abandon(Work&& work) {
    try {
      work();
    } catch (const Error& error) {
      abandon(error.status(), error.peer(), error.what());
      throw;
    } catch (const std::exception& error) {
      abandon(LVX_INTERNAL, -1, error.what());
      throw;
    } catch (...) {
      abandon(LVX_INTERNAL, -1, "an exception of unknown type");
      throw;
    }
  }
  // Ends the call well; statistics may be null. Throws Error(LVX_INTERNAL) if a transfer has not been waited for.
  void finish(lvx_strategy strategy, lvx_statistics* statistics);

 private:
  Clock::time_point now() const { return group_.transport_->now(); }
  double seconds_since(Clock::time_point begin) const {
    return std::chrono::duration<double>(now() - begin).count();
  }
  void gather(std::span<const std::byte> mine, std::span<std::byte> all);
  bool outlives_body(const Transfer& transfer) const;
  void abandon(lvx_status status, int peer, const char* reason) noexcept;

  Group& group_;
  lvx_statistics statistics_{};
  Clock::time_point begin_;
  std::vector<std::unique_ptr<DeviceMemory>> memory_;
  std::vector<std::span<const std::byte>> lent_;
  int under_way_ = 0;  // starts that have not been waited for
  bool refused_ = false;
  bool ended_ = false;
};

// Runs body as one collective call.
template <typename Body>
void collective(Group& group, const Announcement& mine, lvx_strategy strategy, lvx_statistics* statistics,
                Body&& body) {
  Call call(group, mine);
  call.or_abandon([&] {
    body(call);
    call.finish(strategy, statistics);
  });
}

}  // namespace lvx
