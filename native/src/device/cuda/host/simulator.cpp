// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/host/simulator.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <deque>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "device/cuda/host/fiber.h"
#include "device/cuda/host/shared_memory.h"

namespace lvx::cuda::host {
namespace {

thread_local std::vector<std::span<const std::byte>> registered;
std::atomic<Runtime*> the_runtime{nullptr};

enum class State : std::uint8_t { kReady, kAtPrimitive, kAtBarrier, kEnded };

struct Copy {
  SharedAddress to;
  const void* from;  // null: zeros
};

struct Lane {
  Fiber fiber;
  State state = State::kReady;
  // The lane's arguments to a warp-level primitive, and its result.
  alignas(16) std::byte in[64];
  alignas(16) std::byte out[64];
  std::vector<Copy> copies;              // not committed yet
  std::deque<std::vector<Copy>> groups;  // committed, oldest first
};

struct Warp {
  int arrived = 0;
  const char* primitive = nullptr;
  unsigned line = 0;
  std::uint32_t interval = 1;  // number of the interval between barriers of the warp
};

class Machine {
 public:
  Machine(int threads, const std::function<void()>& body)
      : body_(body), lanes_(static_cast<std::size_t>(threads)), warps_(lanes_.size() / kWarp) {}

  void run_block(std::int64_t index, std::size_t shared_bytes);

  int thread() const { return current_; }
  std::int64_t block() const { return block_; }
  Lane& lane() { return lanes_[static_cast<std::size_t>(current_)]; }
  Access access() { return {current_, interval_, warp().interval}; }
  SharedMemory& shared() { return shared_; }

  // Waits until all lanes of the warp are at this primitive. The last lane to arrive executes it for all.
  template <typename Work>
  void together(const char* primitive, const Site& site, const Work& work) {
    arrive(primitive, site);
    Warp& mine = warp();
    if (mine.arrived < kWarp) {
      lane().state = State::kAtPrimitive;
      switch_to_next();
      return;
    }
    mine.arrived = 0;
    Lane* lanes = &lanes_[static_cast<std::size_t>(current_ / kWarp * kWarp)];
    work(lanes);
    for (int i = 0; i < kWarp; ++i) lanes[i].state = State::kReady;
  }

  void barrier(const Site& site) {
    arrive("sync_block", site);
    if (++at_barrier_ < static_cast<int>(lanes_.size())) {
      lane().state = State::kAtBarrier;
      switch_to_next();
      return;
    }
    at_barrier_ = 0;
    ++interval_;
    for (Warp& each : warps_) each.arrived = 0;
    for (Lane& each : lanes_) each.state = State::kReady;
  }

  void next_warp_interval() { ++warp().interval; }

  [[noreturn]] void fault(const std::string& what) const {
    throw Fault("thread " + std::to_string(current_) + ": " + what);
  }

  static Machine*& running() {
    thread_local Machine* machine = nullptr;
    return machine;
  }

 private:
  Warp& warp() { return warps_[static_cast<std::size_t>(current_ / kWarp)]; }

  void arrive(const char* primitive, const Site& site) {
    Warp& mine = warp();
    if (mine.arrived++ == 0) {
      mine.primitive = primitive;
      mine.line = site.line();
    } else if (std::strcmp(mine.primitive, primitive) != 0 || mine.line != site.line()) {
      fault(std::string("is at ") + primitive + " in line " + std::to_string(site.line()) +
            " while another lane of its warp is at " + mine.primitive + " in line " +
            std::to_string(mine.line));
    }
  }

  // Switches to a runnable lane, preferably of the same warp, or to the end of the block if all lanes have ended.
  void switch_to_next();
  static void enter();

  const std::function<void()>& body_;
  std::vector<Lane> lanes_;
  std::vector<Warp> warps_;
  Fiber main_;
  SharedMemory shared_;
  std::exception_ptr failure_;
  std::int64_t block_ = 0;
  int current_ = 0;
  int at_barrier_ = 0;
  std::uint32_t interval_ = 0;
};

void Machine::switch_to_next() {
  Fiber& from = lane().fiber;
  const int count = static_cast<int>(lanes_.size());
  const int first = current_ / kWarp * kWarp;
  for (int i = 1; i < kWarp; ++i) {
    const int next = first + (current_ - first + i) % kWarp;
    if (lanes_[static_cast<std::size_t>(next)].state == State::kReady) {
      current_ = next;
      from.switch_to(lane().fiber);
      return;
    }
  }
  for (int i = 0; i < count; ++i) {
    const int next = (first + kWarp + i) % count;
    if (lanes_[static_cast<std::size_t>(next)].state == State::kReady) {
      current_ = next;
      from.switch_to(lane().fiber);
      return;
    }
  }
  for (int i = 0; i < count; ++i) {
    if (lanes_[static_cast<std::size_t>(i)].state == State::kEnded) continue;
    const Warp& stuck = warps_[static_cast<std::size_t>(i / kWarp)];
    failure_ = std::make_exception_ptr(Fault("thread " + std::to_string(i) + ": waits at " + stuck.primitive +
                                             " in line " + std::to_string(stuck.line) +
                                             " for threads that have ended or wait elsewhere"));
    break;
  }
  from.switch_to(main_);
}

void Machine::enter() {
  Machine& machine = *running();
  try {
    machine.body_();
    machine.lane().state = State::kEnded;
  } catch (...) {
    machine.failure_ = std::current_exception();
  }
  if (machine.failure_) machine.lane().fiber.switch_to(machine.main_);
  machine.switch_to_next();
}

void Machine::run_block(std::int64_t index, std::size_t shared_bytes) {
  block_ = index;
  ++interval_;
  shared_.begin_block(shared_bytes, interval_);
  at_barrier_ = 0;
  for (Warp& each : warps_) each.arrived = 0;
  for (Lane& each : lanes_) {
    each.state = State::kReady;
    each.copies.clear();
    each.groups.clear();
    each.fiber.prepare(&enter);
  }
  current_ = 0;
  main_.switch_to(lanes_[0].fiber);
  if (failure_) std::rethrow_exception(failure_);
}

Machine& machine() { return *Machine::running(); }

// The host address of bytes of global memory; null if kernels may not access them.
std::byte* find_global(const void* data, std::size_t bytes) {
  const auto* first = static_cast<const std::byte*>(data);
  for (const auto& range : registered) {
    if (first >= range.data() && first + bytes <= range.data() + range.size()) {
      return const_cast<std::byte*>(first);
    }
  }
  Runtime* runtime = the_runtime.load();
  return runtime == nullptr ? nullptr : runtime->find(data, bytes);
}

std::byte* global(const char* what, const void* data, std::size_t bytes) {
  const auto address = reinterpret_cast<std::uintptr_t>(data);
  if (address % bytes != 0) {
    machine().fault(std::string("misaligned global ") + what + " of " + std::to_string(bytes) + " bytes");
  }
  if (std::byte* found = find_global(data, bytes); found != nullptr) return found;
  machine().fault(std::string("global ") + what + " of " + std::to_string(bytes) +
                  " bytes outside everything that the kernel was given");
}

template <typename T>
T& in(Lane& lane) {
  static_assert(sizeof(T) <= sizeof(lane.in));
  return *reinterpret_cast<T*>(lane.in);
}
template <typename T>
T& out(Lane& lane) {
  static_assert(sizeof(T) <= sizeof(lane.out));
  return *reinterpret_cast<T*>(lane.out);
}

}  // namespace

void simulate(std::int64_t blocks, int threads, std::size_t shared_bytes, const std::function<void()>& body) {
  if (threads <= 0 || threads % kWarp != 0) throw Fault("a block has whole warps");
  if (Machine::running() != nullptr) throw Fault("kernels do not start kernels");
  const auto machine = std::make_unique<Machine>(threads, body);
  Machine::running() = machine.get();
  try {
    for (std::int64_t block = 0; block < blocks; ++block) machine->run_block(block, shared_bytes);
  } catch (const Fault& fault) {
    Machine::running() = nullptr;
    throw Fault("block " + std::to_string(machine->block()) + ", " + fault.what());
  }
  Machine::running() = nullptr;
}

Registered::Registered(std::span<const std::byte> range) : range_(range) { registered.push_back(range); }

Registered::~Registered() {
  const auto same = [this](const auto& each) {
    return each.data() == range_.data() && each.size() == range_.size();
  };
  registered.erase(std::find_if(registered.begin(), registered.end(), same));
}

void set_runtime(Runtime* runtime) { the_runtime = runtime; }

void enqueue(void* stream, std::function<void()> kernel) {
  if (Runtime* runtime = the_runtime.load(); runtime != nullptr) {
    runtime->enqueue(stream, std::move(kernel));
  } else {
    kernel();
  }
}

std::byte* global_memory(const void* data, std::size_t bytes) {
  if (std::byte* found = find_global(data, bytes); found != nullptr) return found;
  throw Fault(std::to_string(bytes) + " bytes outside everything that the library was given");
}

int thread_index() { return machine().thread(); }
std::int64_t block_index() { return machine().block(); }

void load_shared(SharedAddress from, void* to, std::size_t bytes) {
  machine().shared().load(machine().access(), from.offset, to, bytes);
}
void store_shared(SharedAddress to, const void* from, std::size_t bytes) {
  machine().shared().store(machine().access(), to.offset, from, bytes);
}
void load_global(const void* from, void* to, std::size_t bytes) {
  std::memcpy(to, global("load", from, bytes), bytes);
}
void store_global(void* to, const void* from, std::size_t bytes) {
  std::memcpy(global("store", to, bytes), from, bytes);
}

void copy_async(SharedAddress to, const void* from, bool live) {
  const void* source = live ? global("asynchronous copy", from, sizeof(Chunk)) : nullptr;
  machine().shared().begin_store(machine().access(), to.offset, sizeof(Chunk));
  machine().lane().copies.push_back({to, source});
}
void commit_copies() {
  Lane& mine = machine().lane();
  mine.groups.push_back(std::move(mine.copies));
  mine.copies.clear();
}
void wait_for_copies(int left) {
  Lane& mine = machine().lane();
  for (; static_cast<int>(mine.groups.size()) > left; mine.groups.pop_front()) {
    for (const Copy& copy : mine.groups.front()) {
      Chunk chunk{};
      if (copy.from != nullptr) std::memcpy(&chunk, copy.from, sizeof(chunk));
      machine().shared().finish_store(machine().access(), copy.to.offset, &chunk, sizeof(chunk));
    }
  }
}

void sync_block(const Site& site) { machine().barrier(site); }
void sync_warp(const Site& site) {
  machine().together("sync_warp", site, [](Lane*) { machine().next_warp_interval(); });
}

std::uint64_t shuffle(std::uint64_t value, int from, const Site& site) {
  struct In {
    std::uint64_t value;
    int from;
  };
  Lane& mine = machine().lane();
  in<In>(mine) = {value, from};
  machine().together("shuffle", site, [](Lane* lanes) {
    for (int i = 0; i < kWarp; ++i) {
      out<std::uint64_t>(lanes[i]) = in<In>(lanes[in<In>(lanes[i]).from % kWarp]).value;
    }
  });
  return out<std::uint64_t>(mine);
}

std::uint32_t ballot(bool vote, const Site& site) {
  Lane& mine = machine().lane();
  in<bool>(mine) = vote;
  machine().together("ballot", site, [](Lane* lanes) {
    std::uint32_t votes = 0;
    for (int i = 0; i < kWarp; ++i) votes |= std::uint32_t{in<bool>(lanes[i])} << i;
    for (int i = 0; i < kWarp; ++i) out<std::uint32_t>(lanes[i]) = votes;
  });
  return out<std::uint32_t>(mine);
}

Matrices load_matrices(SharedAddress row, bool transposed, const Site& site) {
  struct In {
    SharedAddress row;
    bool transposed;
  };
  Lane& mine = machine().lane();
  in<In>(mine) = {row, transposed};
  machine().together("load_matrices", site, [](Lane* lanes) {
    // The lane that gives an address reads the row for several lanes, so the row counts as read by several threads.
    std::uint16_t rows[kWarp][8];
    for (int i = 0; i < kWarp; ++i) {
      Access access = machine().access();
      access.thread = access.thread / kWarp * kWarp + i;
      machine().shared().load(access, in<In>(lanes[i]).row.offset, rows[i], sizeof(rows[i]));
      access.thread = access.thread / kWarp * kWarp + (i + 1) % kWarp;
      machine().shared().load(access, in<In>(lanes[i]).row.offset, rows[i], sizeof(rows[i]));
    }
    for (int i = 0; i < kWarp; ++i) {
      const int a = i / 4;
      const int b = i % 4 * 2;
      for (int m = 0; m < 4; ++m) {
        const bool across = in<In>(lanes[i]).transposed;
        const std::uint32_t first = across ? rows[8 * m + b][a] : rows[8 * m + a][b];
        const std::uint32_t second = across ? rows[8 * m + b + 1][a] : rows[8 * m + a][b + 1];
        out<Matrices>(lanes[i]).parts[m] = first | second << 16;
      }
    }
  });
  return out<Matrices>(mine);
}

float widen_bfloat16(std::uint16_t bits) { return to_float(BFloat16{bits}); }
float widen_float16(std::uint16_t bits) { return to_float(Float16{bits}); }

void multiply_add(float (&c)[4], const Matrices& a, std::uint32_t b0, std::uint32_t b1, Widen* widen,
                  const Site& site) {
  struct In {
    std::array<float, 4> c;
    Matrices a;
    std::uint32_t b[2];
    Widen* widen;
  };
  Lane& mine = machine().lane();
  in<In>(mine) = {{c[0], c[1], c[2], c[3]}, a, {b0, b1}, widen};
  machine().together("multiply_add", site, [](Lane* lanes) {
    float a_full[16][16];
    float b_full[16][8];
    float sum[16][8];
    for (int i = 0; i < kWarp; ++i) {
      const In& each = in<In>(lanes[i]);
      const int row = i / 4;
      const int column = i % 4 * 2;
      for (int part = 0; part < 4; ++part) {
        const int r = row + part % 2 * 8;
        const int k = column + part / 2 * 8;
        a_full[r][k] = each.widen(static_cast<std::uint16_t>(each.a.parts[part] & 0xffffu));
        a_full[r][k + 1] = each.widen(static_cast<std::uint16_t>(each.a.parts[part] >> 16));
      }
      for (int part = 0; part < 2; ++part) {
        b_full[column + 8 * part][row] = each.widen(static_cast<std::uint16_t>(each.b[part] & 0xffffu));
        b_full[column + 8 * part + 1][row] = each.widen(static_cast<std::uint16_t>(each.b[part] >> 16));
      }
      sum[row][column] = each.c[0];
      sum[row][column + 1] = each.c[1];
      sum[row + 8][column] = each.c[2];
      sum[row + 8][column + 1] = each.c[3];
    }
    for (int r = 0; r < 16; ++r) {
      for (int k = 0; k < 16; ++k) {
        for (int n = 0; n < 8; ++n) sum[r][n] += a_full[r][k] * b_full[k][n];
      }
    }
    for (int i = 0; i < kWarp; ++i) {
      const int row = i / 4;
      const int column = i % 4 * 2;
      out<std::array<float, 4>>(lanes[i]) = {sum[row][column], sum[row][column + 1], sum[row + 8][column],
                                             sum[row + 8][column + 1]};
    }
  });
  const auto& result = out<std::array<float, 4>>(mine);
  std::copy(result.begin(), result.end(), c);
}

}  // namespace lvx::cuda::host
