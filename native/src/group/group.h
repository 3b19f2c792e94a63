// SPDX-License-Identifier: Apache-2.0
// A group as one of its ranks sees it, and a collective call of that rank.
#pragma once

#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "device/device.h"
#include "group/announcement.h"
#include "group/links.h"
#include "group/recorder.h"
#include "group/transport.h"

namespace lvx {

struct GroupOptions {
  double timeout_seconds = 60;
  int ranks_per_node = 0;  // 0: one node
  int recorder_entries = 4096;
  Links links;  // emulated links of a local group
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
  double timeout_seconds() const { return options_.timeout_seconds; }
  void set_timeout_seconds(double seconds) { options_.timeout_seconds = seconds; }
  const Recorder& recorder() const { return recorder_; }

  // Tells the peers that this rank will not make this call, and why. The group stays usable, because no data has moved.
  // Never blocks.
  void decline(Operation operation, const char* reason, const char* argument = "") noexcept;

  // Ends the operation in progress, if any: its waits for peers throw Error(LVX_INTERRUPTED) with the reason. Any thread may
  // call it. Never blocks.
  void interrupt(std::string_view reason) noexcept;

  void barrier();
  // Fills all with every rank's message in rank order. Messages have the same number of bytes on every rank.
  void all_gather(std::span<const std::byte> mine, std::span<std::byte> all);

 private:
  friend class Collective;

  void require_usable() const;
  Clock::time_point expiry() const;
  void begin_operation();
  void end_operation() noexcept;
  void fail(int culprit, const char* reason) noexcept;

  std::unique_ptr<Transport> transport_;
  std::shared_ptr<Device> device_;
  GroupOptions options_;
  Recorder recorder_;
  std::uint64_t sequence_ = 0;
  std::uint64_t round_ = 0;
  bool failed_ = false;
  std::vector<Announcement> announcements_;  // of the current call; a member, so that calls do not allocate
  std::mutex operation_mutex_;  // guards the next two members
  bool in_operation_ = false;
  bool interrupted_ = false;
};

// A collective call from its announcement to its end. Use run_collective below.
//
// Peers may write into a transfer's memory until the transfer has ended, even while an exception unwinds the call's body. So
// transfers accept only memory that outlives the body: memory that the Collective owns and releases after all transfers have
// ended, and memory of its caller.
class Collective {
 public:
  // Announces the call and waits for the peers' announcements. Throws Error(LVX_PEER_MISMATCH) if they do not agree; the
  // group then stays usable.
  Collective(Group& group, Announcement mine);
  ~Collective();
  Collective(const Collective&) = delete;
  Collective& operator=(const Collective&) = delete;

  Device& device() { return group_.device(); }
  int rank() const { return group_.rank(); }
  int size() const { return group_.size(); }
  int ranks_per_node() const { return group_.ranks_per_node(); }
  const Announcement& announced(int rank) const {
    return group_.announcements_[static_cast<std::size_t>(rank)];
  }

  // Fills all with every rank's message in rank order. Control traffic, which is counted separately from data.
  void gather_control(std::span<const std::byte> mine, std::span<std::byte> all);

  // Allocates device memory that is released at the end of the call and counted in its statistics. Throws
  // Error(LVX_OUT_OF_MEMORY).
  std::byte* allocate(std::size_t bytes);
  // Permits transfers to use this memory of the caller, which must outlive the body. Returns data.
  std::byte* lend(std::byte* data, std::int64_t bytes);

  // Starts transfers that complete together. An empty start costs nothing. Throws Error(LVX_INTERNAL) for memory that was
  // neither allocated by this object nor lent to it.
  Ticket start(std::span<const Transfer> transfers);
  void wait(Ticket ticket);

  // Runs and times work on the device.
  template <typename Work>
  void compute(Work&& work) {
    const Clock::time_point begin = now();
    work();
    statistics_.compute_seconds += seconds_since(begin);
  }

  // Throws an error that every rank detects from the announcements, before data moves. The group stays usable.
  [[noreturn]] void refuse(lvx_status status, const std::string& message, int peer);

  // Runs work. If it throws, marks the call and the group as failed and tells the peers, which no longer access this rank's
  // memory, then rethrows.
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
  // Ends the call successfully. statistics may be null. Throws Error(LVX_INTERNAL) if a started transfer was not waited for.
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

// Runs body(collective) as one collective call.
template <typename Body>
void run_collective(Group& group, const Announcement& mine, lvx_strategy strategy, lvx_statistics* statistics,
                    Body&& body) {
  Collective collective(group, mine);
  collective.or_abandon([&] {
    body(collective);
    collective.finish(strategy, statistics);
  });
}

}  // namespace lvx
