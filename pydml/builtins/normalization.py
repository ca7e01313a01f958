"""Batch normalisation of images: `batch_norm2d` and its gradient.

Images are rows, channel by channel: X is (N, C*H*W); the statistics of a channel are taken over all N*H*W of its cells.
Source: Ioffe and Szegedy, 2015, algorithms 1 and 2.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pydml.builtins.registry import builtin
from pydml.diagnostics import fail
from pydml.types import ANY_MATRIX, Type, matrix_type


def _channels(name: str, X: Type, vectors: dict[str, Type]) -> int | None:
    """The number of channels, from vectors of one row per channel, which must agree."""
    channels = None
    for vector, type in vectors.items():
        if type.cols not in (1, None):
            fail("shape-mismatch", f"{name}: {vector} must be a column vector (C x 1), got {type.size_text()}")
        if type.rows is not None:
            if channels is not None and type.rows != channels:
                fail("shape-mismatch", f"{name}: {vector} has {type.rows} rows for {channels} channels")
            channels = type.rows
    if channels is not None and X.cols is not None and (channels == 0 or X.cols % channels):
        fail("shape-mismatch", f"{name}: {X.cols} columns of X are not a multiple of {channels} channels")
    return channels


def _forward_types(X: Type, gamma: Type, beta: Type, ema_mean: Type, ema_var: Type, mode: Type, *rest: Type) -> Any:
    c = _channels("batch_norm2d", X, {"gamma": gamma, "beta": beta, "ema_mean": ema_mean, "ema_var": ema_var})
    if mode.const is not None and mode.const not in ("train", "test"):
        fail("value", f'batch_norm2d: mode must be "train" or "test", got "{mode.const}"')
    return (X if X.is_matrix else ANY_MATRIX, *(matrix_type(c, 1),) * 4)


@builtin(
    "batch_norm2d(X: matrix, gamma: matrix, beta: matrix, ema_mean: matrix, ema_var: matrix, mode: string, "
    "epsilon: number, mu: number) -> out: matrix, ema_mean_upd: matrix, ema_var_upd: matrix, cache_mean: matrix, "
    "cache_inv_var: matrix",
    infer=_forward_types,
)
def batch_norm2d(
    X: Any, gamma: Any, beta: Any, ema_mean: Any, ema_var: Any, mode: str, epsilon: float, mu: float
) -> Any:
    """Normalise each channel of images: out = gamma * (X - mean) / sqrt(var + epsilon) + beta.

    X: (N, C*H*W).  gamma, beta, ema_mean, ema_var: (C, 1).  mode: "train" takes mean and (biased) variance of the batch
    and moves the averages, ema' = mu * ema + (1 - mu) * batch; "test" takes the averages.
    Returns out (N, C*H*W), the moved averages, the mean used, and 1 / sqrt(var + epsilon), each (C, 1).
    Same as SystemDS `batch_norm2d`, except that there the new ema_var is made of the mean instead of the variance.
    """
    C = gamma.shape[0]
    N = X.shape[0]
    images = X.reshape(N, C, -1)
    if mode == "train":
        mean = images.mean(axis=(0, 2), dtype=np.float64)
        var = np.square(images - mean[:, None]).mean(axis=(0, 2), dtype=np.float64)
        moved_mean = mu * ema_mean + (1 - mu) * mean[:, None]
        moved_var = mu * ema_var + (1 - mu) * var[:, None]
    else:
        mean, var = ema_mean[:, 0].astype(np.float64), ema_var[:, 0].astype(np.float64)
        moved_mean, moved_var = ema_mean, ema_var
    inv_std = 1 / np.sqrt(var + epsilon)
    scale = gamma[:, 0] * inv_std
    shift = beta[:, 0] - mean * scale
    out = (images * scale[:, None] + shift[:, None]).reshape(X.shape)

    columns = (as_column(values, X.dtype) for values in (moved_mean, moved_var, mean, inv_std))
    return out.astype(X.dtype, copy=False), *columns


def as_column(values: Any, dtype: Any) -> Any:
    """A number for each channel as a matrix (C, 1)."""
    return values.reshape(-1, 1).astype(dtype, copy=False)


def _backward_types(X: Type, dout: Type, gamma: Type, epsilon: Type, cache_mean: Type, cache_inv_var: Type) -> Any:
    c = _channels(
        "batch_norm2d_backward", X, {"gamma": gamma, "cache_mean": cache_mean, "cache_inv_var": cache_inv_var}
    )
    for axis in ("rows", "cols"):
        a, b = getattr(X, axis), getattr(dout, axis)
        if a is not None and b is not None and a != b:
            fail("shape-mismatch", f"batch_norm2d_backward: X is {X.size_text()}, dout is {dout.size_text()}")
    return X, matrix_type(c, 1), matrix_type(c, 1)


@builtin(
    "batch_norm2d_backward(X: matrix, dout: matrix, gamma: matrix, epsilon: number, cache_mean: matrix, "
    "cache_inv_var: matrix) -> dX: matrix, dgamma: matrix, dbeta: matrix",
    infer=_backward_types,
)
def batch_norm2d_backward(X: Any, dout: Any, gamma: Any, epsilon: float, cache_mean: Any, cache_inv_var: Any) -> Any:
    """Gradients of `batch_norm2d` in train mode with respect to X, gamma and beta.

    X, dout: (N, C*H*W).  gamma, cache_mean, cache_inv_var: (C, 1), the last two from the forward call.
    Returns dX (N, C*H*W), dgamma and dbeta (C, 1).  Same as SystemDS `batch_norm2d_backward`.
    """
    C = gamma.shape[0]
    N = X.shape[0]
    images, gradient = X.reshape(N, C, -1), dout.reshape(N, C, -1)
    cells = N * images.shape[2]
    mean, inv_std = cache_mean.astype(np.float64)[:, 0], cache_inv_var.astype(np.float64)[:, 0]
    normalised = (images - mean[:, None]) * inv_std[:, None]
    dbeta = gradient.sum(axis=(0, 2), dtype=np.float64)
    dgamma = (gradient * normalised).sum(axis=(0, 2), dtype=np.float64)
    scale = gamma[:, 0] * inv_std
    dX = scale[:, None] * (gradient - (dbeta / cells)[:, None] - normalised * (dgamma / cells)[:, None])
    return dX.reshape(X.shape).astype(X.dtype, copy=False), as_column(dgamma, X.dtype), as_column(dbeta, X.dtype)
