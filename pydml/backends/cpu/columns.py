"""Convolution of a few images: each image's columns are laid out in memory and multiplied by BLAS.

The column of an output pixel holds the cells that a filter sees there; so out = W %*% columns.  That costs memory and copies that
`product` avoids, but nothing for the filters: `product` and Winograd's method rearrange or transform all of them for each call,
which takes longer than the product itself where a layer has more weights than pixels.  A 1x1 filter with stride 1 sees single
cells: there the image is the matrix of columns.

Tiles are blocks of filters or of pixels of one image; they follow from the sizes alone.  The columns of one image are kept
at a time.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from pydml.backends.cpu.finishing import Finishing
from pydml.backends.cpu.jit import kernels, vector_shape
from pydml.backends.cpu.memory import buffer
from pydml.backends.cpu.threads import parallel_for
from pydml.builtins.conv import ConvGeometry

MULTIPLY_ADDS_PER_NS = 40  # of one core, to tell small work
COPY_NS = 1.5  # of a cell of the columns
# Each tile packs the columns, or the filters, anew: with 16 tiles ResNet-50 took 10 % longer on one thread and on two.
TILES = 8
SMALLEST_TILE_WORK = 4_000_000  # multiply-adds of a tile: 100 microseconds
FEWEST = 64  # filters or pixels of a tile: BLAS is slow for fewer


def _tiles(length: int, work: float) -> tuple[int, int]:
    """(number, length of each) of the tiles of a side."""
    most = max(1, min(TILES, int(work // SMALLEST_TILE_WORK), length // FEWEST))
    step = -(-length // most)
    return -(-length // step), step


def _lay_out(image: np.ndarray, g: ConvGeometry, columns: np.ndarray) -> None:
    """columns[c, i, j, p, q] = image[c, p*sh + i - ph, q*sw + j - pw], 0 outside.

    Both ways copy the same cells; loading Numba for it would take longer, but mostly other kernels have done so.
    """
    if "numba" not in sys.modules:
        _lay_out_views(image, g, columns.reshape(g.C, g.Hf, g.Wf, g.P, g.Q))
        return
    run = kernels("convolution").lay_out_columns(image.dtype.type, vector_shape(image.dtype.type)[0])
    cells = image.reshape(-1)

    def some(first: int, last: int) -> None:
        run(cells, 0, first, last, g.H, g.W, g.Hf, g.Wf, g.sh, g.sw, g.ph, g.pw, g.P, g.Q, columns)

    parallel_for(some, g.C, columns.size * COPY_NS)


def _lay_out_views(image: np.ndarray, g: ConvGeometry, columns: np.ndarray) -> None:
    for i in range(g.Hf):
        p0, p1 = _inside(i - g.ph, g.sh, g.H, g.P)
        for j in range(g.Wf):
            q0, q1 = _inside(j - g.pw, g.sw, g.W, g.Q)
            taps = columns[:, i, j]
            taps[:, :p0] = 0
            taps[:, p1:] = 0
            taps[:, p0:p1, :q0] = 0
            taps[:, p0:p1, q1:] = 0
            if p0 < p1 and q0 < q1:
                y, x = p0 * g.sh + i - g.ph, q0 * g.sw + j - g.pw
                rows, cells = slice(y, y + (p1 - p0 - 1) * g.sh + 1, g.sh), slice(x, x + (q1 - q0 - 1) * g.sw + 1, g.sw)
                taps[:, p0:p1, q0:q1] = image[:, rows, cells]


def _inside(shift: int, stride: int, size: int, places: int) -> tuple[int, int]:
    """The range of places p whose cell p*stride + shift is one of `size` cells."""
    first = min(max(0, -(shift // stride)), places)
    return first, max(first, min(places, (size - 1 - shift) // stride + 1))


def forward(
    X: np.ndarray,
    W: np.ndarray,
    bias: np.ndarray | None,
    g: ConvGeometry,
    dtype: Any,
    out: np.ndarray,
    finish: Finishing | None = None,
) -> None:
    """out = images (N, C*H*W) convolved with filters (F, C*Hf*Wf), plus bias (F, 1) if given.  out: (N, F*P*Q), contiguous."""
    pixels = g.P * g.Q
    filters = np.ascontiguousarray(W, dtype)
    whole = out.reshape(-1)
    work = float(g.multiply_adds)
    by_filters = pixels <= g.F
    tiles, step = _tiles(g.F if by_filters else pixels, work)
    for n in range(len(X)):
        image = np.ascontiguousarray(X[n], dtype).reshape(g.C, g.H, g.W)
        if g.is_product:
            columns = image.reshape(g.C, pixels)
        else:
            size = g.filter_cols * pixels
            columns = buffer("columns", size, dtype)[:size]
            _lay_out(image, g, columns)
            columns = columns.reshape(g.filter_cols, pixels)
        results = out[n].reshape(g.F, pixels)

        def multiply(
            first: int, last: int, n: int = n, columns: np.ndarray = columns, results: np.ndarray = results
        ) -> None:
            for start in range(first * step, last * step, step):
                rows, cols = (
                    (slice(start, start + step), slice(None))
                    if by_filters
                    else (slice(None), slice(start, start + step))
                )
                np.matmul(filters[rows], columns[:, cols], out=results[rows, cols])
                if bias is not None:
                    results[rows, cols] += bias[rows]
                if finish is not None and by_filters:
                    finish(whole, n, start, min(start + step, g.F), 0, pixels)
                elif finish is not None:
                    finish(whole, n, 0, g.F, start, min(step, pixels - start))

        parallel_for(multiply, tiles, work / MULTIPLY_ADDS_PER_NS)
