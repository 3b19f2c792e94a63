// SPDX-License-Identifier: Apache-2.0
#include "group/tcp/stream.h"

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "base/crc32c.h"
#include "base/error.h"

namespace lvx {
namespace {

std::uint32_t checksum_of(const MessageHeader& header) {
  return crc32c(0, std::as_bytes(std::span(&header, 1)).first(offsetof(MessageHeader, checksum)));
}

[[noreturn]] void refuse(const std::string& what) { throw Error(LVX_PEER_LOST, what); }

}  // namespace

std::shared_ptr<Message> Stream::add(std::byte* data, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  auto message = std::make_shared<Message>(data, bytes, ++added_);
  if (trouble_.empty()) queue_.push_back(message);
  return message;
}

void Stream::break_off(const std::string& trouble, bool damaged) {
  trouble_ = trouble;
  damaged_ = damaged;
  queue_.clear();
}

std::string Stream::trouble() const {
  const std::lock_guard lock(mutex_);
  return trouble_;
}

void Stream::forget_all() {
  const std::lock_guard lock(mutex_);
  if (trouble_.empty()) break_off("the group was closed", false);
  queue_.clear();
}

void Stream::hash_up_to(const Message& message, std::size_t payload_end) {
  if (!checksums_ || payload_end <= summed_) return;
  sum_ = crc32c(sum_, std::span<const std::byte>(message.data + summed_, payload_end - summed_));
  summed_ = payload_end;
}

// Moves the header, then the payload in parts, and the trailer together with the last part.
Stream::Pumped Stream::pump(std::size_t budget, std::vector<std::shared_ptr<Message>>& complete) {
  const std::lock_guard lock(mutex_);
  if (!trouble_.empty()) return Pumped::kBroken;
  try {
    for (std::size_t moved_now = 0; !queue_.empty();) {
      if (moved_now >= budget) return Pumped::kMore;
      Message& message = *queue_.front();
      const std::size_t payload_begin = std::max(at_, sizeof(MessageHeader)) - sizeof(MessageHeader);
      const std::size_t payload_end = std::min(message.bytes, payload_begin + kChunkBytes);
      prepare(message, payload_end);
      std::array<iovec, 3> pieces{};
      std::size_t count = 0;
      const auto add_piece = [&](void* begin, std::size_t bytes) {
        if (bytes > 0) pieces[count++] = {begin, bytes};
      };
      if (at_ < sizeof(MessageHeader)) {
        add_piece(reinterpret_cast<std::byte*>(&header_) + at_, sizeof(MessageHeader) - at_);
      }
      const std::size_t payload_from = std::min(payload_begin, message.bytes);
      add_piece(message.data + payload_from, payload_end - std::min(payload_end, payload_from));
      if (payload_end == message.bytes && checksums_) {
        const std::size_t trailer_begin = sizeof(MessageHeader) + message.bytes;
        const std::size_t done = at_ > trailer_begin ? at_ - trailer_begin : 0;
        add_piece(reinterpret_cast<std::byte*>(&trailer_) + done, sizeof(trailer_) - done);
      }
      const std::ptrdiff_t moved = move(std::span(pieces).first(count));
      if (moved < 0) {
        break_off("the connection broke (" + std::generic_category().message(errno) + ")", false);
        return Pumped::kBroken;
      }
      if (moved == 0) return Pumped::kBlocked;
      mark_moved();
      const std::size_t from = at_;
      at_ += static_cast<std::size_t>(moved);
      moved_now += static_cast<std::size_t>(moved);
      accept(message, from, at_);
      if (at_ < wire_bytes(message)) continue;
      at_ = 0;
      sum_ = 0;
      summed_ = 0;
      ++complete_;
      complete.push_back(std::move(queue_.front()));
      queue_.pop_front();
    }
    return Pumped::kIdle;
  } catch (const Error& error) {
    break_off(error.what(), true);
    return Pumped::kBroken;
  }
}

void Outgoing::prepare(const Message& message, std::size_t payload_end) {
  header_ = {};
  header_.number = message.number;
  header_.bytes = message.bytes;
  if (!checksums_) return;
  header_.checksum = checksum_of(header_);
  hash_up_to(message, payload_end);
  trailer_ = sum_;
}

void Incoming::accept(const Message& message, std::size_t from, std::size_t to) {
  if (from < sizeof(MessageHeader)) {
    if (to < sizeof(MessageHeader)) return;
    if (checksums_ && header_.checksum != checksum_of(header_)) {
      refuse("the header of its message arrived damaged: wrong checksum");
    }
    if (header_.number != message.number || header_.bytes != message.bytes) {
      refuse("it sent message " + std::to_string(header_.number) + " of " + std::to_string(header_.bytes) +
             " bytes, where message " + std::to_string(message.number) + " of " +
             std::to_string(message.bytes) + " was expected");
    }
  }
  hash_up_to(message, std::min(to - sizeof(MessageHeader), message.bytes));
  if (checksums_ && to == wire_bytes(message) && trailer_ != sum_) {
    refuse("its message of " + std::to_string(message.bytes) + " bytes arrived damaged: wrong checksum");
  }
}

Clock::time_point Outgoing::arrived() {
  const std::size_t now = socket_.on_the_way();
  if (now < on_the_way_) mark_moved();
  on_the_way_ = now;
  return moved();
}

}  // namespace lvx
