// SPDX-License-Identifier: Apache-2.0
// Ranks are threads. A message is one copy, made by the rank that is ready last. Between GPUs, that rank enqueues the copy on
// its stream, after the earlier work of both ranks. Nothing blocks until wait.
#include "group/local/local_world.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <limits>
#include <list>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "group/interruption.h"
#include "group/local/emulated_links.h"
#include "group/local/rank_clock.h"

namespace lvx {
namespace {

using MarkPointer = std::shared_ptr<SideStream::Mark>;

struct Post {
  Transfer transfer;
  Ticket ticket;
  Clock::time_point ready;  // by the clock of the rank that posted it
  MarkPointer begun;        // the rank's earlier device work; null: it is complete
  bool copying = false;
  bool done = false;
  MarkPointer copied;                               // set with done: the end of the copy; null: it has ended
  std::shared_ptr<EmulatedLinks::Message> message;  // set when both ranks have posted
};

struct ControlMessage {
  std::uint64_t round;
  Clock::time_point published;  // by the clock of the rank that published it
  std::vector<std::byte> bytes;
};

constexpr int kNobody = -1;
constexpr std::chrono::microseconds kPause{20};
constexpr std::chrono::seconds kPatienceWithCopies{30};
constexpr std::chrono::milliseconds kPatienceWithOthers{20};

// The state of a rank that the other ranks can see.
struct RankState {
  bool joined = false;
  bool left = false;
  int culprit = kNobody;
  std::string reason;
  std::condition_variable wake;
  std::deque<ControlMessage> published;
  std::uint64_t reading = 0;  // the first control round that this rank may still read
  std::list<Post> posts;
  Ticket last_ticket = 0;
  int waiting_for = kNobody;
  bool begins = false;   // has not waited for a transfer since the last control message
  bool settles = false;  // waits until all other ranks wait
  Interruption interruption;
};

// Unmatched messages from one rank to another, in the order in which they were started.
struct Channel {
  std::deque<Post*> sends;
  std::deque<Post*> receives;
};

class World final : public LocalWorld, public std::enable_shared_from_this<World> {
 public:
  World(int size, const GroupOptions& options)
      : options_(options),
        links_(options, size),
        ranks_(static_cast<std::size_t>(size)),
        channels_(static_cast<std::size_t>(size) * static_cast<std::size_t>(size)) {}

  int size() const override { return static_cast<int>(ranks_.size()); }
  const GroupOptions& options() const override { return options_; }
  std::unique_ptr<Transport> join(int rank, std::shared_ptr<Device> device) override;
  void close() override;

  void publish(int me, std::uint64_t round, std::span<const std::byte> message, Clock::time_point now);
  void collect(int me, std::uint64_t round, std::span<std::byte> all, std::size_t message_bytes,
               Clock::time_point expiry, RankClock& clock);
  Ticket start(int me, std::span<const Transfer> transfers, Clock::time_point now, SideStream* stream);
  void wait(int me, Ticket ticket, Clock::time_point expiry, RankClock& clock);
  void interrupt(int me, std::string_view reason) noexcept;
  void resume(int me) noexcept;
  void leave(int me, int culprit, std::string_view reason) noexcept;

 private:
  using Lock = std::unique_lock<std::mutex>;

  RankState& state(int rank) { return ranks_[static_cast<std::size_t>(rank)]; }
  Channel& channel(int from, int to) {
    return channels_[static_cast<std::size_t>(from) * ranks_.size() + static_cast<std::size_t>(to)];
  }

  const ControlMessage* find(int rank, std::uint64_t round);
  void forget_read_rounds();
  void match(Lock& lock, int from, int to, SideStream* stream);
  void await_copies(Lock& lock, const std::list<Post>& posts, Ticket ticket, Clock::time_point expiry);
  void end_copies(Lock& lock, const std::list<Post>& posts) noexcept;
  void sleep(Lock& lock, int me, int peer, Clock::time_point until, Clock::time_point expiry);
  int root_of_wait(int rank);
  bool all_wait() const;
  void let_others_start(Lock& lock, int me);
  [[noreturn]] void throw_lost(int me, int peer);

  const GroupOptions options_;
  std::mutex mutex_;
  EmulatedLinks links_;
  std::vector<RankState> ranks_;
  std::vector<Channel> channels_;
  std::uint64_t times_all_waited_ = 0;
  int interrupted_ = kNobody;  // the first rank that left because it was interrupted
  bool closed_ = false;
};

class LocalTransport final : public Transport {
 public:
  LocalTransport(std::shared_ptr<World> world, int rank, std::shared_ptr<Device> device)
      : world_(std::move(world)),
        rank_(rank),
        device_(std::move(device)),
        clock_(world_->options().links.virtual_time) {}

  ~LocalTransport() override { world_->leave(rank_, rank_, "closed its group"); }

  lvx_group_kind kind() const override { return LVX_GROUP_LOCAL; }
  int rank() const override { return rank_; }
  int size() const override { return world_->size(); }
  void publish(std::uint64_t round, std::span<const std::byte> message) override {
    world_->publish(rank_, round, message, clock_.now());
  }
  void collect(std::uint64_t round, std::span<std::byte> all, std::size_t message_bytes,
               Clock::time_point expiry) override {
    world_->collect(rank_, round, all, message_bytes, expiry, clock_);
  }
  Clock::time_point now() const override { return clock_.now(); }
  Ticket start(std::span<const Transfer> transfers) override {
    if (stream_ == nullptr && device_ != nullptr && device_->kind() != LVX_CPU)
      stream_ = device_->side_stream();
    const Clock::time_point now = clock_.now();
    const Ticket ticket = world_->start(rank_, transfers, now, stream_.get());
    // Real links would make the copy, so its CPU time does not count as the rank's.
    if (clock_.is_virtual()) clock_.take_back(now);
    return ticket;
  }
  void wait(Ticket ticket, Clock::time_point expiry) override { world_->wait(rank_, ticket, expiry, clock_); }
  void interrupt(std::string_view reason) noexcept override { world_->interrupt(rank_, reason); }
  void resume() noexcept override { world_->resume(rank_); }
  void leave(int culprit, std::string_view reason) noexcept override {
    world_->leave(rank_, culprit, reason);
  }

 private:
  const std::shared_ptr<World> world_;
  const int rank_;
  const std::shared_ptr<Device> device_;
  std::unique_ptr<SideStream> stream_;  // created by the rank's thread; null: messages are in host memory
  RankClock clock_;
};

std::unique_ptr<Transport> World::join(int rank, std::shared_ptr<Device> device) {
  const Lock lock(mutex_);
  if (rank < 0 || rank >= size()) {
    throw Error(LVX_INVALID_ARGUMENT,
                "rank " + std::to_string(rank) + " of a local world of " + std::to_string(size()) + " ranks");
  }
  if (closed_) throw Error(LVX_INVALID_STATE, "the local world is closed");
  if (state(rank).joined) {
    throw Error(LVX_INVALID_STATE, "rank " + std::to_string(rank) + " of the local world is taken already");
  }
  state(rank).joined = true;
  return std::make_unique<LocalTransport>(shared_from_this(), rank, std::move(device));
}

void World::close() {
  const Lock lock(mutex_);
  closed_ = true;
  // A rank that never joined would never answer.
  for (RankState& rank : ranks_) {
    if (rank.joined) {
      rank.wake.notify_all();
      continue;
    }
    rank.left = true;
    rank.culprit = static_cast<int>(&rank - ranks_.data());
    rank.reason = "never joined, and the local world is closed";
  }
}

const ControlMessage* World::find(int rank, std::uint64_t round) {
  for (const ControlMessage& message : state(rank).published) {
    if (message.round == round) return &message;
  }
  return nullptr;
}

void World::forget_read_rounds() {
  std::uint64_t oldest = std::numeric_limits<std::uint64_t>::max();
  for (const RankState& rank : ranks_) {
    if (!rank.left) oldest = std::min(oldest, rank.reading);
  }
  for (RankState& rank : ranks_) {
    while (!rank.published.empty() && rank.published.front().round < oldest) rank.published.pop_front();
  }
}

void World::publish(int me, std::uint64_t round, std::span<const std::byte> message, Clock::time_point now) {
  const Lock lock(mutex_);
  state(me).reading = round;
  state(me).published.push_back({round, now, {message.begin(), message.end()}});
  for (RankState& rank : ranks_) rank.wake.notify_all();
}

void World::collect(int me, std::uint64_t round, std::span<std::byte> all, std::size_t message_bytes,
                    Clock::time_point expiry, RankClock& clock) {
  Lock lock(mutex_);
  for (int peer = 0; peer < size(); ++peer) {
    const ControlMessage* message = find(peer, round);
    while (message == nullptr) {
      if (state(peer).left) throw_lost(me, peer);
      sleep(lock, me, peer, expiry, expiry);
      message = find(peer, round);
    }
    state(me).waiting_for = kNobody;
    if (clock.is_virtual()) clock.wait_until(message->published);
    if (message->bytes.size() != message_bytes) {
      throw Error(LVX_PEER_LOST,
                  "rank " + std::to_string(peer) + " sent a control message of " +
                      std::to_string(message->bytes.size()) + " bytes, expected " +
                      std::to_string(message_bytes),
                  peer);
    }
    std::copy(message->bytes.begin(), message->bytes.end(),
              all.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(peer) * message_bytes));
  }
  state(me).reading = round + 1;
  state(me).begins = true;
  forget_read_rounds();
}

Ticket World::start(int me, std::span<const Transfer> transfers, Clock::time_point now, SideStream* stream) {
  MarkPointer begun;
  if (stream != nullptr) {
    stream->follow_device();
    begun = stream->mark();
  }
  Lock lock(mutex_);
  RankState& mine = state(me);
  const Ticket ticket = ++mine.last_ticket;
  for (const Transfer& transfer : transfers) {
    Post& post = mine.posts.emplace_back(Post{});
    post.transfer = transfer;
    post.ticket = ticket;
    post.ready = now;
    post.begun = begun;
    if (transfer.direction == Transfer::Direction::kSend) {
      channel(me, transfer.peer).sends.push_back(&post);
    } else {
      channel(transfer.peer, me).receives.push_back(&post);
    }
  }
  for (const Transfer& transfer : transfers) {
    if (transfer.direction == Transfer::Direction::kSend) {
      match(lock, me, transfer.peer, stream);
    } else {
      match(lock, transfer.peer, me, stream);
    }
  }
  return ticket;
}

// Waits for work on a stream for which no mark could be recorded.
void drain(SideStream& stream) noexcept {
  try {
    const auto mark = stream.mark();
    const Clock::time_point until = Clock::now() + kPatienceWithCopies;
    while (!mark->passed() && Clock::now() < until) std::this_thread::sleep_for(kPause);
  } catch (...) {
    // A device that has failed makes no more copies.
  }
}

MarkPointer copy(const Post& send, const Post& receive, SideStream* stream) {
  if (stream == nullptr) {
    std::memcpy(receive.transfer.data, send.transfer.data, send.transfer.bytes);
    return nullptr;
  }
  try {
    stream->follow(*send.begun);
    stream->follow(*receive.begun);
    stream->copy(send.transfer.data, receive.transfer.data, send.transfer.bytes);
    return stream->mark();
  } catch (...) {
    drain(*stream);
    throw;
  }
}

// Matches sends with receives and copies their data. Releases the lock during a copy; leave waits for the copy.
void World::match(Lock& lock, int from, int to, SideStream* stream) {
  Channel& line = channel(from, to);
  while (!line.sends.empty() && !line.receives.empty()) {
    Post& send = *line.sends.front();
    Post& receive = *line.receives.front();
    if (send.transfer.bytes != receive.transfer.bytes) {
      throw Error(LVX_INTERNAL, "rank " + std::to_string(from) + " sends " +
                                    std::to_string(send.transfer.bytes) + " bytes where rank " +
                                    std::to_string(to) + " expects " +
                                    std::to_string(receive.transfer.bytes));
    }
    // Allocations come first, because they may fail: nobody may wait for a copy that does not begin.
    send.message = links_.offer(from, to, send.transfer.bytes, std::max(send.ready, receive.ready));
    receive.message = send.message;
    line.sends.pop_front();
    line.receives.pop_front();
    send.copying = true;
    receive.copying = true;
    lock.unlock();
    MarkPointer copied;
    std::exception_ptr failure;
    try {
      copied = copy(send, receive, stream);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    for (Post* post : {&send, &receive}) {
      post->copying = false;
      post->done = failure == nullptr;
      post->copied = copied;
    }
    state(from).wake.notify_all();
    state(to).wake.notify_all();
    if (failure != nullptr) std::rethrow_exception(failure);
  }
}

void World::wait(int me, Ticket ticket, Clock::time_point expiry, RankClock& clock) {
  Lock lock(mutex_);
  RankState& mine = state(me);
  for (;;) {
    const Clock::time_point now = Clock::now();
    const auto open = std::find_if(mine.posts.begin(), mine.posts.end(), [&](const Post& post) {
      return post.ticket == ticket &&
             (!post.done || (!clock.is_virtual() && links_.arrival(*post.message) > now));
    });
    if (open == mine.posts.end()) break;
    const int peer = open->transfer.peer;
    if (!open->copying && !open->done && state(peer).left) throw_lost(me, peer);
    sleep(lock, me, peer, open->done ? std::min(links_.arrival(*open->message), expiry) : expiry, expiry);
  }
  mine.waiting_for = kNobody;
  await_copies(lock, mine.posts, ticket, expiry);
  if (clock.is_virtual() && std::exchange(mine.begins, false)) {
    const Clock::time_point now = clock.now();
    let_others_start(lock, me);
    clock.take_back(now);
  }
  mine.posts.remove_if([&](const Post& post) {
    if (post.ticket == ticket && clock.is_virtual()) clock.wait_until(links_.arrival(*post.message));
    return post.ticket == ticket;
  });
}

bool World::all_wait() const {
  return std::all_of(ranks_.begin(), ranks_.end(), [](const RankState& rank) {
    return !rank.joined || rank.left || rank.settles || rank.waiting_for != kNobody;
  });
}

// Virtual time only. Other ranks may still start transfers that precede those of this rank in virtual time. So this rank waits
// until all ranks wait, but only briefly, since some may not be in a call. It does so at the beginning of a call, when most
// transfers start. Later in a call, the eviction of shared caches would cost more than waiting gains.
void World::let_others_start(Lock& lock, int me) {
  const std::uint64_t times = times_all_waited_;
  const Clock::time_point soon = Clock::now() + kPatienceWithOthers;
  state(me).settles = true;
  while (times_all_waited_ == times && !all_wait() && Clock::now() < soon) {
    lock.unlock();
    std::this_thread::sleep_for(kPause);
    lock.lock();
  }
  if (times_all_waited_ == times && all_wait()) ++times_all_waited_;
  state(me).settles = false;
}

void World::await_copies(Lock& lock, const std::list<Post>& posts, Ticket ticket, Clock::time_point expiry) {
  std::vector<MarkPointer> marks;
  for (const Post& post : posts) {
    if (post.copied != nullptr && post.ticket == ticket) marks.push_back(post.copied);
  }
  if (marks.empty()) return;
  lock.unlock();
  for (const MarkPointer& mark : marks) {
    while (!mark->passed()) {
      if (Clock::now() >= expiry) {
        throw Error(LVX_TIMEOUT, "a copy between devices did not end within the timeout");
      }
      std::this_thread::sleep_for(kPause);
    }
  }
  lock.lock();
}

// Waits for all copies of a rank's posts, which other ranks no longer match. Assumes that a device that has failed, or has not
// finished the copies within that time, makes no more copies.
void World::end_copies(Lock& lock, const std::list<Post>& posts) noexcept {
  lock.unlock();
  const Clock::time_point until = Clock::now() + kPatienceWithCopies;
  for (const Post& post : posts) {
    if (post.copied == nullptr) continue;
    try {
      while (!post.copied->passed() && Clock::now() < until) std::this_thread::sleep_for(kPause);
    } catch (...) {
      // A device that has failed makes no more copies.
    }
  }
  lock.lock();
}

// Sleeps until a state changes, or until `until`. Throws after the expiry, or if a rank is interrupted. waiting_for stays set while the caller checks its
// condition and, after a throw, until leave, so that other ranks see the whole chain of waits.
void World::sleep(Lock& lock, int me, int peer, Clock::time_point until, Clock::time_point expiry) {
  state(me).waiting_for = peer;
  state(me).interruption.require_none(peer);
  if (interrupted_ != kNobody) throw_lost(me, interrupted_);
  if (Clock::now() < expiry) {
    state(me).wake.wait_until(lock, until);
    return;
  }
  const int culprit = root_of_wait(peer);
  throw Error(LVX_TIMEOUT,
              "rank " + std::to_string(culprit) +
                  (state(culprit).joined ? " did not answer" : " did not join") + " within the timeout" +
                  (culprit == peer ? std::string() : " (rank " + std::to_string(peer) + " waits for it)"),
              culprit);
}

// The rank at the end of a chain of waits, for which all others wait.
int World::root_of_wait(int rank) {
  int root = rank;
  for (int steps = 0; steps < size() && !state(root).left && state(root).waiting_for != kNobody; ++steps) {
    root = state(root).waiting_for;
  }
  return root;
}

void World::throw_lost(int me, int peer) {
  const RankState& lost = state(peer);
  const int culprit = lost.culprit == me ? peer : lost.culprit;
  throw Error(LVX_PEER_LOST, "rank " + std::to_string(peer) + " left the group: " + lost.reason, culprit);
}

void World::interrupt(int me, std::string_view reason) noexcept {
  const Lock lock(mutex_);
  state(me).interruption.set(reason);
  state(me).wake.notify_all();
}

void World::resume(int me) noexcept {
  const Lock lock(mutex_);
  state(me).interruption.clear();
}

void World::leave(int me, int culprit, std::string_view reason) noexcept {
  Lock lock(mutex_);
  RankState& mine = state(me);
  if (mine.left) return;
  mine.left = true;
  mine.culprit = culprit;
  if (mine.interruption.is_set() && interrupted_ == kNobody) interrupted_ = me;
  try {
    mine.reason = reason;
  } catch (const std::exception&) {
    mine.reason.clear();
  }
  const auto is_mine = [&](const Post* post) {
    return std::any_of(mine.posts.begin(), mine.posts.end(), [&](const Post& own) { return &own == post; });
  };
  for (int peer = 0; peer < size(); ++peer) {
    std::erase_if(channel(me, peer).sends, is_mine);
    std::erase_if(channel(peer, me).receives, is_mine);
  }
  mine.wake.wait(lock, [&] {
    return std::none_of(mine.posts.begin(), mine.posts.end(), [](const Post& post) { return post.copying; });
  });
  end_copies(lock, mine.posts);
  mine.posts.clear();
  forget_read_rounds();
  for (RankState& rank : ranks_) rank.wake.notify_all();
}

}  // namespace

std::shared_ptr<LocalWorld> make_local_world(int size, const GroupOptions& options) {
  return std::make_shared<World>(size, options);
}

}  // namespace lvx
