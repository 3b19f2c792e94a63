// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace lvx {

// A message takes latency + bytes / bandwidth.
struct Link {
  double bytes_per_second = 0;  // 0: not emulated
  double latency_seconds = 0;

  bool emulated() const { return bytes_per_second > 0; }
};

struct Links {
  Link intra;                 // inside a node
  Link inter;                 // between nodes
  bool shared_inter = false;  // the ranks of a node share one link to the others
  bool virtual_time = false;  // clocks count processor time and emulated transfers, nobody waits for them
};

}  // namespace lvx
