// SPDX-License-Identifier: Apache-2.0
// Where each rank's queries and keys lie among the group's, and whose queries see whose keys.
#pragma once

#include <cstdint>
#include <vector>

#include "attention/views.h"
#include "group/group.h"

namespace lvx {

class Shards {
 public:
  // Learns the masks' reach from the peers (one round of control messages) where there is visibility.
  Shards(Call& call, const Visibility& visibility);

  std::int64_t queries(int rank) const { return query_begin(rank + 1) - query_begin(rank); }
  std::int64_t keys(int rank) const { return key_begin(rank + 1) - key_begin(rank); }
  std::int64_t query_begin(int rank) const { return query_begin_[static_cast<std::size_t>(rank)]; }
  std::int64_t key_begin(int rank) const { return key_begin_[static_cast<std::size_t>(rank)]; }
  std::int64_t all_queries() const { return query_begin_.back(); }
  std::int64_t all_keys() const { return key_begin_.back(); }

  // Whether any query of home sees a key of rank.
  bool sees(int home, int rank) const {
    return sees_[static_cast<std::size_t>(home) * (query_begin_.size() - 1) +
                 static_cast<std::size_t>(rank)] != 0;
  }

  // Whether any query of rank sees a key at all, or any key of rank is seen.
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
  std::vector<std::uint8_t> sees_;
};

}  // namespace lvx
