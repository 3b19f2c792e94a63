// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace lvx {

// A message takes latency_seconds + bytes / bytes_per_second.
struct Link {
  double bytes_per_second = 0;  // 0: not emulated
  double latency_seconds = 0;

  bool emulated() const { return bytes_per_second > 0; }
};

struct Links {
  Link intra;                 // within a node
  Link inter;                 // between nodes
  bool shared_inter = false;  // the ranks of a node share one link to the other nodes
  bool virtual_time = false;  // clocks count CPU time and emulated transfer time; ranks do not really wait
};

}  // namespace lvx
