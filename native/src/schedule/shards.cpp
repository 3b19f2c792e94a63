// SPDX-License-Identifier: Apache-2.0
#include "schedule/shards.h"

#include <limits>
#include <string>

namespace lvx {
namespace {

void check_bias_rows(Collective& collective, std::int64_t all_queries) {
  for (int rank = 0; rank < collective.size(); ++rank) {
    const Announcement& peer = collective.announced(rank);
    if (peer.has_bias == 0 || peer.bias_rows == 1 || peer.bias_rows == all_queries) continue;
    collective.refuse(rank == collective.rank() ? LVX_INVALID_ARGUMENT : LVX_PEER_MISMATCH,
                      "bias of rank " + std::to_string(rank) + " has " + std::to_string(peer.bias_rows) +
                          " rows, expected 1 or the group's " + std::to_string(all_queries) + " queries",
                      rank);
  }
}

}  // namespace

Shards::Shards(Collective& collective, const Visibility& visibility) : query_begin_{0}, key_begin_{0} {
  const auto size = static_cast<std::size_t>(collective.size());
  for (int rank = 0; rank < collective.size(); ++rank) {
    query_begin_.push_back(query_begin_.back() + collective.announced(rank).queries);
    key_begin_.push_back(key_begin_.back() + collective.announced(rank).keys);
  }
  const Announcement& mine = collective.announced(collective.rank());
  any_batch_ = mine.batch > 0;
  check_bias_rows(collective, all_queries());
  if (mine.has_visibility != 0 && all_keys() > std::numeric_limits<std::int32_t>::max()) {
    collective.refuse(
        LVX_UNSUPPORTED,
        "visibility counts keys in int32, but the group has " + std::to_string(all_keys()) + " keys", -1);
  }

  if (mine.has_visibility == 0 || size == 1) return;
  sees_.resize(size * size);
  std::vector<std::uint8_t> seen(size, 0);
  if (!visibility.everything()) {
    collective.device().shards_seen(visibility, key_begin_, seen);
  }
  collective.gather_control(std::as_bytes(std::span(seen)), std::as_writable_bytes(std::span(sees_)));
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
