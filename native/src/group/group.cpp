// SPDX-License-Identifier: Apache-2.0
#include "group/group.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

namespace lvx {

Group::Group(std::unique_ptr<Transport> transport, std::shared_ptr<Device> device,
             const GroupOptions& options)
    : transport_(std::move(transport)),
      device_(std::move(device)),
      options_(options),
      recorder_(static_cast<std::size_t>(options.recorder_entries)),
      announcements_(static_cast<std::size_t>(transport_->size())) {}

Group::~Group() {
  if (failed_) return;
  // An interrupt that came too late to end an operation does not change how the rank leaves.
  transport_->resume();
  transport_->leave(rank(), "closed its group");
}

void Group::require_usable() const {
  if (failed_) {
    throw Error(LVX_INVALID_STATE,
                "an earlier operation of this group broke off; close it and make a new group");
  }
}

Clock::time_point Group::expiry() const {
  return Clock::now() +
         std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options_.timeout_seconds));
}

void Group::begin_operation() {
  const std::lock_guard lock(operation_mutex_);
  if (std::exchange(interrupted_, false)) transport_->resume();
  in_operation_ = true;
}

void Group::end_operation() noexcept {
  const std::lock_guard lock(operation_mutex_);
  in_operation_ = false;
}

void Group::interrupt(std::string_view reason) noexcept {
  const std::lock_guard lock(operation_mutex_);
  if (!in_operation_) return;
  interrupted_ = true;
  transport_->interrupt(reason);
}

void Group::fail(int culprit, const char* reason) noexcept {
  failed_ = true;
  transport_->leave(culprit < 0 ? rank() : culprit, reason);
}

void Group::decline(Operation operation, const char* reason, const char* argument) noexcept {
  if (failed_) return;
  Announcement refusal;
  refusal.sequence = ++sequence_;
  refusal.operation = operation;
  refusal.declined = 1;
  std::strncpy(refusal.reason.data(), reason, refusal.reason.size() - 1);
  std::strncpy(refusal.argument.data(), argument, refusal.argument.size() - 1);
  recorder_.begin(sequence_, name_of(operation));
  recorder_.end(LVX_INVALID_ARGUMENT, -1);
  try {
    transport_->publish(round_++, std::as_bytes(std::span(&refusal, 1)));
  } catch (const std::exception& error) {
    fail(rank(), error.what());
  } catch (...) {
    fail(rank(), "its refusal of a call could not be sent");
  }
}

void Group::barrier() {
  Announcement mine;
  mine.operation = Operation::kBarrier;
  run_collective(*this, mine, lvx_strategy{}, nullptr, [](Collective&) {});
}

void Group::all_gather(std::span<const std::byte> mine, std::span<std::byte> all) {
  Announcement announcement;
  announcement.operation = Operation::kAllGather;
  announcement.message_bytes = static_cast<std::int64_t>(mine.size());
  run_collective(*this, announcement, lvx_strategy{}, nullptr,
                 [&](Collective& collective) { collective.gather_control(mine, all); });
}

Collective::Collective(Group& group, Announcement mine) : group_(group), begin_(now()) {
  group_.require_usable();
  group_.begin_operation();
  mine.sequence = ++group_.sequence_;
  mine.ranks_per_node = group_.ranks_per_node();
  group_.recorder_.begin(mine.sequence, name_of(mine.operation));
  or_abandon([&] {
    gather(std::as_bytes(std::span(&mine, 1)), std::as_writable_bytes(std::span(group_.announcements_)));
    try {
      check_agreement(mine, group_.announcements_.data(), size(), rank());
    } catch (const Error&) {
      refused_ = true;
      throw;
    }
  });
}

Collective::~Collective() {
  if (!ended_) abandon(LVX_INTERNAL, -1, "a call ended before it was finished");
  if (!group_.transport_->has_stuck_transfers()) return;
  // Leaked, because a peer may still write into it.
  for (auto& memory : memory_) static_cast<void>(memory.release());
}

std::byte* Collective::allocate(std::size_t bytes) {
  memory_.push_back(std::make_unique<DeviceMemory>(device(), bytes));
  statistics_.peak_bytes += bytes;
  return memory_.back()->data();
}

std::byte* Collective::lend(std::byte* data, std::int64_t bytes) {
  lent_.emplace_back(data, static_cast<std::size_t>(bytes));
  return data;
}

bool Collective::outlives_body(const Transfer& transfer) const {
  const auto inside = [&](const std::byte* data, std::size_t bytes) {
    const auto offset =
        reinterpret_cast<std::uintptr_t>(transfer.data) - reinterpret_cast<std::uintptr_t>(data);
    return offset <= bytes && transfer.bytes <= bytes - offset;
  };
  return transfer.bytes == 0 ||
         std::any_of(memory_.begin(), memory_.end(),
                     [&](const auto& own) { return inside(own->data(), own->bytes()); }) ||
         std::any_of(lent_.begin(), lent_.end(),
                     [&](const auto& lent) { return inside(lent.data(), lent.size()); });
}

void Collective::gather(std::span<const std::byte> mine, std::span<std::byte> all) {
  const std::uint64_t round = group_.round_++;
  group_.transport_->publish(round, mine);
  group_.transport_->collect(round, all, mine.size(), group_.expiry());
  const auto peers = static_cast<std::uint64_t>(size() - 1);
  statistics_.control_messages_sent += peers;
  statistics_.control_bytes_sent += peers * mine.size();
}

void Collective::gather_control(std::span<const std::byte> mine, std::span<std::byte> all) {
  const Clock::time_point begin = now();
  gather(mine, all);
  statistics_.exposed_wait_seconds += seconds_since(begin);
}

Ticket Collective::start(std::span<const Transfer> transfers) {
  if (transfers.empty()) return 0;
  for (const Transfer& transfer : transfers) {
    if (!outlives_body(transfer)) {
      throw Error(LVX_INTERNAL, "a schedule moves memory that is neither its call's nor lent to it");
    }
    if (transfer.direction == Transfer::Direction::kSend) {
      statistics_.bytes_sent += transfer.bytes;
      ++statistics_.messages_sent;
      if (group_.node_of(transfer.peer) != group_.node_of(rank())) {
        statistics_.inter_node_bytes_sent += transfer.bytes;
      }
    } else {
      statistics_.bytes_received += transfer.bytes;
      ++statistics_.messages_received;
    }
  }
  group_.recorder_.progress(statistics_.bytes_sent, statistics_.bytes_received);
  ++under_way_;
  return group_.transport_->start(transfers);
}

void Collective::wait(Ticket ticket) {
  if (ticket == 0) return;
  const Clock::time_point begin = now();
  group_.transport_->wait(ticket, group_.expiry());
  --under_way_;
  statistics_.exposed_wait_seconds += seconds_since(begin);
}

void Collective::refuse(lvx_status status, const std::string& message, int peer) {
  refused_ = true;
  throw Error(status, message, peer);
}

void Collective::finish(lvx_strategy strategy, lvx_statistics* statistics) {
  if (under_way_ != 0) throw Error(LVX_INTERNAL, "a schedule ends before transfers that it has started");
  ended_ = true;
  group_.end_operation();
  group_.recorder_.end(LVX_OK, -1);
  if (statistics == nullptr) return;
  statistics_.struct_size = statistics->struct_size;
  statistics_.strategy = strategy;
  statistics_.total_seconds = seconds_since(begin_);
  std::memcpy(statistics, &statistics_, std::min<std::size_t>(statistics->struct_size, sizeof(statistics_)));
}

void Collective::abandon(lvx_status status, int peer, const char* reason) noexcept {
  ended_ = true;
  group_.end_operation();
  group_.recorder_.end(status, peer);
  if (!refused_ || under_way_ != 0) group_.fail(peer, reason);
}

}  // namespace lvx
