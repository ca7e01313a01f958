"""Pooling of dense images, in threads over the planes (image, channel).  Every plane is computed by itself, so results do
not depend on the number of threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pydml.backends.cpu.memory import float_dtype
from pydml.backends.cpu.threads import parallel_for
from pydml.builtins.conv import ConvGeometry, pool_geometry
from pydml.builtins.registry import kernel

# Comparisons or additions of a whole call.  Below, NumPy takes less time than loading Numba.
TINY_WORK = 1_000_000
NS_PER_CELL = 0.5


def _flat(X: Any, dtype: Any) -> Any:
    return np.ascontiguousarray(X, dtype).reshape(-1)


def _sizes(g: ConvGeometry) -> Any:
    return np.array([g.H, g.W, g.Hf, g.Wf, g.sh, g.sw, g.ph, g.pw, g.P, g.Q], np.int64)


def _work(N: int, g: ConvGeometry) -> int:
    return N * g.output_cols * g.Hf * g.Wf


def _run(N: int, g: ConvGeometry, call: Any) -> None:
    parallel_for(call, N * g.C, _work(N, g) * NS_PER_CELL)


@kernel("max_pool", "dense")
def max_pool(X, input_shape, pool_size, stride, padding):
    N, g = pool_geometry("max_pool", input_shape, pool_size, stride, padding)
    if _work(N, g) < TINY_WORK:
        return NotImplemented
    from pydml.backends.cpu.compiled import pooling

    dtype = float_dtype(X)
    out = np.empty((N, g.output_cols), dtype)
    images, sizes, target, run = _flat(X, dtype), _sizes(g), out.reshape(-1), pooling.max_forward(dtype)
    _run(N, g, lambda begin, end: run(images, sizes, begin, end, target))
    return out


@kernel("max_pool_backward", "dense", "dense")
def max_pool_backward(X, dout, input_shape, pool_size, stride, padding):
    N, g = pool_geometry("max_pool_backward", input_shape, pool_size, stride, padding)
    if _work(N, g) < TINY_WORK:
        return NotImplemented
    from pydml.backends.cpu.compiled import pooling

    dtype = float_dtype(X, dout)
    dX = np.empty((N, g.image_cols), dtype)
    images, gradient, target = _flat(X, dtype), _flat(dout, dtype), dX.reshape(-1)
    sizes, run = _sizes(g), pooling.max_backward(dtype)
    _run(N, g, lambda begin, end: run(images, gradient, sizes, begin, end, target))
    return dX


@kernel("avg_pool", "dense")
def avg_pool(X, input_shape, pool_size, stride, padding):
    N, g = pool_geometry("avg_pool", input_shape, pool_size, stride, padding)
    if _work(N, g) < TINY_WORK:
        return NotImplemented
    from pydml.backends.cpu.compiled import pooling

    dtype = float_dtype(X)
    out = np.empty((N, g.output_cols), dtype)
    images, sizes, target, run = _flat(X, dtype), _sizes(g), out.reshape(-1), pooling.average_forward(dtype)
    _run(N, g, lambda begin, end: run(images, sizes, begin, end, target))
    return out


@kernel("avg_pool_backward", "dense", "dense")
def avg_pool_backward(X, dout, input_shape, pool_size, stride, padding):
    N, g = pool_geometry("avg_pool_backward", input_shape, pool_size, stride, padding)
    if _work(N, g) < TINY_WORK:
        return NotImplemented
    from pydml.backends.cpu.compiled import pooling

    dtype = float_dtype(dout)
    dX = np.empty((N, g.image_cols), dtype)
    gradient, sizes, target, run = _flat(dout, dtype), _sizes(g), dX.reshape(-1), pooling.average_backward(dtype)
    _run(N, g, lambda begin, end: run(gradient, sizes, begin, end, target))
    return dX
