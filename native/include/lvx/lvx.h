/* SPDX-License-Identifier: Apache-2.0 */
/**
 * lvxattn: exact distributed cross-attention, the C ABI. Longer than 500 lines: C and jextract read this one header.
 *
 * Conventions
 *  - Every function returns an lvx_status. After anything but LVX_OK, lvx_last_error() on the same thread says what
 *    was wrong and what was expected. Nothing here throws, aborts, exits or prints.
 *  - Arguments are checked before anything is touched: a wrong argument leaves all outputs as they were.
 *  - Handles are numbers with a generation: a closed, stale or forged one is an error, never a crash.
 *  - Data pointers are trusted: the memory behind a tensor must be as large as its shape and strides say, and must
 *    stay valid until the call returns. GPU memory must stay valid until the device has done the work, since calls
 *    return earlier.
 *  - Option and result structs begin with struct_size, which the caller sets to the sizeof that it was compiled with.
 *  - A handle may be used by any thread, but by one thread at a time.
 *
 * Layouts: q, k, v, o and their gradients are [batch, sequence, heads, headDim]; lse and delta are [batch, heads,
 * sequence], natural logarithm. Any strides with a contiguous last dimension are accepted.
 *
 * lse may be [3, batch, heads, sequence] everywhere: lse, then its two terms, the largest bias of the keys that the
 * row sees, and the rest. A bias of -1e4 or of 1e9 on all keys of a row changes its lse only, but would round off
 * everything else in it. With the terms, backward and merges are exact for biases of any finite size. Without a bias
 * the first term is 0. Where a row sees no key the second term is -inf, and the first 0 or -inf.
 */
#ifndef LVX_LVX_H
#define LVX_LVX_H

#include <stdint.h>

#if defined(LVX_BUILDING) && defined(__GNUC__)
#define LVX_API __attribute__((visibility("default")))
#else
#define LVX_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Version -------------------------------------------------------------------------------------------------- */

/** Rises with every incompatible change of this header. */
#define LVX_ABI_VERSION 1

/** The LVX_ABI_VERSION that the library was built with. */
LVX_API int32_t lvx_abi_version(void);

/** The library's version, for instance "0.1.0"; static storage. */
LVX_API const char* lvx_version(void);

/* ---- Status and errors ---------------------------------------------------------------------------------------- */

typedef enum lvx_status {
  LVX_OK = 0,
  LVX_INVALID_ARGUMENT = 1, /**< null, dtype, rank, shape, strides, device, aliasing, overflow */
  LVX_INVALID_HANDLE = 2,   /**< closed, stale, forged, or a handle of another type */
  LVX_INVALID_STATE = 3,    /**< the object cannot do this now: a failed group, a device in use */
  LVX_UNSUPPORTED = 4,      /**< a valid request that this device or strategy does not serve */
  LVX_OUT_OF_MEMORY = 5,    /**< everything stays usable; the message has the bytes requested and in use */
  LVX_TIMEOUT = 6,          /**< a peer did not answer in time; lvx_error.rank names it */
  LVX_PEER_LOST = 7,        /**< a peer left, failed or died; lvx_error.rank names it */
  LVX_PEER_MISMATCH = 8,   /**< a peer called a different collective; no data moved, the group stays usable */
  LVX_MISSING_LIBRARY = 9, /**< an optional library could not be loaded; the message names it */
  /** The device failed; close it. After that the process cannot use a GPU any more: start a new process. */
  LVX_DEVICE_ERROR = 10,
  LVX_INTERNAL = 11 /**< a fault of this library */
} lvx_status;

/** What went wrong in the last call on this thread that did not return LVX_OK. */
typedef struct lvx_error {
  uint64_t struct_size;
  int32_t status;     /**< lvx_status */
  int32_t rank;       /**< the peer at fault, or -1 */
  uint64_t sequence;  /**< number of the group operation, counted from 1, or 0 outside of one */
  char operation[32]; /**< the group operation, or empty */
  char argument[32];  /**< the argument at fault as this header names it, a peer's if rank is one; or empty */
  char message[1024]; /**< UTF-8, always terminated; a colon follows the argument's name in it */
} lvx_error;

/** Copies this thread's last error. Status LVX_OK and an empty message if there was none. */
LVX_API lvx_status lvx_last_error(lvx_error* error);

/* ---- Tensors: exactly the layout of DLPack's DLTensor ---------------------------------------------------------- */

/** The numbers of DLDeviceType. Devices are LVX_CPU or LVX_CUDA. Tensors of a CPU may also be in page-locked memory of
 *  CUDA, tensors of a GPU in managed memory. */
typedef enum lvx_device_kind {
  LVX_CPU = 1,
  LVX_CUDA = 2,
  LVX_CUDA_HOST = 3,
  LVX_CUDA_MANAGED = 13
} lvx_device_kind;

typedef enum lvx_dtype_code {
  LVX_INT = 0,
  LVX_FLOAT = 2,
  LVX_BFLOAT = 4
} lvx_dtype_code; /* the numbers of DLDataTypeCode */

typedef struct lvx_dl_device {
  int32_t device_type; /**< lvx_device_kind */
  int32_t device_id;
} lvx_dl_device;

typedef struct lvx_dl_dtype {
  uint8_t code; /**< lvx_dtype_code */
  uint8_t bits;
  uint16_t lanes; /**< always 1 */
} lvx_dl_dtype;

typedef struct lvx_tensor {
  void* data; /**< may be null when the tensor has no elements */
  lvx_dl_device device;
  int32_t ndim;
  lvx_dl_dtype dtype;
  int64_t* shape;
  int64_t* strides; /**< in elements; null for compact row-major */
  uint64_t byte_offset;
} lvx_tensor;

/* ---- Devices and their memory --------------------------------------------------------------------------------- */

typedef uint64_t lvx_device;
typedef uint64_t lvx_buffer;

typedef struct lvx_cpu_options {
  uint64_t struct_size;
  int32_t threads; /**< 0: as many as this process may use; otherwise 1 to 1024 */
  int32_t reserved;
  uint64_t memory_budget; /**< bytes this device may hold, 0: no limit */
} lvx_cpu_options;

/** What computes attention on a GPU. Each rank of a group may choose its own. */
typedef enum lvx_attention_backend {
  /** The kernels of this library: every problem, the same bits on every run. */
  LVX_ATTENTION_BACKEND_LVX = 0,
  /** cuDNN 9.17 or later; LVX_UNSUPPORTED, with the reason, for what it does not take. cuDNN does not guarantee the
   *  same gradient bits on every run. */
  LVX_ATTENTION_BACKEND_CUDNN = 1,
  /** The faster of the two: measured when a problem first occurs, and kept until the process ends. The kernels of this
   *  library for what cuDNN does not take. */
  LVX_ATTENTION_BACKEND_AUTO = 2
} lvx_attention_backend;

typedef struct lvx_cuda_options {
  uint64_t struct_size;
  int32_t ordinal;           /**< as the CUDA runtime counts the GPUs, from 0 */
  int32_t attention_backend; /**< lvx_attention_backend */
  uint64_t memory_budget;    /**< bytes this device may hold, 0: no limit */
  /** A cudaStream_t of that GPU on which all work is enqueued. The caller owns it, and it must outlive the device.
   *  Null: the device makes a stream of its own. */
  void* stream;
} lvx_cuda_options;

typedef struct lvx_device_info {
  uint64_t struct_size;
  int32_t kind; /**< lvx_device_kind */
  int32_t ordinal;
  int32_t threads;
  int32_t multiprocessors; /**< of a GPU; 0 for a CPU */
  uint64_t bytes_in_use;   /**< buffers and workspaces now allocated */
  uint64_t peak_bytes;     /**< the largest bytes_in_use so far */
  uint64_t buffers;        /**< open buffers */
  uint64_t groups;         /**< open groups */
  uint64_t memory_budget;  /**< bytes this device may hold, 0: no limit */
  uint64_t memory_total;   /**< of the GPU; 0 for a CPU */
  uint64_t memory_free;    /**< of the GPU now, according to the driver */
  int32_t compute_major;   /**< compute capability of a GPU, for instance 9.0; 0 for a CPU */
  int32_t compute_minor;
  char name[128]; /**< for people, for instance the instruction set in use */
} lvx_device_info;

/** Opens a CPU device with its own threads. options may be null. */
LVX_API lvx_status lvx_device_open_cpu(const lvx_cpu_options* options, lvx_device* device);

/**
 * Opens an NVIDIA GPU of compute capability 8.0 or later. Calls are asynchronous: they return once work is enqueued
 * on the device's stream, and lvx_device_synchronize waits for it. Buffers are GPU memory, which the host reads by
 * lvx_device_copy. The contents of visibility tensors are not checked on a GPU: inverted ranges count as empty,
 * unordered or overlapping ones give wrong results. LVX_MISSING_LIBRARY without liblvx_cuda.so, NVIDIA's driver, a
 * GPU, or, for LVX_ATTENTION_BACKEND_CUDNN, cuDNN. options may be null.
 */
LVX_API lvx_status lvx_device_open_cuda(const lvx_cuda_options* options, lvx_device* device);

/** Returns when all work enqueued on the device is done. LVX_DEVICE_ERROR if some of it failed. */
LVX_API lvx_status lvx_device_synchronize(lvx_device device);

/** Copies bytes to, from or within the device's memory, after the work enqueued so far; returns when that is done. */
LVX_API lvx_status lvx_device_copy(lvx_device device, const void* from, void* to, uint64_t bytes);

/** The same copy, but returns once it is enqueued: until lvx_device_synchronize both sides must stay valid, and the
 *  host must not touch them. Asynchronous only from and to memory of lvx_host_buffer_allocate. */
LVX_API lvx_status lvx_device_copy_begin(lvx_device device, const void* from, void* to, uint64_t bytes);

/** LVX_INVALID_ARGUMENT unless the device's kernels can use memory at this address. A CPU takes every address but
 *  null. */
LVX_API lvx_status lvx_device_check_address(lvx_device device, const void* data);

/** LVX_INVALID_STATE while buffers or groups of the device are open. */
LVX_API lvx_status lvx_device_close(lvx_device device);

LVX_API lvx_status lvx_device_query(lvx_device device, lvx_device_info* info);

/** One decision of LVX_ATTENTION_BACKEND_AUTO. */
typedef struct lvx_attention_backend_choice {
  int32_t attention_backend; /**< lvx_attention_backend, the one chosen */
  int32_t backward;          /**< 1: of backward, 0: of forward */
  int32_t dtype_code;        /**< those of lvx_dl_dtype */
  int32_t dtype_bits;
  int64_t batch; /**< sizes of the block of queries and keys; all 0: any sizes, for the reason given */
  int64_t queries;
  int64_t keys;
  int32_t query_heads;
  int32_t key_heads;
  int32_t head_dim;
  int32_t reserved;
  double lvx_seconds;   /**< measured; 0: not measured */
  double cudnn_seconds; /**< likewise */
  char reason[256];     /**< for people */
} lvx_attention_backend_choice;

/** Copies the choices of LVX_ATTENTION_BACKEND_AUTO on this device's GPU so far, as many as fit; count gets their
 *  number. */
LVX_API lvx_status lvx_device_attention_backend_choices(lvx_device device,
                                                        lvx_attention_backend_choice* choices,
                                                        uint64_t capacity, uint64_t* count);

/** Loads cuDNN as LVX_ATTENTION_BACKEND_CUDNN does, without a GPU; version gets its version, 92400 for 9.24.0.
 *  LVX_MISSING_LIBRARY: the message names the missing library and how to get it. */
LVX_API lvx_status lvx_device_load_cudnn(uint64_t* version);

/** Allocates bytes (at least 1) of zeroed device memory, aligned to 64 bytes. */
LVX_API lvx_status lvx_buffer_allocate(lvx_device device, uint64_t bytes, lvx_buffer* buffer, void** data);

/** Allocates bytes (at least 1) of zeroed host memory for copies to and from the device: page-locked for a GPU,
 *  ordinary for a CPU. It counts as an open buffer, but not against the budget. */
LVX_API lvx_status lvx_host_buffer_allocate(lvx_device device, uint64_t bytes, lvx_buffer* buffer,
                                            void** data);

LVX_API lvx_status lvx_buffer_free(lvx_buffer buffer);

/** to = from. Both have the same shape of 1 to 4 dimensions and floating-point dtypes; numbers are rounded to nearest
 *  if to's dtype is narrower. The two must not overlap. */
LVX_API lvx_status lvx_tensor_copy(lvx_device device, const lvx_tensor* from, const lvx_tensor* to);

/* ---- Groups: the ranks that compute together -------------------------------------------------------------------- */

typedef uint64_t lvx_world;
typedef uint64_t lvx_group;

typedef uint64_t lvx_bootstrap;

typedef enum lvx_group_kind {
  LVX_GROUP_SELF = 0,  /**< one rank */
  LVX_GROUP_LOCAL = 1, /**< ranks are threads of this process */
  LVX_GROUP_GLOO = 2,  /**< ranks are processes, joined by this library over TCP: see lvx_gloo_begin */
  LVX_GROUP_MPI = 3,   /**< ranks are processes, joined by MPI */
  LVX_GROUP_NCCL = 4   /**< ranks are CUDA devices, of any processes, joined by NCCL */
} lvx_group_kind;

/** The longest secret of a group, without the zero at its end. */
#define LVX_SECRET_BYTES 1024

typedef struct lvx_group_options {
  uint64_t struct_size;
  /** The longest wait for a peer; 0: 60 seconds. Over TCP (LVX_GROUP_GLOO) it counts from the last byte that moved: a
   *  slow link is waited for while bytes flow. MPI and NCCL do not report bytes, so there it bounds each whole
   *  transfer. */
  double timeout_seconds;
  int32_t ranks_per_node;   /**< ranks are placed on nodes in order; 0: one node */
  int32_t recorder_entries; /**< operations that the flight recorder keeps; 0: 4096 */
  /* A local group can emulate the links between its ranks, so that strategies can be compared on any machine. A
   * message takes latency + bytes / bandwidth, and each rank sends and receives one message of a kind at a time.
   * Bandwidth 0: as fast as memory, whatever the latency. For other groups these must be 0. */
  double intra_bytes_per_second; /**< inside a node */
  double intra_latency_seconds;
  double inter_bytes_per_second; /**< between nodes */
  double inter_latency_seconds;
  int32_t shared_inter; /**< 1: the ranks of a node share one link to the others; 0: each has its own */
  /** 1: each rank's clock counts its thread's CPU time and the emulated transfers, so that more ranks than processors
   *  can be compared without waiting. All times in the statistics are of this clock. Devices must have one thread. 0:
   *  real time. */
  int32_t virtual_time;
  /* For groups over TCP, and for the TCP side of NCCL groups; ignored by others. */
  /** The shared secret by which ranks authenticate each other, the same on all: UTF-8 of 1 to LVX_SECRET_BYTES bytes;
   *  copied, never sent. Null: none; then whoever sees the ranks' addresses in transit can join in a rank's place. */
  const char* secret;
  /** 0: messages carry a checksum (CRC-32C); 1: they do not. The same on all ranks. */
  int32_t without_checksums;
  int32_t reserved; /**< 0 */
} lvx_group_options;

typedef struct lvx_group_info {
  uint64_t struct_size;
  int32_t kind; /**< lvx_group_kind */
  int32_t rank;
  int32_t size;
  int32_t failed;    /**< 1 after an operation has failed midway; close the group and make a new one */
  uint64_t sequence; /**< operations begun so far */
  double timeout_seconds;
} lvx_group_info;

#define LVX_REJECTED_CONNECTION_LINES 10

/** Connections that were rejected while a group was made, because they did not authenticate as a rank of it. */
typedef struct lvx_rejected_connections {
  uint64_t struct_size;
  uint64_t count;
  /** For each of the first: its address and why it was rejected. */
  char lines[LVX_REJECTED_CONNECTION_LINES][128];
} lvx_rejected_connections;

/** One entry of the flight recorder. */
typedef struct lvx_record {
  uint64_t sequence;
  int32_t state;  /**< 0 begun, 1 done, 2 failed */
  int32_t status; /**< lvx_status, once failed */
  int32_t peer;   /**< the peer at fault, or -1 */
  int32_t reserved;
  int64_t begin_nanoseconds; /**< since the Unix epoch */
  int64_t end_nanoseconds;   /**< 0 while it runs */
  uint64_t bytes_sent;
  uint64_t bytes_received;
  char operation[32];
} lvx_record;

/** A group of one rank. options may be null. */
LVX_API lvx_status lvx_group_create_self(lvx_device device, const lvx_group_options* options,
                                         lvx_group* group);

/** Where threads of this process meet to form a local group; size 1 to 4096. */
LVX_API lvx_status lvx_local_world_create(int32_t size, const lvx_group_options* options, lvx_world* world);

/** Joins as one rank of a local group. Each rank joins once, has a device of its own and is driven by one thread. All
 *  devices have the same kind; several may be on the same GPU. Links are emulated between CPUs only. */
LVX_API lvx_status lvx_local_world_join(lvx_world world, int32_t rank, lvx_device device, lvx_group* group);

/** No rank can join any more. Existing groups stay usable. */
LVX_API lvx_status lvx_local_world_close(lvx_world world);

/** Loads the libraries for groups of a kind. LVX_MISSING_LIBRARY: the message names the library and where to get it. */
LVX_API lvx_status lvx_group_load_backend(int32_t kind);

/**
 * The first of two steps by which processes form a group over TCP: this rank listens on a port that the system
 * chooses. The caller exchanges the addresses of all ranks; lvx_bootstrap_connect is the second step. It is named
 * after Gloo, which once moved the data. Gloo's listeners trust whoever connects, and abort the process on unexpected
 * input, so this library has its own transport.
 *
 * Both sides of each connection first prove that they know the addresses of all ranks, which contain random numbers,
 * and the secret of the options, if any. Other connections are dropped. Nothing is encrypted, and whoever can modify
 * packets can modify data: use an isolated network.
 *
 * @param rank    0 to size - 1;  size 1 to 4096
 * @param host    a name or address of this machine by which the others reach it, not link-local IPv6. Null: what its
 *                own name resolves to; if others cannot use that, the address of a network interface, IPv4 first,
 *                else of the loopback device
 * @param options of the group; may be null. The timeout also bounds the wait for each peer to connect.
 */
LVX_API lvx_status lvx_gloo_begin(int32_t rank, int32_t size, const char* host,
                                  const lvx_group_options* options, lvx_bootstrap* bootstrap);

/**
 * The same over NCCL 2.18 or later, for CUDA devices, one per rank. A process may have several ranks, each driven by
 * its own thread. NCCL moves the data; announcements go over TCP as above.
 */
LVX_API lvx_status lvx_nccl_begin(int32_t rank, int32_t size, const char* host,
                                  const lvx_group_options* options, lvx_bootstrap* bootstrap);

/** Copies the rank's address, opaque bytes, if capacity suffices; length gets its length, the same on all ranks. */
LVX_API lvx_status lvx_bootstrap_address(lvx_bootstrap bootstrap, uint8_t* address, uint64_t capacity,
                                         uint64_t* length);

/**
 * The second step: connects this rank to all others, which must do the same; blocks until that is done. Call it once
 * for each bootstrap, and lvx_bootstrap_close afterwards, whether it succeeded or not.
 *
 * LVX_PEER_MISMATCH: this rank and another one have different secrets.
 *
 * @param device    the rank's device; LVX_UNSUPPORTED if the backend cannot move its memory
 * @param addresses the addresses of all ranks in rank order, one after the other;  bytes: of all together
 */
LVX_API lvx_status lvx_bootstrap_connect(lvx_bootstrap bootstrap, lvx_device device, const uint8_t* addresses,
                                         uint64_t bytes, lvx_group* group);

/** A group made by the bootstrap stays usable. */
LVX_API lvx_status lvx_bootstrap_close(lvx_bootstrap bootstrap);

/**
 * Connections rejected during this thread's last lvx_bootstrap_connect or lvx_group_create_nccl, whether it succeeded or
 * not. A count of 0 if there were none.
 */
LVX_API lvx_status lvx_last_rejected_connections(lvx_rejected_connections* rejected);

#define LVX_NCCL_ID_BYTES 128

/** Makes an NCCL unique id, LVX_NCCL_ID_BYTES long, for lvx_group_create_nccl. One rank makes it, and the caller
 *  sends it to the others. It serves one group. */
LVX_API lvx_status lvx_nccl_new_id(uint8_t* id);

/**
 * A group over NCCL of all ranks that pass the same id at the same time: for schedulers that can only broadcast bytes.
 * Errors cannot name a missing rank; those of lvx_nccl_begin can.
 *
 * @param id   of lvx_nccl_new_id or ncclGetUniqueId, LVX_NCCL_ID_BYTES long
 * @param host as in lvx_gloo_begin
 */
LVX_API lvx_status lvx_group_create_nccl(lvx_device device, int32_t rank, int32_t size, const uint8_t* id,
                                         const char* host, const lvx_group_options* options,
                                         lvx_group* group);

/**
 * A group of all processes that mpirun, or another launcher of MPI, has started. Starts MPI if the process has not;
 * then MPI is shut down when the process ends. options may be null.
 */
LVX_API lvx_status lvx_group_create_mpi(lvx_device device, const lvx_group_options* options,
                                        lvx_group* group);

/** Leaves the group. Peers that wait for this rank, now or later, get LVX_PEER_LOST. */
LVX_API lvx_status lvx_group_close(lvx_group group);

LVX_API lvx_status lvx_group_query(lvx_group group, lvx_group_info* info);

LVX_API lvx_status lvx_group_set_timeout(lvx_group group, double seconds);

/** Returns when every rank of the group has called it. */
LVX_API lvx_status lvx_group_barrier(lvx_group group);

/** All-gathers small messages in host memory, 1 to 65536 bytes, the same number on every rank: all gets size times
 *  bytes, in rank order. For control messages, not for data. A collective call. */
LVX_API lvx_status lvx_group_all_gather(lvx_group group, const void* mine, uint64_t bytes, void* all);

/**
 * Replaces tensor by its sum over the ranks. All ranks have the same dtype, float32 or float64, and the same shape of
 * 1 to 4 dimensions, compact. Dtype and number of elements are compared before data moves. The order of the sum
 * depends on the number of ranks alone, and all ranks get the same bits. A collective call.
 */
LVX_API lvx_status lvx_group_all_reduce(lvx_group group, const lvx_tensor* tensor);

/** The collective operations of a group. */
typedef enum lvx_operation {
  LVX_OPERATION_BARRIER = 0,        /**< lvx_group_barrier */
  LVX_OPERATION_ALL_GATHER = 1,     /**< lvx_group_all_gather */
  LVX_OPERATION_FORWARD = 2,        /**< lvx_attention_forward */
  LVX_OPERATION_BACKWARD = 3,       /**< lvx_attention_backward */
  LVX_OPERATION_ALL_REDUCE = 4,     /**< lvx_group_all_reduce */
  LVX_OPERATION_VISUAL_FORWARD = 5, /**< lvx_visual_forward */
  LVX_OPERATION_VISUAL_BACKWARD = 6 /**< lvx_visual_backward */
} lvx_operation;

/**
 * Tells the peers that this rank will not make the collective call that they make. Their calls return
 * LVX_PEER_MISMATCH, with this rank and the reason, and the group stays usable. For callers that find an error before
 * they can make the call; a call with wrong arguments declines by itself. Does not block.
 *
 * @param operation the lvx_operation that is declined
 * @param reason    UTF-8 for people; cut off after 255 bytes
 */
LVX_API lvx_status lvx_group_decline(lvx_group group, int32_t operation, const char* reason);

/** Copies the newest entries of the flight recorder that fit, oldest first; count gets the number of all. Any thread
 *  may call it while an operation runs. */
LVX_API lvx_status lvx_group_records(lvx_group group, lvx_record* records, uint64_t capacity,
                                     uint64_t* count);

/* ---- Attention -------------------------------------------------------------------------------------------------- */

typedef enum lvx_strategy {
  /** Query blocks travel around the ring, partial results go directly home (LV-XAttn, arXiv 2502.02406). */
  LVX_QUERY_RING = 1,
  LVX_QUERY_GATHER = 2,    /**< query blocks go to all ranks at once, partial results directly home */
  LVX_KV_RING = 3,         /**< keys and values travel around the ring (Ring Attention, arXiv 2310.01889) */
  LVX_KV_GATHER = 4,       /**< keys and values go to all ranks at once (Megatron's context parallelism) */
  LVX_HEAD_ALL_TO_ALL = 5, /**< heads against sequence (DeepSpeed-Ulysses, arXiv 2309.14509) */
  LVX_TWO_LEVEL = 6        /**< query blocks enter each node once, one result leaves it */
} lvx_strategy;

typedef struct lvx_attention_options {
  uint64_t struct_size;
  double scale;     /**< finite; multiplies q k^T, usually headDim^-1/2 */
  int32_t strategy; /**< lvx_strategy; the same on every rank */
  int32_t reserved;
} lvx_attention_options;

/** The cost of one call on this rank. bytes and messages count payload; control counts are headers and handshakes. */
typedef struct lvx_statistics {
  uint64_t struct_size;
  uint64_t bytes_sent;
  uint64_t messages_sent;
  uint64_t inter_node_bytes_sent;
  uint64_t bytes_received;
  uint64_t messages_received;
  uint64_t control_bytes_sent;
  uint64_t control_messages_sent;
  uint64_t peak_bytes; /**< workspace in addition to the caller's tensors */
  double total_seconds;
  double compute_seconds;
  double exposed_wait_seconds; /**< spent waiting for transfers, not hidden behind compute */
  int32_t strategy;            /**< the lvx_strategy that ran */
  int32_t attention_backends;  /**< bits 1 << lvx_attention_backend of those that computed attention */
} lvx_statistics;

/**
 * o = softmax(scale q k^T + bias, over visible keys) v, over the keys of all ranks; every rank passes its own shard.
 *
 * @param q          [B, Sq, Hq, D] of this rank; float64, float32, bfloat16 or float16; D a multiple of 8, 8 to 256
 * @param k,v        [B, Skv, Hkv, D] of this rank, dtype of q; Hq a multiple of Hkv; query head h reads key head h /
 *                   (Hq / Hkv). The group's keys are its ranks' shards in rank order, and so are its queries. Seen
 *                   ones are finite: |q| |k| D below 3.4e38, |v| up to 3.39e38 (on a GPU 1e34; float64: 1.8e308 /
 *                   Skv)
 * @param visibility null, or int32 [B, Sq, R, 2]: for each query R half-open ranges of the group's keys, ascending
 *                   and disjoint, empty ones (begin == end) anywhere; on all ranks or none. Keys outside may hold
 *                   anything, NaN included.
 * @param bias       null, or [B or 1, Hq or 1, the group's queries or 1, Skv of this rank] in q's dtype or float32
 *                   (float64 inputs: float64 only); finite or -inf; on all ranks or none
 * @param o          out: [B, Sq, Hq, D], dtype of q; 0 where a query sees no key
 * @param lse        out: [B, Hq, Sq] or, with its terms, [3, B, Hq, Sq], float32 (float64 for float64); -inf where a
 *                   query sees no key
 * @param statistics out, or null
 *
 * A collective call: every rank of the group makes it, with the same batch, heads, headDim, dtype, scale and
 * strategy. Method: online softmax by blocks (Milakov and Gimelshein 2018; Dao et al. 2022), partial results merged
 * by lse.
 */
LVX_API lvx_status lvx_attention_forward(lvx_group group, const lvx_attention_options* options,
                                         const lvx_tensor* q, const lvx_tensor* k, const lvx_tensor* v,
                                         const lvx_tensor* visibility, const lvx_tensor* bias,
                                         const lvx_tensor* o, const lvx_tensor* lse,
                                         lvx_statistics* statistics);

/**
 * Gradients of lvx_attention_forward, from its final o and lse. If lse covers more keys than k, the result is these
 * keys' share of dq.
 *
 * @param lse   [3, B, Hq, Sq], with its terms, if there is a bias. [B, Hq, Sq] suffices if no bias is large: an entry
 *              beyond +-4096 is LVX_INVALID_ARGUMENT (on a CPU; a GPU does not check)
 * @param d_o   [B, Sq, Hq, D], gradient of o, dtype of q
 * @param dq    out: like q;  dk, dv out: like k and v
 * @param dbias out, or null: like bias, in bias's dtype, summed over the dimensions along which bias is broadcast
 */
LVX_API lvx_status lvx_attention_backward(lvx_group group, const lvx_attention_options* options,
                                          const lvx_tensor* q, const lvx_tensor* k, const lvx_tensor* v,
                                          const lvx_tensor* visibility, const lvx_tensor* bias,
                                          const lvx_tensor* o, const lvx_tensor* lse, const lvx_tensor* d_o,
                                          const lvx_tensor* dq, const lvx_tensor* dk, const lvx_tensor* dv,
                                          const lvx_tensor* dbias, lvx_statistics* statistics);

/** Merges the partial result (o_part, lse_part) into (o, lse), both over the same queries and disjoint keys.
 *  o and o_part may differ in dtype; they are merged in float32 (float64 if both are float64). lse has its terms if
 *  lse_part has; both need them if a bias is large. */
LVX_API lvx_status lvx_attention_merge(lvx_device device, const lvx_tensor* o_part,
                                       const lvx_tensor* lse_part, const lvx_tensor* o,
                                       const lvx_tensor* lse);

/** delta = rowsum(d_o * o): [B, Hq, Sq], float32 (float64 for float64). */
LVX_API lvx_status lvx_attention_delta(lvx_device device, const lvx_tensor* o, const lvx_tensor* d_o,
                                       const lvx_tensor* delta);

/* ---- Non-attention layer operations ------------------------------------------------------------------------------ */

/*
 * These run on one device. x and tensors like it are [batch, rows, width] of one floating-point dtype, computed in
 * float32 (float64 for float64). Parameters have that dtype or its accumulator's (float32; float64 for float64).
 * Gradients of parameters have the accumulator's and are added to; every other output is overwritten, unless add says
 * otherwise. An output may be the same tensor as an input only where stated. live is null or int32 [batch, rows];
 * rows with 0 are skipped as described.
 */

/** y = x w^T + b: x [batch, rows, in], w [out, in], b null or [out], y [batch, rows, out]. Rows of w and dw do not
 *  overlap and are less than 2^31 elements apart; w and dw have fewer than 2^31 rows and columns. */
LVX_API lvx_status lvx_linear_forward(lvx_device device, const lvx_tensor* x, const lvx_tensor* w,
                                      const lvx_tensor* b, const lvx_tensor* y);

/** dx = dy w, added to dx if add_dx is 1; dw += dy^T x; db += column sums of dy. Null outputs are not computed; x
 *  may be null if dw is. */
LVX_API lvx_status lvx_linear_backward(lvx_device device, const lvx_tensor* x, const lvx_tensor* w,
                                       const lvx_tensor* dy, const lvx_tensor* dx, int32_t add_dx,
                                       const lvx_tensor* dw, const lvx_tensor* db);

typedef enum lvx_norm {
  LVX_NORM_NONE = 0,
  LVX_NORM_RMS = 1,  /**< weight * x / sqrt(mean(x^2) + epsilon) (arXiv 1910.07467) */
  LVX_NORM_LAYER = 2 /**< weight * (x - mean) / sqrt(variance + epsilon) + bias (arXiv 1607.06450) */
} lvx_norm;

/** Normalises the last dimension of x, [batch, rows, width] or [batch, rows, heads, width]; weight and bias [width],
 *  bias for LVX_NORM_LAYER only, where it may be null. epsilon is 0 or more. y may be x. */
LVX_API lvx_status lvx_norm_forward(lvx_device device, int32_t norm, double epsilon, const lvx_tensor* x,
                                    const lvx_tensor* weight, const lvx_tensor* bias, const lvx_tensor* y);

/** x is forward's input. dx may be dy unless add_dx is 1. dx, dweight or dbias null: not computed. */
LVX_API lvx_status lvx_norm_backward(lvx_device device, int32_t norm, double epsilon, const lvx_tensor* x,
                                     const lvx_tensor* weight, const lvx_tensor* dy, const lvx_tensor* dx,
                                     int32_t add_dx, const lvx_tensor* dweight, const lvx_tensor* dbias);

/**
 * Rotary embedding (arXiv 2104.09864) of the pairs (i, i + D/2) of each head by positions * theta^(-2 i / D); angles
 * in float64. x [batch, rows, heads, D], D even and at most 256; positions int32 [batch, rows]; y may be x. inverse
 * 1: rotates by the negative angle, which is also the gradient.
 */
LVX_API lvx_status lvx_rotary(lvx_device device, double theta, int32_t inverse, const lvx_tensor* x,
                              const lvx_tensor* positions, const lvx_tensor* y);

/** y = silu(gate) * up (SwiGLU, arXiv 2002.05202); y may be gate or up. */
LVX_API lvx_status lvx_swiglu_forward(lvx_device device, const lvx_tensor* gate, const lvx_tensor* up,
                                      const lvx_tensor* y);

/** dgate may be gate, dup may be up. */
LVX_API lvx_status lvx_swiglu_backward(lvx_device device, const lvx_tensor* gate, const lvx_tensor* up,
                                       const lvx_tensor* dy, const lvx_tensor* dgate, const lvx_tensor* dup);

/** y = x Phi(x), with erf (arXiv 1606.08415); y may be x. */
LVX_API lvx_status lvx_gelu_forward(lvx_device device, const lvx_tensor* x, const lvx_tensor* y);

/** dx may be x or dy. */
LVX_API lvx_status lvx_gelu_backward(lvx_device device, const lvx_tensor* x, const lvx_tensor* dy,
                                     const lvx_tensor* dx);

/** y = x + tanh(gate) branch in live rows, y = x in others. gate [1], or null for the factor 1; y may be x or
 *  branch. */
LVX_API lvx_status lvx_gated_add_forward(lvx_device device, const lvx_tensor* x, const lvx_tensor* branch,
                                         const lvx_tensor* gate, const lvx_tensor* live, const lvx_tensor* y);

/** dbranch may be branch; it is 0 in rows that are not live. The gradient of x is dy itself. dgate may be null, and
 *  must be if gate is; branch may then be null too. */
LVX_API lvx_status lvx_gated_add_backward(lvx_device device, const lvx_tensor* branch, const lvx_tensor* gate,
                                          const lvx_tensor* live, const lvx_tensor* dy,
                                          const lvx_tensor* dbranch, const lvx_tensor* dgate);

/** y = (1 - sigmoid(gate)) a + sigmoid(gate) b in live rows, y = a in others. gate [width]; y may be a or b. */
LVX_API lvx_status lvx_blend_forward(lvx_device device, const lvx_tensor* a, const lvx_tensor* b,
                                     const lvx_tensor* gate, const lvx_tensor* live, const lvx_tensor* y);

/** da may be a, db may be b; dgate may be null. */
LVX_API lvx_status lvx_blend_backward(lvx_device device, const lvx_tensor* a, const lvx_tensor* b,
                                      const lvx_tensor* gate, const lvx_tensor* live, const lvx_tensor* dy,
                                      const lvx_tensor* da, const lvx_tensor* db, const lvx_tensor* dgate);

/** y += x; y has the dtype of x or its accumulator's. */
LVX_API lvx_status lvx_add(lvx_device device, const lvx_tensor* x, const lvx_tensor* y);

/** Zeroes the rows of x that are not live. */
LVX_API lvx_status lvx_clear_rows(lvx_device device, const lvx_tensor* live, const lvx_tensor* x);

/* ---- Keys and values from visual features ------------------------------------------------------------------------- */

typedef enum lvx_key_value_layout {
  LVX_KEY_VALUE_SEPARATE = 0,     /**< weight gives K, value_weight V, head after head */
  LVX_KEY_VALUE_CONCATENATED = 1, /**< weight gives K of all heads, then V of all heads */
  LVX_KEY_VALUE_INTERLEAVED = 2   /**< weight gives K and V of the first head, then of the second, ... */
} lvx_key_value_layout;

/**
 * How a layer projects keys and values from features [batch, Skv, width]:
 *   f = input_norm(features);  K = f Wk^T + bk;  V = f Wv^T + bv;  K = rotary(key_norm(K), positions)
 */
typedef struct lvx_projection {
  uint64_t struct_size;
  int32_t key_heads;
  int32_t head_dim;
  int32_t layout;     /**< lvx_key_value_layout */
  int32_t input_norm; /**< lvx_norm of the features */
  int32_t key_norm;   /**< lvx_norm of each head's keys: LVX_NORM_NONE or LVX_NORM_RMS */
  int32_t rotary;     /**< 1: keys are rotated by positions */
  double input_epsilon;
  double key_epsilon;
  double theta;                   /**< of the rotary embedding */
  const lvx_tensor* weight;       /**< [Hkv D, width]; [2 Hkv D, width] where it gives both */
  const lvx_tensor* bias;         /**< null, or [Hkv D]; [2 Hkv D] where it serves both */
  const lvx_tensor* value_weight; /**< [Hkv D, width] for LVX_KEY_VALUE_SEPARATE, null for the others */
  const lvx_tensor* value_bias;   /**< null, or [Hkv D] for LVX_KEY_VALUE_SEPARATE */
  const lvx_tensor* input_weight; /**< [width], of input_norm */
  const lvx_tensor* input_bias;   /**< [width], of LVX_NORM_LAYER */
  const lvx_tensor* key_weight;   /**< [D], of key_norm */
  const lvx_tensor* positions;    /**< int32 [batch, Skv], of rotary */
} lvx_projection;

/** Gradients of a projection's parameters, with their shapes; added to. Null: not computed, or no such parameter. */
typedef struct lvx_projection_gradients {
  uint64_t struct_size;
  const lvx_tensor* weight;
  const lvx_tensor* bias;
  const lvx_tensor* value_weight;
  const lvx_tensor* value_bias;
  const lvx_tensor* input_weight;
  const lvx_tensor* input_bias;
  const lvx_tensor* key_weight;
} lvx_projection_gradients;

/** raw_k, v [batch, Skv, Hkv, D]: keys before key_norm and rotary, and values. */
LVX_API lvx_status lvx_project_forward(lvx_device device, const lvx_projection* projection,
                                       const lvx_tensor* features, const lvx_tensor* raw_k,
                                       const lvx_tensor* v);

/** k = rotary(key_norm(raw_k)); k may be raw_k. Only the fields for norm and rotary are read. */
LVX_API lvx_status lvx_project_keys(lvx_device device, const lvx_projection* projection,
                                    const lvx_tensor* raw_k, const lvx_tensor* k);

/** Gradients from dk and dv, which have the dtype of the features or its accumulator's; raw_k is read if there is a key
 *  norm. d_features, in the accumulator's dtype, is added to; null: not computed. */
LVX_API lvx_status lvx_project_backward(lvx_device device, const lvx_projection* projection,
                                        const lvx_tensor* features, const lvx_tensor* raw_k,
                                        const lvx_tensor* dk, const lvx_tensor* dv,
                                        const lvx_tensor* d_features,
                                        const lvx_projection_gradients* gradients);

typedef struct lvx_visual_options {
  uint64_t struct_size;
  double scale; /**< as in lvx_attention_options */
  /** Rows of features that are projected at a time, 1 or more; the last tile may be shorter. */
  int64_t tile_rows;
} lvx_visual_options;

/**
 * lvx_attention_forward with keys and values that are projected tile by tile and not kept. All queries are gathered
 * while the first tile is projected; every tile is projected once; partial results go home at the end.
 *
 * @param features [B, Skv, width] of this rank, dtype of q; finite in every tile that is seen
 *
 * Otherwise as lvx_attention_forward. A collective call: projections have the same kind on all ranks. The statistics
 * name LVX_QUERY_GATHER, which sends the same.
 */
LVX_API lvx_status lvx_visual_forward(lvx_group group, const lvx_visual_options* options,
                                      const lvx_projection* projection, const lvx_tensor* q,
                                      const lvx_tensor* features, const lvx_tensor* visibility,
                                      const lvx_tensor* bias, const lvx_tensor* o, const lvx_tensor* lse,
                                      lvx_statistics* statistics);

/** Gradients of lvx_visual_forward, tile by tile. d_features and gradients are as in lvx_project_backward, the rest
 *  as in lvx_attention_backward. Gradients of parameters are this rank's share: sum them over the ranks. */
LVX_API lvx_status lvx_visual_backward(
    lvx_group group, const lvx_visual_options* options, const lvx_projection* projection, const lvx_tensor* q,
    const lvx_tensor* features, const lvx_tensor* visibility, const lvx_tensor* bias, const lvx_tensor* o,
    const lvx_tensor* lse, const lvx_tensor* d_o, const lvx_tensor* dq, const lvx_tensor* d_features,
    const lvx_projection_gradients* gradients, const lvx_tensor* dbias, lvx_statistics* statistics);

/** The oracle: textbook attention in float64, one thread, no blocking. All tensors float64 on the CPU, unsharded. */
LVX_API lvx_status lvx_reference_forward(double scale, const lvx_tensor* q, const lvx_tensor* k,
                                         const lvx_tensor* v, const lvx_tensor* visibility,
                                         const lvx_tensor* bias, const lvx_tensor* o, const lvx_tensor* lse);

LVX_API lvx_status lvx_reference_backward(double scale, const lvx_tensor* q, const lvx_tensor* k,
                                          const lvx_tensor* v, const lvx_tensor* visibility,
                                          const lvx_tensor* bias, const lvx_tensor* o, const lvx_tensor* lse,
                                          const lvx_tensor* d_o, const lvx_tensor* dq, const lvx_tensor* dk,
                                          const lvx_tensor* dv, const lvx_tensor* dbias);

/* ---- Workspace of calls ------------------------------------------------------------------------------------------ */

/**
 * Bytes of workspace that the kernels need for these queries and keys, forward and backward: a part of
 * lvx_statistics.peak_bytes. dtype_code and dtype_bits are those of lvx_dl_dtype.
 */
LVX_API lvx_status lvx_attention_scratch(lvx_device device, int32_t dtype_code, int32_t dtype_bits,
                                         int64_t batch, int64_t queries, int64_t keys, int32_t query_heads,
                                         int32_t key_heads, int32_t head_dim, uint64_t* forward,
                                         uint64_t* backward);

/** The same for projecting rows of features, counted over the batch. */
LVX_API lvx_status lvx_projection_scratch(lvx_device device, int32_t dtype_code, int32_t dtype_bits,
                                          int64_t rows, int64_t width, int32_t key_heads, int32_t head_dim,
                                          uint64_t* forward, uint64_t* backward);

/** How q and lse lie in a planned call where they do not lie as usual; bits of lvx_plan_options.layout. */
typedef enum lvx_plan_layout {
  LVX_PLAN_STRIDED_Q = 1,     /**< q's rows lie apart, as in a part of a wider tensor: sent, q is packed */
  LVX_PLAN_STRIDED_DBIAS = 2, /**< dbias does not lie compact */
  LVX_PLAN_PLAIN_LSE = 4      /**< lse is [B, Hq, Sq] although there is a bias */
} lvx_plan_layout;

/**
 * A call of lvx_attention_forward, lvx_attention_backward, lvx_visual_forward or lvx_visual_backward as all its ranks
 * know it. Counts are 0 to 2^40; no tensor of the whole group may have more than 2^55 elements.
 */
typedef struct lvx_plan_options {
  uint64_t struct_size;
  int32_t operation;      /**< lvx_operation, one of the four */
  int32_t strategy;       /**< lvx_strategy; LVX_QUERY_GATHER for the visual operations */
  int32_t ranks;          /**< of the group, 1 to 2^20 */
  int32_t ranks_per_node; /**< as in lvx_group_options; 0: all on one node */
  int32_t dtype_code;     /**< those of lvx_dl_dtype, of q */
  int32_t dtype_bits;
  int32_t query_heads;
  int32_t key_heads;
  int32_t head_dim;
  int32_t layout; /**< bits of lvx_plan_layout, of the rank that is asked for */
  int64_t batch;
  const int64_t* queries; /**< [ranks] */
  const int64_t* keys;    /**< [ranks] */
  const int64_t* ranges;  /**< [ranks]: the R of each rank's visibility; null: no visibility */
  const uint8_t* sees;    /**< [ranks, ranks], with ranges: whether a query of one sees a key of another */
  int32_t bias_dtype_code;
  int32_t bias_dtype_bits;  /**< 0: no bias */
  int64_t bias_batch;       /**< extents of the bias: 1 or batch */
  int64_t bias_heads;       /**< 1 or query_heads */
  int64_t bias_rows;        /**< 1 or the group's queries */
  int32_t bias_gradient;    /**< 1: dbias is wanted */
  int32_t key_value_layout; /**< this and the rest of the visual operations alone: lvx_key_value_layout */
  int32_t input_norm;       /**< lvx_norm of the features */
  int32_t key_norm;         /**< lvx_norm of the keys */
  int32_t rotary;           /**< 1: keys are rotated */
  int32_t reserved;         /**< 0 */
  int64_t width;            /**< of the features, 1 or more */
  int64_t tile_rows;        /**< as in lvx_visual_options */
} lvx_plan_options;

typedef enum lvx_plan_step_kind {
  LVX_PLAN_SEND = 1,      /**< a message is started; those of one ticket complete together */
  LVX_PLAN_RECEIVE = 2,   /**< likewise */
  LVX_PLAN_WAIT = 3,      /**< until all messages of the ticket are complete */
  LVX_PLAN_ATTENTION = 4, /**< the kernel of the operation, over some queries and keys */
  LVX_PLAN_PRODUCT = 5,   /**< a matrix product of a projection, or the two of its gradients */
  LVX_PLAN_MEMORY = 6     /**< copies, merges, sums, norms: work that memory holds up */
} lvx_plan_step_kind;

/** One step of a rank. Fields that do not belong to its kind are 0. */
typedef struct lvx_plan_step {
  int32_t kind;       /**< lvx_plan_step_kind */
  int32_t peer;       /**< the other rank of a message */
  uint64_t ticket;    /**< of a message or a wait; from 1 on */
  uint64_t bytes;     /**< of a message */
  int32_t query_rank; /**< of ATTENTION: whose queries, and how many of each batch item */
  int32_t key_rank;   /**< whose keys; maybe some of them only */
  int64_t queries;
  int64_t keys;
  int32_t query_heads;
  int32_t key_heads;
  double flops;        /**< of PRODUCT; a multiplication and an addition are two */
  uint64_t bytes_read; /**< of MEMORY */
  uint64_t bytes_written;
} lvx_plan_step;

/**
 * What one rank does in a call, in order: the schedule itself runs, over a device and a transport that write down what
 * they are asked for and do nothing. Where there is visibility, who sees whom is taken from sees, and every tile of a rank
 * that is seen counts as seen. Takes time and memory in proportion to the rank's steps. Not a collective call.
 *
 * @param device     whose kernels' scratch counts in statistics.peak_bytes; 0: none does
 * @param rank       0 to options.ranks - 1
 * @param steps      out: the first steps, as many as fit; null with capacity 0
 * @param count      out: how many there are
 * @param statistics out, or null: what the call would count; seconds are 0
 *
 * LVX_UNSUPPORTED where the call would give it: heads that do not divide, visibility of more keys than int32 counts.
 */
LVX_API lvx_status lvx_plan_rank(lvx_device device, const lvx_plan_options* options, int32_t rank,
                                 lvx_plan_step* steps, uint64_t capacity, uint64_t* count,
                                 lvx_statistics* statistics);

/* ---- What this machine can do: yardsticks for the kernels ------------------------------------------------------- */

/** Times one n x n x n float32 matrix product by the BLAS on all threads of the device; n 1 to 16384. */
LVX_API lvx_status lvx_probe_gemm(lvx_device device, int64_t n, double* seconds);

/** Times one pass of all threads over bytes of memory, read only. */
LVX_API lvx_status lvx_probe_read(lvx_device device, uint64_t bytes, double* seconds);

/* ---- Self-description: lets bindings check themselves ------------------------------------------------------------ */

typedef struct lvx_abi_field {
  char name[64]; /**< "lvx_tensor" for a struct, "lvx_tensor.shape" for a field */
  uint64_t offset;
  uint64_t size;
} lvx_abi_field;

/** Describes every struct of this header; count gets the number of entries, of which at most capacity are written. */
LVX_API lvx_status lvx_abi_describe(lvx_abi_field* fields, uint64_t capacity, uint64_t* count);

#ifdef __cplusplus
}
#endif

#endif
