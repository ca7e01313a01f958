"""Working memory: flat views of matrices, buffers that threads keep between calls, and what the process does with freed memory.

A fresh buffer costs a page fault for every 4 KiB at its first use, which takes longer than many kernels do; so each thread keeps
its buffers under a name and hands them out again.  A buffer belongs to whoever asked for it until he returns; code
that calls other kernels meanwhile uses names of its own.
"""

from __future__ import annotations

import mmap
import sys
import threading
from typing import Any

import numpy as np

# Numbers of glibc's mallopt
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8
LARGE_RESULT = 16 << 20  # bytes; half of a large cache
LARGEST_KEPT = 256 << 20  # bytes; larger buffers go back to the system
HUGE_PAGE = 2 << 20


def keep_freed_memory() -> None:
    """Let the C library keep the memory of matrices that die for those that come, instead of handing it back to the system.

    By default each matrix of more than a few megabytes is mapped afresh and unmapped at its end, and the system clears every
    page of it.  In a training step of AlexNet that was a third of the processor time.  From now on the process does not
    shrink; its peak does not grow, as long as the sizes that are asked for repeat.  Systems other than Linux
    with glibc are left alone.
    """
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return
    mallopt(M_ARENA_MAX, 1)  # the arenas of threads cannot hold large matrices, and would map them after all
    mallopt(M_MMAP_MAX, 0)
    mallopt(M_TRIM_THRESHOLD, -1)


class _Buffers(threading.local):
    def __init__(self) -> None:
        self.by_name: dict[tuple[str, Any], np.ndarray] = {}


_buffers = _Buffers()


def buffer(name: str, size: int, dtype: Any) -> np.ndarray:
    """At least `size` elements for this thread; the content is arbitrary."""
    key = (name, dtype)
    kept = _buffers.by_name.get(key)
    if kept is None or len(kept) < size:
        kept = _allocate(size, np.dtype(dtype))
        if kept.nbytes <= LARGEST_KEPT:
            _buffers.by_name[key] = kept
    return kept


def _allocate(size: int, dtype: np.dtype) -> np.ndarray:
    """An array in huge pages, where the system has them and the size makes it worth while.

    Kernels that write to 64 places far apart (points of Winograd's tiles) miss in the first-level TLB with every store
    otherwise.  NumPy asks for huge pages from 4 MiB on only.
    """
    count = size * dtype.itemsize
    if count < HUGE_PAGE // 2 or not hasattr(mmap, "MADV_HUGEPAGE"):
        return np.empty(size, dtype)
    try:
        memory = mmap.mmap(-1, -(-count // HUGE_PAGE) * HUGE_PAGE + HUGE_PAGE)
        memory.madvise(mmap.MADV_HUGEPAGE)
    except (OSError, ValueError):
        return np.empty(size, dtype)
    start = -np.frombuffer(memory, np.uint8).ctypes.data % HUGE_PAGE
    return np.frombuffer(memory, dtype, size, start)


def streams(out: np.ndarray, row: int) -> bool:
    """Whether kernels that can should write a result past the caches.

    They should if it would not stay there anyway; and they can where each row of so many cells begins at a multiple of 16 bytes.
    This saves reading the lines of cache that are overwritten, a third of the traffic of `y = a*x + b`.
    """
    return out.nbytes >= LARGE_RESULT and out.ctypes.data % 16 == 0 and row * out.itemsize % 16 == 0


def flat(X: np.ndarray, dtype: Any) -> tuple[np.ndarray, int]:
    """The cells of a matrix as a one-dimensional array of a dtype, and the distance between rows in it.

    Rows must be contiguous; a matrix whose rows are not, or of another dtype, is copied.
    """
    rows, cols = X.shape
    if X.dtype != dtype or not X.flags.aligned:
        X = X.astype(dtype, order="C")
    elif not X.flags.c_contiguous:
        size = X.itemsize
        row_stride, cell_stride = X.strides
        if rows and cols and cell_stride == size and row_stride >= cols * size and row_stride % size == 0:
            pitch = row_stride // size
            view = np.lib.stride_tricks.as_strided(X, ((rows - 1) * pitch + cols,), (size,))
            return view, pitch
        X = np.ascontiguousarray(X)
    return X.reshape(-1), cols


def float_dtype(*matrices: np.ndarray) -> Any:
    """numpy.float32 if all matrices are in single precision, else numpy.float64."""
    return np.float32 if all(m.dtype == np.float32 for m in matrices) else np.float64
