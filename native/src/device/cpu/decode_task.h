// SPDX-License-Identifier: Apache-2.0
// Forward with few query rows per key head, which is bound by the memory bandwidth for k and v. A task computes all heads of
// a batch item against a run of keys, so that memory is read sequentially.
#pragma once

#include "device/cpu/blocking.h"
#include "device/cpu/range_cursor.h"
#include "device/cpu/scratch.h"
#include "device/problem.h"

namespace lvx {

template <typename T>
struct DecodeTask {
  const ForwardProblem* problem;
  std::int64_t batch;
  std::int64_t key_begin, key_end;
  // The partial results of the whole call: [unit, row, head_dim] normalised, [unit, row].
  T* partial_o;
  T* partial_max;
  T* partial_sum;
};

template <typename T>
struct DecodeWorkspace {
  T* q;     // [key head, row, packed head_dim]
  T* o;     // [key head, row, packed head_dim]
  T* s;     // [key head, row, key of the tile]
  T* mask;  // [row, key of the tile]
  T* max;   // [key head, row]
  T* sum;
  RangeCursor* cursors;  // per query: all heads see the same keys
  // Sums and maxima of all groups of keys so far.
  double* o_sums;  // shape of o
  double* maxima;  // shape of max
  double* sums;

  DecodeWorkspace(Scratch& scratch, const ProblemShape& shape) {
    const std::int64_t rows = shape.key_heads * kDecodeRows;
    q = scratch.take<T>(rows * packed_dim(shape.head_dim));
    o = scratch.take<T>(rows * packed_dim(shape.head_dim));
    s = scratch.take<T>(rows * kDecodeKeys);
    mask = scratch.take<T>(kDecodeRows * kDecodeKeys);
    max = scratch.take<T>(rows);
    sum = scratch.take<T>(rows);
    cursors = scratch.take<RangeCursor>(kDecodeRows);
    o_sums = scratch.take<double>(rows * packed_dim(shape.head_dim));
    maxima = scratch.take<double>(rows);
    sums = scratch.take<double>(rows);
  }
};

void run_decode_task(const DecodeTask<float>& task, std::byte* workspace);
void run_decode_task(const DecodeTask<double>& task, std::byte* workspace);

}  // namespace lvx
