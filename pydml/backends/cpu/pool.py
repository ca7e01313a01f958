"""Kernels of pooling, its gradients, and the bias operations.  Tiles are planes (channels of images) or rows of matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydml.backends.cpu.jit import kernels, vector_shape
from pydml.backends.cpu.memory import buffer, flat, float_dtype
from pydml.backends.cpu.threads import parallel_for
from pydml.builtins import conv
from pydml.builtins.conv import ConvGeometry, pool_geometry
from pydml.builtins.registry import kernel
from pydml.values import to_dense

TINY_CELLS = 20_000  # window cells of a whole call, and
TINY_WINDOWS = 100  # windows of an image: up to both, the meaning takes a millisecond or two, and no Numba is needed
CELLS_PER_NS = 1.0  # window cells of one core, to tell small work
BIAS_CELLS = 1 << 18  # cells of a tile of the bias operations


def _is_tiny(g: ConvGeometry, images: int) -> bool:
    return g.output_cols <= TINY_WINDOWS and images * g.output_cols * g.Hf * g.Wf <= TINY_CELLS


def _lie_apart(g: ConvGeometry) -> bool:
    """Whether windows are 2 x 2, side by side and without padding."""
    return (g.Hf, g.Wf, g.sh, g.sw, g.ph, g.pw) == (2, 2, 2, 2, 0, 0)


def _pool(X: np.ndarray, g: ConvGeometry, average: bool) -> np.ndarray:
    """(N, C*H*W) -> (N, C*P*Q)."""
    if _is_tiny(g, len(X)):
        return conv.pool_average(X, g) if average else conv.pool_max(X, g)
    pooling = kernels("pooling")

    dtype = float_dtype(X)
    images, pitch = flat(X, dtype)
    out = np.empty((len(X), g.output_cols), dtype)
    results = out.reshape(-1)
    work = len(X) * g.output_cols * g.Hf * g.Wf / CELLS_PER_NS
    if _lie_apart(g):
        squares = pooling.pool_2x2(dtype, vector_shape(dtype)[0], average)

        def planes(first: int, last: int) -> None:
            squares(images, pitch, first, last, g.C, g.H, g.W, results, g.P, g.Q)

        parallel_for(planes, len(X) * g.C, work)
        return out
    run = pooling.pool(dtype, vector_shape(dtype)[0], average, g.sw)
    row = (g.Q - 1) * g.sw + g.Wf + g.W + g.pw

    def tile(first: int, last: int) -> None:
        R = buffer("row", row, dtype)
        run(images, pitch, first, last, g.C, g.H, g.W, g.Hf, g.Wf, g.sh, g.ph, g.pw, results, g.P, g.Q, R)

    parallel_for(tile, len(X) * g.C, work)
    return out


def max_pool(X: np.ndarray, g: ConvGeometry) -> np.ndarray:
    """(N, C*H*W) -> (N, C*P*Q)."""
    return _pool(X, g, False)


def average_pool(X: np.ndarray, g: ConvGeometry) -> np.ndarray:
    """(N, C*H*W) -> (N, C*P*Q)."""
    return _pool(X, g, True)


def max_pool_gradient(X: np.ndarray, dout: np.ndarray, g: ConvGeometry) -> np.ndarray:
    """(N, C*H*W), (N, C*P*Q) -> (N, C*H*W)."""
    if _is_tiny(g, len(X)):
        return conv.pool_max_gradient(X, dout, g)
    pooling = kernels("pooling")

    dtype = float_dtype(X, dout)
    images, pitch = flat(X, dtype)
    gradients, gradient_pitch = flat(dout, dtype)
    dX = np.empty((len(X), g.image_cols), dtype)
    results = dX.reshape(-1)
    work = len(X) * g.output_cols * g.Hf * g.Wf / CELLS_PER_NS
    if _lie_apart(g):
        apart = pooling.max_pool_gradient_2x2(dtype, vector_shape(dtype)[0])

        def planes(first: int, last: int) -> None:
            apart(images, pitch, gradients, gradient_pitch, first, last, g.C, g.H, g.W, results, g.P, g.Q)

        parallel_for(planes, len(X) * g.C, work)
        return dX
    run = pooling.max_pool_gradient(dtype, vector_shape(dtype)[0], g.sw)
    integers = np.int32 if dtype == np.float32 else np.int64
    plane = g.H * (g.W + 2 * g.pw) if g.pw else 0

    def tile(first: int, last: int) -> None:
        S, I = buffer("plane", plane, dtype)[:plane], buffer("positions", g.Q, integers)
        run(
            images, pitch, gradients, gradient_pitch, first, last, g.C, g.H, g.W, g.Hf, g.Wf, g.sh, g.ph, g.pw,
            results, g.P, g.Q, S, I,
        )  # fmt: skip

    parallel_for(tile, len(X) * g.C, work)
    return dX


def average_pool_gradient(dout: np.ndarray, g: ConvGeometry) -> np.ndarray:
    """(N, C*P*Q) -> (N, C*H*W)."""
    if _is_tiny(g, len(dout)):
        return conv.pool_average_gradient(dout, g)
    pooling = kernels("pooling")

    dtype = float_dtype(dout)
    gradients, pitch = flat(dout, dtype)
    dX = np.empty((len(dout), g.image_cols), dtype)
    results = dX.reshape(-1)
    run = pooling.average_pool_gradient(dtype, vector_shape(dtype)[0])
    row = max((g.Q - 1) * g.sw + g.Wf, g.W + g.pw)

    def tile(first: int, last: int) -> None:
        E = buffer("rows", g.P * row, dtype)
        run(gradients, pitch, first, last, g.C, g.H, g.W, g.Hf, g.Wf, g.sh, g.sw, g.ph, g.pw, results, g.P, g.Q, E)

    parallel_for(tile, len(dout) * g.C, len(dout) * g.image_cols / CELLS_PER_NS)
    return dX


@kernel("max_pool", "*")
def _max_pool(X, input_shape, pool_size, stride, padding):
    _, g = pool_geometry("max_pool", input_shape, pool_size, stride, padding)
    return max_pool(to_dense(X), g)


@kernel("max_pool_backward", "*")
def _max_pool_backward(X, dout, input_shape, pool_size, stride, padding):
    _, g = pool_geometry("max_pool_backward", input_shape, pool_size, stride, padding)
    return max_pool_gradient(to_dense(X), to_dense(dout), g)


@kernel("avg_pool", "*")
def _avg_pool(X, input_shape, pool_size, stride, padding):
    _, g = pool_geometry("avg_pool", input_shape, pool_size, stride, padding)
    return average_pool(to_dense(X), g)


@kernel("avg_pool_backward", "*")
def _avg_pool_backward(X, dout, input_shape, pool_size, stride, padding):
    _, g = pool_geometry("avg_pool_backward", input_shape, pool_size, stride, padding)
    return average_pool_gradient(to_dense(dout), g)


def _in_tiles_of_rows(operation: Any) -> Any:
    """A kernel of a bias operation: the NumPy operation on blocks of rows."""

    def run(X: np.ndarray, b: np.ndarray) -> Any:
        rows, cols = X.shape
        if rows * cols <= BIAS_CELLS:
            return NotImplemented
        numbers = np.repeat(b[:, 0], cols // len(b))
        out = np.empty((rows, cols), np.result_type(X, b))
        step = max(1, BIAS_CELLS // cols)

        def tile(first: int, last: int) -> None:
            operation(X[first * step : last * step], numbers, out=out[first * step : last * step])

        parallel_for(tile, -(-rows // step), rows * cols * 0.5)
        return out

    return run


kernel("bias_add", "dense", "dense")(_in_tiles_of_rows(np.add))
kernel("bias_multiply", "dense", "dense")(_in_tiles_of_rows(np.multiply))
