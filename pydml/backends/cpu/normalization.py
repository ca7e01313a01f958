"""Batch normalisation of dense images, in threads over the channels."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydml.backends.cpu.jit import kernels, vector_shape
from pydml.backends.cpu.memory import float_dtype, streams
from pydml.backends.cpu.threads import parallel_for
from pydml.builtins.normalization import as_column
from pydml.builtins.registry import kernel

MIN_CELLS = 1 << 14  # below, NumPy is as fast
CACHED_BYTES = 192 << 10  # cells of the channels that are taken at once
LEAST_PIECE = 2 << 10  # bytes of an image that are read at once


def _flat(X: Any, dtype: Any) -> Any:
    return np.ascontiguousarray(X, dtype).reshape(-1)


def _together(images: int, cells: int, itemsize: int) -> int:
    """Channels at once: as many as stay in cache, but pieces of some length of each image."""
    return max(1, CACHED_BYTES // (images * cells * itemsize), LEAST_PIECE // (cells * itemsize))


@kernel("batch_norm2d", "dense", "dense", "dense", "dense", "dense")
def batch_norm2d_by_channel(
    X: Any, gamma: Any, beta: Any, ema_mean: Any, ema_var: Any, mode: str, epsilon: float, mu: float
) -> Any:
    if X.size < MIN_CELLS:
        return NotImplemented
    compiled = kernels("normalization")

    dtype = float_dtype(X)
    N, C = X.shape[0], gamma.shape[0]
    cells = X.shape[1] // C
    images = _flat(X, dtype)
    out = np.empty((N, X.shape[1]), dtype)
    target, stream = out.reshape(-1), streams(out, cells)
    if mode == "train":
        mean, var, inv_std, sums = np.empty(C), np.empty(C), np.empty(C), np.empty(2 * C)
        scale, shift = (np.ascontiguousarray(v[:, 0], np.float64) for v in (gamma, beta))
        together = _together(N, cells, images.itemsize)
        normalize = compiled.normalize(dtype, vector_shape(dtype)[0])

        def channels(begin: int, end: int) -> None:
            normalize(
                images,
                N,
                C,
                cells,
                begin,
                end,
                together,
                scale,
                shift,
                epsilon,
                sums,
                mean,
                var,
                inv_std,
                target,
                stream,
            )

        parallel_for(channels, C, X.size * 0.7)
        moved_mean = mu * ema_mean + (1 - mu) * mean[:, None]
        moved_var = mu * ema_var + (1 - mu) * var[:, None]
    else:
        mean, var = ema_mean[:, 0].astype(np.float64), ema_var[:, 0].astype(np.float64)
        moved_mean, moved_var = ema_mean, ema_var
        inv_std = 1 / np.sqrt(var + epsilon)
        scale = gamma[:, 0] * inv_std
        shift = beta[:, 0] - mean * scale
        apply = compiled.scale_and_shift(dtype, vector_shape(dtype)[0])
        a, b = scale.astype(dtype), shift.astype(dtype)
        parallel_for(lambda s, e: apply(images, N, C, cells, s, e, a, b, target, stream), C, X.size * 0.5)
    return out, *(as_column(values, dtype) for values in (moved_mean, moved_var, mean, inv_std))


@kernel("batch_norm2d_backward", "dense", "dense", "dense", "dense", "dense")
def batch_norm2d_backward_by_channel(
    X: Any, dout: Any, gamma: Any, epsilon: float, cache_mean: Any, cache_inv_var: Any
) -> Any:
    if X.size < MIN_CELLS:
        return NotImplemented
    compiled = kernels("normalization")

    dtype = float_dtype(X, dout)
    N, C = X.shape[0], gamma.shape[0]
    cells = X.shape[1] // C
    images, gradient = _flat(X, dtype), _flat(dout, dtype)
    mean, inv_std, g = (np.ascontiguousarray(v[:, 0], np.float64) for v in (cache_mean, cache_inv_var, gamma))
    dbeta, dgamma, sums = np.empty(C), np.empty(C), np.empty(3 * C)
    together = _together(N, cells, 2 * images.itemsize)
    dX = np.empty(X.shape, dtype)
    run = compiled.gradients(dtype, vector_shape(dtype)[0])
    target, stream = dX.reshape(-1), streams(dX, cells)

    def channels(begin: int, end: int) -> None:
        run(images, gradient, N, C, cells, begin, end, together, mean, inv_std, g, sums, dbeta, dgamma, target, stream)

    parallel_for(channels, C, X.size * 1.0)
    return dX, as_column(dgamma, dtype), as_column(dbeta, dtype)
