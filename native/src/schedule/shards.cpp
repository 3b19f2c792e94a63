// SPDX-License-Identifier: Apache-2.0
#include "schedule/shards.h"

#include <limits>
#include <string>

namespace lvx {
namespace {

void check_bias_rows(Call& call, std::int64_t all_queries) {
  for (int rank = 0; rank < call.size(); ++rank) {
    const Announcement& peer = call.announced(rank);
    if (peer.has_bias == 0 || peer.bias_rows == 1 || peer.bias_rows == all_queries) continue;
    call.refuse(rank == call.rank() ? LVX_INVALID_ARGUMENT : LVX_PEER_MISMATCH,
                "bias of rank " + std::to_string(rank) + " has " + std::to_string(peer.bias_rows) +
                    " rows, expected 1 or the group's " + std::to_string(all_queries) + " queries",
                rank);
  }
}

}  // namespace

Shards::Shards(Call& call, const Visibility& visibility) : query_begin_{0}, key_begin_{0} {
  const auto size = static_cast<std::size_t>(call.size());
  for (int rank = 0; rank < call.size(); ++rank) {
    query_begin_.push_back(query_begin_.back() + call.announced(rank).queries);
    key_begin_.push_back(key_begin_.back() + call.announced(rank).keys);
  }
  const Announcement& mine = call.announced(call.rank());
  check_bias_rows(call, all_queries());
  if (mine.has_visibility != 0 && all_keys() > std::numeric_limits<std::int32_t>::max()) {
    call.refuse(LVX_UNSUPPORTED,
                "visibility counts keys in int32, but the group has " + std::to_string(all_keys()) + " keys",
                -1);
  }

  sees_.resize(size * size);
  if (mine.has_visibility != 0 && size > 1) {
    std::vector<std::uint8_t> seen(size, 0);
    if (!visibility.everything()) {
      call.device().shards_seen(mine.batch, mine.queries, visibility, key_begin_, seen);
    }
    call.gather_control(std::as_bytes(std::span(seen)), std::as_writable_bytes(std::span(sees_)));
    return;
  }
  for (int home = 0; home < call.size(); ++home) {
    for (int rank = 0; rank < call.size(); ++rank) {
      sees_[static_cast<std::size_t>(home) * size + static_cast<std::size_t>(rank)] =
          mine.batch > 0 && queries(home) > 0 && keys(rank) > 0 ? 1 : 0;
    }
  }
}

bool Shards::queries_see_others(int rank) const {
  for (int peer = 0; peer < size(); ++peer) {
    if (peer != rank && sees(rank, peer)) return true;
  }
  return false;
}

bool Shards::keys_seen_by_others(int rank) const {
  for (int peer = 0; peer < size(); ++peer) {
    if (peer != rank && sees(peer, rank)) return true;
  }
  return false;
}

}  // namespace lvx
