// SPDX-License-Identifier: Apache-2.0
#include "group/tcp/data_channel.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.h"
#include "base/thread_name.h"
#include "group/remote/mailbox.h"

namespace lvx {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kSlice{10};
// When a data connection breaks, waits this long for a farewell or the end of the control connection, which say more.
constexpr milliseconds kFarewellPatience{200};
// How many bytes the rank's own thread sends when it starts a message: enough for small messages.
constexpr std::size_t kAtStart = kChunkBytes;
constexpr std::size_t kAtOnce = 4 * kChunkBytes;

}  // namespace

class DataChannel::Exchange final : public Fabric::Operation {
 public:
  Exchange(DataChannel& channel, Peer& peer, const Transfer& transfer)
      : channel_(channel),
        peer_(peer),
        sends_(transfer.direction == Transfer::Direction::kSend),
        message_(stream().add(transfer.data, transfer.bytes)) {
    if (channel_.pump(work(), kAtStart) == Stream::Pumped::kMore) channel_.hand_over(work());
  }

  bool finished() override;
  int peer() override { return peer_.rank; }
  Clock::time_point moved() override { return sends_ ? peer_.outgoing.arrived() : peer_.incoming.moved(); }

 private:
  Stream& stream() { return sends_ ? static_cast<Stream&>(peer_.outgoing) : peer_.incoming; }
  Work work() { return {&peer_, &stream()}; }
  void await_done();
  void tell_of_trouble();

  DataChannel& channel_;
  Peer& peer_;
  const bool sends_;
  const std::shared_ptr<Message> message_;
};

bool DataChannel::Exchange::finished() {
  if (!message_->done) await_done();
  if (message_->done) {
    return !sends_ || channel_.mailbox_->await_received(peer_.rank, message_->number, Clock::now() + kSlice);
  }
  tell_of_trouble();
  return false;
}

// The rank's thread is idle here, so it moves as much of this message as possible itself.
void DataChannel::Exchange::await_done() {
  while (!message_->done && channel_.pump(work(), kAtOnce) == Stream::Pumped::kMore) {
  }
  std::unique_lock lock(channel_.mutex_);
  channel_.changed_.wait_for(lock, kSlice, [&] { return message_->done || !stream().trouble().empty(); });
}

void DataChannel::Exchange::tell_of_trouble() {
  const std::string trouble = stream().trouble();
  if (trouble.empty()) return;
  Mailbox& mailbox = *channel_.mailbox_;
  if (!stream().trouble_is_damage()) mailbox.await_end_of(peer_.rank, Clock::now() + kFarewellPatience);
  mailbox.connection_lost(peer_.rank, trouble);
}

DataChannel::DataChannel(int rank, std::vector<Socket> connections, bool checksums, Acknowledge acknowledge)
    : acknowledge_(std::move(acknowledge)),
      events_(epoll_create1(EPOLL_CLOEXEC)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (events_.none() || wake_.none()) throw Error(LVX_INTERNAL, "the system provides no event descriptor");
  const auto watch = [&](const Socket& socket, std::uint32_t events, int number) {
    epoll_event event{};
    event.events = events;
    event.data.fd = number;
    if (epoll_ctl(events_.descriptor(), EPOLL_CTL_ADD, socket.descriptor(), &event) != 0) {
      throw Error(LVX_INTERNAL, "the system cannot watch a connection");
    }
  };
  for (int peer = 0; peer < static_cast<int>(connections.size()); ++peer) {
    peers_.push_back(
        std::make_unique<Peer>(peer, std::move(connections[static_cast<std::size_t>(peer)]), checksums));
    // Edge-triggered, so that data for which there is no receive buffer stays in the socket and does not wake the thread again.
    if (peer != rank) watch(at(peer).connection, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, peer);
  }
  watch(wake_, EPOLLIN, -1);
}

void DataChannel::open(Mailbox& mailbox) {
  mailbox_ = &mailbox;
  thread_ = std::thread([this] {
    name_this_thread("lvx-data");
    serve();
  });
}

std::unique_ptr<Fabric::Operation> DataChannel::start(const Transfer& transfer) {
  return std::make_unique<Exchange>(*this, at(transfer.peer), transfer);
}

Stream::Pumped DataChannel::pump(const Work& work, std::size_t budget) {
  std::vector<std::shared_ptr<Message>> complete;
  const Stream::Pumped pumped = work.stream->pump(budget, complete);
  if (complete.empty() && pumped != Stream::Pumped::kBroken) return pumped;
  // Before the rank's thread sees that a message is done: it may then leave the group, and a farewell that overtakes the
  // acknowledgement tells the sender that this rank left without the message.
  if (work.stream->receives() && !complete.empty()) acknowledge_(work.peer->rank, work.stream->complete());
  const std::lock_guard lock(mutex_);
  for (const auto& message : complete) message->done = true;
  changed_.notify_all();
  return pumped;
}

void DataChannel::hand_over(const Work& work) {
  {
    const std::lock_guard lock(mutex_);
    handed_over_.push_back(work);
  }
  wake();
}

// The thread's loop. Moves data on all connections, a limited amount of each in turn.
void DataChannel::serve() {
  std::vector<Work> busy;
  while (!closing_) {
    take_events(busy);
    std::erase_if(busy, [&](const Work& work) { return pump(work, kAtOnce) != Stream::Pumped::kMore; });
  }
}

// Adds the streams that can make progress. Waits for one only if no stream is busy.
void DataChannel::take_events(std::vector<Work>& busy) {
  const auto add = [&](const Work& work) {
    const auto same = [&](const Work& other) { return other.stream == work.stream; };
    if (std::none_of(busy.begin(), busy.end(), same)) busy.push_back(work);
  };
  std::array<epoll_event, 64> events{};
  const int count =
      epoll_wait(events_.descriptor(), events.data(), static_cast<int>(events.size()), busy.empty() ? -1 : 0);
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    if (event.data.fd < 0) {
      std::uint64_t times = 0;
      // The result does not matter: new work is checked below in any case.
      [[maybe_unused]] const auto read_bytes = read(wake_.descriptor(), &times, sizeof(times));
      continue;
    }
    Peer& peer = at(event.data.fd);
    constexpr std::uint32_t kEnd = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
    if ((event.events & (EPOLLOUT | kEnd)) != 0) add({&peer, &peer.outgoing});
    if ((event.events & (EPOLLIN | kEnd)) != 0) add({&peer, &peer.incoming});
  }
  const std::lock_guard lock(mutex_);
  for (const Work& work : handed_over_) add(work);
  handed_over_.clear();
}

void DataChannel::wake() noexcept {
  const std::uint64_t one = 1;
  // Cannot fail, because the counter never overflows.
  [[maybe_unused]] const auto written = write(wake_.descriptor(), &one, sizeof(one));
}

void DataChannel::close() noexcept {
  if (closing_.exchange(true)) return;
  wake();
  if (thread_.joinable()) thread_.join();
  for (const auto& peer : peers_) {
    peer->outgoing.forget_all();
    peer->incoming.forget_all();
    peer->connection.close();
  }
}

}  // namespace lvx
