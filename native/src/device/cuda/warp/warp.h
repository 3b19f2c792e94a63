// SPDX-License-Identifier: Apache-2.0
// The warp-level primitives of kernels, which are the only machine-specific code. There are two implementations: gpu.h for
// nvcc, and host.h, which executes blocks lane by lane and checks every access. Both compile the same kernel sources.
//
//   thread_index, warp_index, lane, block_index                indices of this thread; blocks and grids are one-dimensional
//   load_shared, store_shared, load_global, store_global       1 to 16 bytes, naturally aligned
//   copy_async, commit_copies, wait_for_copies<n>              16 bytes from global to shared memory; zeros if not live
//   sync_block, sync_warp                                      order memory accesses of the threads that they synchronise
//   shuffle, shuffle_xor, ballot                               between the lanes of a warp; they do not order memory accesses
//   load_matrices, load_matrices_transposed                    ldmatrix.x4: lane l gives the address of row l % 8 of
//                                                              matrix l / 8
//   multiply_add<T>(c, a, b0, b1)                              mma.m16n8k16: c += a b, fp32 accumulate
//   pack, low, high                                            conversions of half precision
//   exp2_fast, exponential, logarithm, hyperbolic_tangent, error_complement (erfc), square_root, sine_and_cosine
#pragma once

#if defined(__CUDACC__)
#include "device/cuda/warp/gpu.h"
#else
#include "device/cuda/warp/host.h"
#endif
