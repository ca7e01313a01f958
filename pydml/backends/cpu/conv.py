"""Kernels of convolution and its gradients: which algorithm, and the calls of it.

`choose` is the seam: from the sizes, the precision and the batch to an `Algorithm`, which prints as text.  `report` lists what was
chosen in this process (`--explain conv`); after `set_exact(True)` Winograd's method is never chosen (`--conv exact`).

    meaning              NumPy, as declared in `builtins.conv`.  Tiny work, so that it does not wait for Numba.
    panels               product with packed panels (`product`).  Any stride, padding and size; 1x1 filters are plain products.
    columns              product by BLAS (`columns`).  Results of a few images, where arranging the filters would cost most.
    interleaved          the images are the lanes of vectors (`interleaved`).  Stride 1; batches of small images with few channels.
    winograd F(mxm, rxr) fewer multiplications (`winograd`).  Filters of 3x3 and 5x5 with stride 1.

Winograd's method is not exact for infinities and NaN: they spread over a tile.  Its functions tell when a result is not finite,
and then the call is computed by panels.  In float32 its error is about ten times that of a plain sum, 1e-5 of the largest result.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from pydml.backends.cpu import columns, interleaved, product, winograd
from pydml.backends.cpu.finishing import Finishing
from pydml.backends.cpu.memory import float_dtype
from pydml.builtins import conv
from pydml.builtins.conv import ConvGeometry, conv_geometry
from pydml.builtins.conv_steps import ConvTemplate, conv_steps
from pydml.builtins.registry import kernel
from pydml.diagnostics import DMLError
from pydml.records import dataclass
from pydml.values import to_dense

# Multiply-adds of a whole call.  Up to here NumPy takes about a millisecond; a job of such calls does not wait a second for Numba.
# The choice follows from the sizes alone: if it depended on earlier calls, equal calls could differ in the last digit.
TINY_WORK = 300_000

# Costs in nanoseconds on one core, float32 with 256-bit vectors; only their ratios matter, and those hold for other vectors and
# float64 well enough.  Of a transform: for one tile of one channel or filter, by the number of points; measured within whole
# convolutions (benchmarks/conv).
MULTIPLY_ADD = 1 / 42
INPUT_TRANSFORM = {4: 8.0, 6: 18.0, 7: 40.0, 8: 45.0}
OUTPUT_TRANSFORM = {4: 6.0, 6: 13.0, 7: 30.0, 8: 28.0}
FILTER_TRANSFORM = {4: 12.0, 6: 20.0, 7: 25.0, 8: 35.0}
TILE_START = 12  # multiply-adds that a product tile costs beside its depth
PACK = 0.12  # of a tap of a pixel
STORE = 0.4  # of a result
PACK_FILTER = 1.0  # of a weight
FEW_IMAGES = 8  # up to here columns are considered; for more, the panels' filters are packed once for all
COLUMN_START = 12  # pixels that the product of columns costs beside its own
COLUMN_COPY, COLUMN_COPY_STRIDED = 0.25, 0.5  # of a tap of a pixel
COLUMN_STORE = 0.1  # of a result
COLUMN_TAP = 3000  # of a tap of an image, by NumPy
INTERLEAVE, INTERLEAVE_BACK = 0.25, 0.4  # of a cell


@dataclass(frozen=True)
class Algorithm:
    """method: "meaning", "panels", "columns", "interleaved" or "winograd", with tiles of n x n points for r x r filters."""

    method: str
    n: int = 0
    r: int = 0

    def __str__(self) -> str:
        if self.method != "winograd":
            return self.method
        m = self.n - self.r + 1
        return f"winograd F({m}x{m}, {self.r}x{self.r})"


MEANING, PANELS, COLUMNS, INTERLEAVED = map(Algorithm, ("meaning", "panels", "columns", "interleaved"))


_exact = False
_chosen: dict[tuple[ConvGeometry, Any, int, str], list[Any]] = {}  # -> the algorithm and how many calls took it
MOST_CHOSEN = 1000


def set_exact(exact: bool) -> None:
    """Whether convolutions are plain sums of products only, in this process."""
    global _exact
    _exact = exact


def choose(g: ConvGeometry, dtype: Any, batch: int, part: str = "output") -> Algorithm:
    """The algorithm that takes least time for a part of a convolution: its "output", or the gradient of "data" or "filter"."""
    key = g, dtype, batch, part
    algorithm = _choose(*key, _exact)
    entry = _chosen.get(key)
    if entry is not None:
        entry[0] = algorithm
        entry[1] += 1
    elif len(_chosen) < MOST_CHOSEN:
        _chosen[key] = [algorithm, 1]
    return algorithm


def report() -> list[str]:
    """A line for each kind of convolution that was computed in this process, in their order: sizes, algorithm, calls."""
    parts = {"output": "conv2d", "data": "conv2d_backward_data", "filter": "conv2d_backward_filter"}
    lines = []
    for (g, dtype, batch, part), (algorithm, calls) in _chosen.items():
        sizes = (
            f"{batch} x {g.C} x {g.H} x {g.W}, filters {g.F} of {g.Hf} x {g.Wf}, "
            f"stride {g.sh} {g.sw}, padding {g.ph} {g.pw}, {np.dtype(dtype).name}"
        )
        lines.append(f"{parts[part]:22}  {algorithm!s:22}  {sizes}" + (f", {calls} times" if calls > 1 else ""))
    return lines


@lru_cache(maxsize=512)
def _choose(g: ConvGeometry, dtype: Any, batch: int, part: str, exact: bool) -> Algorithm:
    if batch * g.multiply_adds <= TINY_WORK:
        return MEANING
    choices = [PANELS]
    if part == "output" and batch <= FEW_IMAGES:
        choices.append(COLUMNS)
    if batch > FEW_IMAGES and interleaved.applies(g, dtype, part):
        choices.append(INTERLEAVED)
    if winograd.applies(g) and not exact:
        choices += [Algorithm("winograd", n, g.Hf) for n in winograd.POINTS[g.Hf]]
    return min(choices, key=lambda a: _cost(a, g, dtype, batch, part))


def _cost(a: Algorithm, g: ConvGeometry, dtype: Any, batch: int, part: str) -> float:
    """Nanoseconds, roughly."""
    F, C = (g.C, g.F) if part == "data" else (g.F, g.C)
    P, Q = (g.H, g.W) if part == "data" else (g.P, g.Q)
    rows = -(-F // 6) * 6  # of whole product tiles
    if a.method == "panels":
        depth, pixels = C * g.Hf * g.Wf, batch * P * Q
        if part == "filter":
            return pixels * (rows * (-(-depth // 16) * 16) * MULTIPLY_ADD + depth * 2 * PACK + F * STORE)
        filled = pixels
        if batch <= FEW_IMAGES:  # tiles may leave much of a panel empty
            group, band = product.tiles(batch, P, Q, g.multiply_adds, 16)
            tile = P * Q if group == 1 and g.is_product else group * band * Q
            filled *= -(-tile // 16) * 16 / tile
        return (
            filled * (rows * (depth + TILE_START) * MULTIPLY_ADD + depth * PACK + F * STORE) + F * depth * PACK_FILTER
        )
    if a.method == "columns":
        depth, pixels = g.filter_cols, g.P * g.Q
        copy = COLUMN_COPY if (g.sh, g.sw) == (1, 1) else COLUMN_COPY_STRIDED
        lay_out = 0 if g.is_product else depth * pixels * copy + g.Hf * g.Wf * COLUMN_TAP
        return batch * (F * depth * (pixels + COLUMN_START) * MULTIPLY_ADD + lay_out + F * pixels * COLUMN_STORE)
    if a.method == "interleaved":
        return _interleaved_cost(g, dtype, batch, part)
    n, m = a.n, a.n - a.r + 1
    tiles = batch * -(-P // m) * -(-Q // m)
    filters = F * C * FILTER_TRANSFORM[n]
    if part == "filter":
        depth = -(-C // 16) * 16
        return (
            tiles * (n * n * rows * depth * MULTIPLY_ADD + depth * INPUT_TRANSFORM[n] + F * INPUT_TRANSFORM[n])
            + filters
        )
    return filters + tiles * (
        n * n * rows * (C + TILE_START) * MULTIPLY_ADD + C * INPUT_TRANSFORM[n] + F * OUTPUT_TRANSFORM[n]
    )


def _interleaved_cost(g: ConvGeometry, dtype: Any, batch: int, part: str) -> float:
    images = interleaved.filled(batch, dtype)
    if part == "filter":
        work = -(-g.F // 3) * 3 * (-(-g.filter_cols // 4) * 4) * g.P * g.Q
        return images * (work * MULTIPLY_ADD + (g.image_cols + g.output_cols) * INTERLEAVE)
    if part == "data":
        rows, C, cells, results = g.C, g.F, g.output_cols, g.image_cols
    else:
        rows, C, cells, results = g.F, g.C, g.image_cols, g.output_cols
    work = -(-rows // 6) * 6 * (C * interleaved.products(g, part) + results / rows * TILE_START)
    return images * (work * MULTIPLY_ADD + cells * INTERLEAVE + results * INTERLEAVE_BACK)


def forward(
    X: np.ndarray,
    W: np.ndarray,
    g: ConvGeometry,
    bias: np.ndarray | None = None,
    finish: Finishing | None = None,
) -> np.ndarray:
    """Images (N, C*H*W), filters (F, C*Hf*Wf), bias (F, 1) or None -> (N, F*P*Q); `finish` is applied to that."""
    dtype = float_dtype(X, W)
    algorithm = choose(g, dtype, len(X))
    if algorithm is MEANING:
        out = conv.convolve(X, W, g)
        if bias is not None:
            out = out + np.repeat(bias[:, 0], g.P * g.Q)
        if finish is not None:
            finish(out.reshape(-1), 0, 0, g.F, 0, g.P * g.Q, len(X))
        return out
    out = np.empty((len(X), g.output_cols), dtype)
    if algorithm is COLUMNS:
        columns.forward(X, W, bias, g, dtype, out, finish)
    elif algorithm is INTERLEAVED:
        interleaved.forward(X, W, bias, g, dtype, out, finish)
    elif algorithm is PANELS or not winograd.forward(X, W, bias, g, dtype, out, algorithm.n, finish):
        product.forward(X, W, bias, g, dtype, out, finish)
    return out


def data_gradient(W: np.ndarray, dout: np.ndarray, g: ConvGeometry) -> np.ndarray:
    """Filters (F, C*Hf*Wf), gradient of the output (N, F*P*Q) -> gradient of the images (N, C*H*W)."""
    dtype = float_dtype(W, dout)
    algorithm = choose(g, dtype, len(dout), "data")
    if algorithm is MEANING:
        return conv.convolve_data_gradient(W, dout, g)
    dX = np.empty((len(dout), g.image_cols), dtype)
    if algorithm is INTERLEAVED:
        interleaved.data_gradient(W, dout, g, dtype, dX)
        return dX
    if algorithm is not PANELS:
        # Weights that are not finite make all results so: each weight is in points that every result of a tile is made of.
        if winograd.data_gradient(W, dout, g, dtype, dX, algorithm.n):
            return dX
    # The kernels surround dout with zeros, and 0 * NaN would reach cells at the border that a weight does not.
    if (g.Hf, g.Wf) != (1, 1) and not np.isfinite(np.add.reduce(W, axis=None)):
        return conv.convolve_data_gradient(W, dout, g)
    product.data_gradient(W, dout, g, dtype, dX)
    return dX


def filter_gradient(X: np.ndarray, dout: np.ndarray, g: ConvGeometry) -> np.ndarray:
    """Images (N, C*H*W), gradient of the output (N, F*P*Q) -> gradient of the filters (F, C*Hf*Wf)."""
    dtype = float_dtype(X, dout)
    algorithm = choose(g, dtype, len(X), "filter")
    if algorithm is MEANING:
        return conv.convolve_filter_gradient(X, dout, g)
    dW = np.empty((g.F, g.filter_cols), dtype)
    if algorithm is INTERLEAVED:
        interleaved.filter_gradient(X, dout, g, dtype, dW)
    elif algorithm is PANELS or not winograd.filter_gradient(X, dout, g, dtype, dW, algorithm.n):
        product.filter_gradient(X, dout, g, dtype, dW)
    return dW


@kernel("conv2d", "*")
def conv2d(X, W, input_shape, filter_shape, stride, padding):
    _, g = conv_geometry("conv2d", input_shape, filter_shape, stride, padding)
    return forward(to_dense(X), to_dense(W), g)


@kernel("conv2d steps", "*")
def conv2d_and_finish(template, X, W, input_shape, filter_shape, stride, padding, *inputs):
    """Where the steps are a scale, a shift, a sum and a maximum with 0 in this order, and all fits; else step by step."""
    result = _finished(template, X, W, (input_shape, filter_shape, stride, padding), inputs)
    if result is None:  # the meaning tells as well what is wrong
        return conv_steps.meaning(template, X, W, input_shape, filter_shape, stride, padding, *inputs)
    return result


def _finished(template: ConvTemplate, X: Any, W: Any, shapes: tuple[Any, ...], inputs: tuple[Any, ...]) -> Any:
    parts = template.finish
    if parts is None or type(X) is not np.ndarray or type(W) is not np.ndarray or X.dtype != W.dtype:
        return None
    try:
        conv.conv2d.check((X, W, *shapes))
        _, g = conv_geometry("conv2d", *shapes)
        if len(X) * g.multiply_adds <= TINY_WORK:
            return None
        at = template.position
        values: dict[int | None, Any] = dict(enumerate((*inputs[:at], None, *inputs[at:])))
        for i in parts.before:
            step = template.steps[i]
            values[-i - 1] = template.builtins[i].run(*[values[a] for a in step.args])
    except DMLError:
        return None
    columns = [values.get(a) for a in (parts.bias, parts.scale, parts.shift)]
    addend, zero = values.get(parts.addend), values.get(parts.zero)
    for value, shape in (*((v, (g.F, 1)) for v in columns), (addend, (len(X), g.output_cols))):
        if value is not None and not (type(value) is np.ndarray and value.shape == shape and value.dtype == X.dtype):
            return None
    if zero is not None and not (type(zero) in (int, float) and zero == 0):
        return None
    bias, scale, shift = columns
    dtype = float_dtype(X, W)
    if scale is None and shift is None and addend is None and zero is None:
        return forward(X, W, g, bias)
    return forward(X, W, g, bias, Finishing(g, dtype, scale, shift, addend, zero is not None))


@kernel("conv2d_backward_data", "*")
def conv2d_backward_data(W, dout, input_shape, filter_shape, stride, padding):
    _, g = conv_geometry("conv2d_backward_data", input_shape, filter_shape, stride, padding)
    return data_gradient(to_dense(W), to_dense(dout), g)


@kernel("conv2d_backward_filter", "*")
def conv2d_backward_filter(X, dout, input_shape, filter_shape, stride, padding):
    _, g = conv_geometry("conv2d_backward_filter", input_shape, filter_shape, stride, padding)
    return filter_gradient(to_dense(X), to_dense(dout), g)
