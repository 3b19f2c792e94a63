# SPDX-License-Identifier: Apache-2.0
"""The C ABI of the library that LVX_LIBRARY names, for PyTorch tensors, which are passed by pointer."""

import ctypes
import os

import torch

LIBRARY = ctypes.CDLL(os.environ["LVX_LIBRARY"])
QUERY_RING, QUERY_GATHER, KV_RING, KV_GATHER, HEAD_ALL_TO_ALL, TWO_LEVEL = range(1, 7)
STRATEGIES = {
    "QUERY_RING": QUERY_RING,
    "QUERY_GATHER": QUERY_GATHER,
    "KV_RING": KV_RING,
    "KV_GATHER": KV_GATHER,
    "HEAD_ALL_TO_ALL": HEAD_ALL_TO_ALL,
    "TWO_LEVEL": TWO_LEVEL,
}
CUDA = 2
ATTENTION_BACKEND_LVX, ATTENTION_BACKEND_CUDNN, ATTENTION_BACKEND_AUTO = range(3)
UNSUPPORTED, TIMEOUT, PEER_LOST, MISSING_LIBRARY = 4, 6, 7, 9
INT, FLOAT, BFLOAT = 0, 2, 4


class DlDevice(ctypes.Structure):
    _fields_ = [("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32)]


class DlDtype(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16)]


class Tensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device", DlDevice),
        ("ndim", ctypes.c_int32),
        ("dtype", DlDtype),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


class Error(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_uint64),
        ("status", ctypes.c_int32),
        ("rank", ctypes.c_int32),
        ("sequence", ctypes.c_uint64),
        ("operation", ctypes.c_char * 32),
        ("argument", ctypes.c_char * 32),
        ("message", ctypes.c_char * 1024),
    ]


class CudaOptions(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_uint64),
        ("ordinal", ctypes.c_int32),
        ("attention_backend", ctypes.c_int32),
        ("memory_budget", ctypes.c_uint64),
        ("stream", ctypes.c_void_p),
    ]


class AttentionOptions(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_uint64),
        ("scale", ctypes.c_double),
        ("strategy", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
    ]


class LvxError(RuntimeError):
    def __init__(self, status, message):
        super().__init__(f"status {status}: {message}")
        self.status = status


def check(status):
    if status != 0:
        error = Error(struct_size=ctypes.sizeof(Error))
        LIBRARY.lvx_last_error(ctypes.byref(error))
        raise LvxError(status, error.message.decode())


def described(tensor):
    """The struct for a tensor, or None. ctypes keeps the arrays to which it points alive as long as the struct."""
    if tensor is None:
        return None
    extents = (ctypes.c_int64 * tensor.dim())(*tensor.shape)
    strides = (ctypes.c_int64 * tensor.dim())(*tensor.stride())
    code = {torch.bfloat16: BFLOAT, torch.int32: INT}.get(tensor.dtype, FLOAT)
    dtype = DlDtype(code, tensor.element_size() * 8, 1)
    place = DlDevice(CUDA, tensor.device.index)
    struct = Tensor(tensor.data_ptr(), place, tensor.dim(), dtype, extents, strides, 0)
    return ctypes.byref(struct)


class Rank:
    """A device and its group: one rank alone, or one rank of a local world."""

    def __init__(self, world=None, rank=0, stream=None, attention_backend=ATTENTION_BACKEND_LVX):
        """stream: a torch.cuda.Stream to enqueue work on; None: the device's own stream, which synchronize waits for."""
        self.device = ctypes.c_uint64()
        options = CudaOptions(ctypes.sizeof(CudaOptions), torch.cuda.current_device(), attention_backend, 0,
                              None if stream is None else stream.cuda_stream)
        check(LIBRARY.lvx_device_open_cuda(ctypes.byref(options), ctypes.byref(self.device)))
        self.group = ctypes.c_uint64()
        if world is None:
            check(LIBRARY.lvx_group_create_self(self.device, None, ctypes.byref(self.group)))
        else:
            check(LIBRARY.lvx_local_world_join(world, rank, self.device, ctypes.byref(self.group)))

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        check(LIBRARY.lvx_group_close(self.group))
        check(LIBRARY.lvx_device_close(self.device))

    def synchronize(self):
        check(LIBRARY.lvx_device_synchronize(self.device))

    def forward(self, p, strategy=QUERY_RING):
        options = AttentionOptions(ctypes.sizeof(AttentionOptions), p.scale, strategy, 0)
        tensors = [described(x) for x in (p.q, p.k, p.v, p.ranges, None, p.o, p.lse)]
        check(LIBRARY.lvx_attention_forward(self.group, ctypes.byref(options), *tensors, None))

    def backward(self, p, strategy=QUERY_RING):
        options = AttentionOptions(ctypes.sizeof(AttentionOptions), p.scale, strategy, 0)
        tensors = [
            described(x)
            for x in (p.q, p.k, p.v, p.ranges, None, p.o, p.lse, p.d_o, p.dq, p.dk, p.dv, None)
        ]
        check(LIBRARY.lvx_attention_backward(self.group, ctypes.byref(options), *tensors, None))


class World:
    """A local world: its ranks are threads of this process."""

    def __init__(self, size):
        self.handle = ctypes.c_uint64()
        check(LIBRARY.lvx_local_world_create(size, None, ctypes.byref(self.handle)))

    def __enter__(self):
        return self.handle

    def __exit__(self, *unused):
        check(LIBRARY.lvx_local_world_close(self.handle))
