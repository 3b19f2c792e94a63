// SPDX-License-Identifier: Apache-2.0
// The offsets of each rank's queries and keys in the group's, and which ranks' queries see which ranks' keys.
#pragma once

#include <cstdint>
#include <vector>

#include "attention/views.h"
#include "group/group.h"

namespace lvx {

class Shards {
 public:
  // If there is visibility, exchanges in one round of control messages which shards each rank's queries see.
  Shards(Collective& collective, const Visibility& visibility);

  std::int64_t queries(int rank) const { return query_begin(rank + 1) - query_begin(rank); }
  std::int64_t keys(int rank) const { return key_begin(rank + 1) - key_begin(rank); }
  std::int64_t query_begin(int rank) const { return query_begin_[static_cast<std::size_t>(rank)]; }
  std::int64_t key_begin(int rank) const { return key_begin_[static_cast<std::size_t>(rank)]; }
  std::int64_t all_queries() const { return query_begin_.back(); }
  std::int64_t all_keys() const { return key_begin_.back(); }

  // Whether any query of home sees a key of rank.
  bool sees(int home, int rank) const {
    if (sees_.empty()) return any_batch_ && queries(home) > 0 && keys(rank) > 0;
    return sees_[static_cast<std::size_t>(home) * (query_begin_.size() - 1) +
                 static_cast<std::size_t>(rank)] != 0;
  }

  // Whether any query of rank sees a key at all; whether any key of rank is seen.
  bool queries_see(int rank) const { return queries_see_others(rank) || sees(rank, rank); }
  bool keys_seen(int rank) const { return keys_seen_by_others(rank) || sees(rank, rank); }
  // Whether any query of rank sees a key of another rank.
  bool queries_see_others(int rank) const;
  // Whether any query of another rank sees a key of rank.
  bool keys_seen_by_others(int rank) const;

 private:
  int size() const { return static_cast<int>(query_begin_.size()) - 1; }

  std::vector<std::int64_t> query_begin_;
  std::vector<std::int64_t> key_begin_;
  bool any_batch_;
  std::vector<std::uint8_t> sees_;  // [home, rank]; empty: everything is visible
};

}  // namespace lvx
