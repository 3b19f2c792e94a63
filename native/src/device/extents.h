// SPDX-License-Identifier: Apache-2.0
// Checks that the extents of an operation's views match, since a mismatch would access memory out of bounds. All functions
// throw Error(LVX_INTERNAL): a mismatch is a bug in a schedule.
#pragma once

#include <string>

#include "attention/views.h"
#include "base/error.h"
#include "device/problem.h"

namespace lvx {

inline void require_extents(bool agree, const char* what) {
  if (!agree) throw Error(LVX_INTERNAL, std::string("the extents of ") + what + " do not agree");
}

inline bool have_same_extents(const Bshd& a, const Bshd& b) {
  return a.batch == b.batch && a.rows == b.rows && a.heads == b.heads && a.dim == b.dim;
}
// Whether values has one value for each row of x; true if it is absent (null).
inline bool fits_rows(const Bhs& values, const Bshd& x) {
  return values.data == nullptr ||
         (values.batch == x.batch && values.heads == x.heads && values.rows == x.rows);
}

inline void require_extents_of_copy(const Bshd& from, const Bshd& to) {
  require_extents(have_same_extents(from, to), "a copy or a sum");
}
inline void require_extents_of_merge(const Partial& part, const Partial& into) {
  require_extents(have_same_extents(part.o, into.o) && fits_rows(part.lse, into.o) &&
                      fits_rows(part.bias_max, into.o) && fits_rows(into.lse, into.o) &&
                      fits_rows(into.bias_max, into.o),
                  "partial results");
}
inline void require_extents_of_delta(const Bshd& o, const Bshd& d_o, const Bhs& delta) {
  require_extents(have_same_extents(o, d_o) && fits_rows(delta, o), "o, d_o and delta");
}

// The extents that a problem's views must have. A view may have more rows than the problem.
class ProblemExtents {
 public:
  explicit ProblemExtents(const ProblemShape& shape) : shape_(shape) {}

  bool queries(const Bshd& x) const {
    return x.data == nullptr || (x.batch == shape_.batch && x.rows >= shape_.queries &&
                                 x.heads == shape_.query_heads && x.dim == shape_.head_dim);
  }
  bool keys(const Bshd& x) const {
    return x.data == nullptr || (x.batch == shape_.batch && x.rows >= shape_.keys &&
                                 x.heads == shape_.key_heads && x.dim == shape_.head_dim);
  }
  bool row_values(const Bhs& x) const {
    return x.data == nullptr ||
           (x.batch == shape_.batch && x.heads == shape_.query_heads && x.rows >= shape_.queries);
  }
  bool visibility(const Visibility& x) const {
    return x.everything() || (x.batch == shape_.batch && x.rows >= shape_.queries);
  }
  bool bias(const Bias& x) const {
    return x.none() ||
           ((x.batch == 1 || x.batch == shape_.batch) && (x.heads == 1 || x.heads == shape_.query_heads) &&
            (x.rows == 1 || x.rows >= shape_.queries) && x.keys >= shape_.keys);
  }

 private:
  const ProblemShape& shape_;
};

inline void require_extents_of_problem(const ForwardProblem& a) {
  const ProblemExtents fit(a.shape);
  require_extents(fit.queries(a.q) && fit.keys(a.k) && fit.keys(a.v) && fit.visibility(a.visibility) &&
                      fit.bias(a.bias) && fit.queries(a.out.o) && fit.row_values(a.out.lse) &&
                      fit.row_values(a.out.bias_max),
                  "a forward problem");
}
inline void require_extents_of_problem(const BackwardProblem& a) {
  const ProblemExtents fit(a.shape);
  require_extents(fit.queries(a.q) && fit.keys(a.k) && fit.keys(a.v) && fit.queries(a.d_o) &&
                      fit.row_values(a.lse) && fit.row_values(a.delta) && fit.row_values(a.bias_max) &&
                      fit.visibility(a.visibility) && fit.bias(a.bias) && fit.queries(a.dq) &&
                      fit.keys(a.dk) && fit.keys(a.dv) && fit.bias(a.d_bias),
                  "a backward problem");
}

}  // namespace lvx
