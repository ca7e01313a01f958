"""Kernels of convolution and its gradients: which algorithm, and the calls of it.

`choose` is the seam: from the sizes, the precision and the batch to an algorithm.  It prints as text, and so do the benchmarks.

    meaning     NumPy, as declared in `builtins.conv`.  Tiny work, so that it does not wait for Numba.
    panels      product with packed panels (`product`).  Any stride, padding and size; 1x1 filters are plain products.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pydml.backends.cpu import product
from pydml.backends.cpu.memory import float_dtype
from pydml.builtins import conv
from pydml.builtins.conv import ConvGeometry, conv_geometry
from pydml.builtins.registry import kernel
from pydml.values import to_dense

# Multiply-adds of a whole call.  Below, NumPy takes less than some 20 ms, and loading Numba alone takes longer.
TINY_WORK = 2_000_000


def choose(g: ConvGeometry, dtype: Any, batch: int) -> str:
    """The algorithm for a convolution (and for its gradients)."""
    if batch * g.multiply_adds <= TINY_WORK:
        return "meaning"
    return "panels"


def forward(X: np.ndarray, W: np.ndarray, g: ConvGeometry, bias: np.ndarray | None = None) -> np.ndarray:
    """Images (N, C*H*W), filters (F, C*Hf*Wf), bias (F, 1) or None -> (N, F*P*Q)."""
    dtype = float_dtype(X, W)
    if choose(g, dtype, len(X)) == "meaning":
        out = conv.convolve(X, W, g)
        return out if bias is None else out + np.repeat(bias[:, 0], g.P * g.Q)
    out = np.empty((len(X), g.output_cols), dtype)
    product.forward(X, W, bias, g, dtype, out)
    return out


def data_gradient(W: np.ndarray, dout: np.ndarray, g: ConvGeometry) -> np.ndarray:
    """Filters (F, C*Hf*Wf), gradient of the output (N, F*P*Q) -> gradient of the images (N, C*H*W)."""
    dtype = float_dtype(W, dout)
    if choose(g, dtype, len(dout)) == "meaning":
        return conv.convolve_data_gradient(W, dout, g)
    dX = np.empty((len(dout), g.image_cols), dtype)
    product.data_gradient(W, dout, g, dtype, dX)
    return dX


def filter_gradient(X: np.ndarray, dout: np.ndarray, g: ConvGeometry) -> np.ndarray:
    """Images (N, C*H*W), gradient of the output (N, F*P*Q) -> gradient of the filters (F, C*Hf*Wf)."""
    dtype = float_dtype(X, dout)
    if choose(g, dtype, len(X)) == "meaning":
        return conv.convolve_filter_gradient(X, dout, g)
    dW = np.empty((g.F, g.filter_cols), dtype)
    product.filter_gradient(X, dout, g, dtype, dW)
    return dW


@kernel("conv2d", "*")
def conv2d(X, W, input_shape, filter_shape, stride, padding):
    _, g = conv_geometry("conv2d", input_shape, filter_shape, stride, padding)
    return forward(to_dense(X), to_dense(W), g)


@kernel("conv2d_backward_data", "*")
def conv2d_backward_data(W, dout, input_shape, filter_shape, stride, padding):
    _, g = conv_geometry("conv2d_backward_data", input_shape, filter_shape, stride, padding)
    return data_gradient(to_dense(W), to_dense(dout), g)


@kernel("conv2d_backward_filter", "*")
def conv2d_backward_filter(X, dout, input_shape, filter_shape, stride, padding):
    _, g = conv_geometry("conv2d_backward_filter", input_shape, filter_shape, stride, padding)
    return filter_gradient(to_dense(X), to_dense(dout), g)
