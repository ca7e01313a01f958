"""Convolution with stride 1 of batches of small images with few channels, whose images are the lanes of vectors: around `compiled.interleaved`.

Where an image has a few rows of a dozen pixels and a filter few taps, `product` spends as much on packing panels and putting results in their places as
on the products, and gradients of images are mostly products with zeros around them.  The functions take and return matrices as `builtins.conv`
describes them.  Tiles are blocks of images; they follow from the sizes alone, so results do not depend on the number of threads.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from pydml.backends.cpu.finishing import Finishing
from pydml.backends.cpu.jit import kernels, vector_shape
from pydml.backends.cpu.memory import buffer, flat
from pydml.backends.cpu.product import FEWEST_TILES, MULTIPLY_ADDS_PER_NS
from pydml.backends.cpu.threads import parallel_for
from pydml.builtins.conv import ConvGeometry
from pydml.records import dataclass

BLOCK_BYTES = 256 << 10  # of a block of interleaved images: half of a small second-level cache
GRADIENT_BYTES = 512 << 10  # of a block of gradients, which are read once while the images stay in cache
PACKED_BYTES = 24 << 10  # of the packed filters of a tile of rows, in the first-level cache
CHUNK = 64  # pixels whose results are put in their places at once
BAND_BYTES = 12 << 10  # of the gradients of three filters for the rows of pixels that are taken at once
SUM_BYTES = 8 << 20  # partial sums of the filter gradient


def applies(g: ConvGeometry, dtype: Any, part: str) -> bool:
    """Whether a part of a convolution fits.  part: as in `conv.choose`."""
    if (g.sh, g.sw) != (1, 1) or g.ph >= g.Hf or g.pw >= g.Wf:
        return False
    lanes, height = vector_shape(dtype)
    size = np.dtype(dtype).itemsize
    block = 2 * lanes * size
    image = g.C * (g.H + 2 * g.ph) * (g.W + 2 * g.pw)
    if part == "filter":
        return image * block <= BLOCK_BYTES and g.output_cols * block <= GRADIENT_BYTES
    cells, taps = (g.output_cols, g.F * g.Hf * g.Wf) if part == "data" else (image, g.filter_cols)
    return cells * block <= BLOCK_BYTES and taps * height * size <= PACKED_BYTES


def filled(images: int, dtype: Any) -> int:
    """How many images are computed: whole blocks."""
    width = 2 * vector_shape(dtype)[0]
    return -(-images // width) * width


@lru_cache(maxsize=256)
def products(g: ConvGeometry, part: str) -> int:
    """How many taps all pixels of a plane have within the image.  part: "output", or "data", whose taps lie in the gradients."""
    if part == "data":
        rows, columns = (g.P, g.H, g.Hf, g.Hf - 1 - g.ph), (g.Q, g.W, g.Wf, g.Wf - 1 - g.pw)
    else:
        rows, columns = (g.H, g.P, g.Hf, g.ph), (g.W, g.Q, g.Wf, g.pw)
    return _within(*rows) * _within(*columns)


def _within(size: int, pixels: int, taps: int, padding: int) -> int:
    """How many taps of all pixels of a row lie within it."""
    return sum(last - first for first, last in (_taps_within(p, size, taps, padding) for p in range(pixels)))


def _taps_within(pixel: int, size: int, taps: int, padding: int) -> tuple[int, int]:
    """The first tap of a pixel that lies within a row, and that after the last."""
    return max(0, padding - pixel), min(taps, size + padding - pixel)


@dataclass(frozen=True)
class _Kinds:
    """Pixels by the taps that lie within the image: see `compiled.interleaved.multiply_interleaved`."""

    a_places: np.ndarray
    b_places: np.ndarray
    begin: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    number: int  # of kinds of columns

    @staticmethod
    @lru_cache(maxsize=64)
    def of(C: int, H: int, W: int, P: int, Q: int, Hf: int, Wf: int, ph: int, pw: int, step: int, width: int) -> _Kinds:
        """step: elements of A for a tap."""
        rows, row_ranges = _ranges(H, P, Hf, ph)
        columns, column_ranges = _ranges(W, Q, Wf, pw)
        taps, cells, begin = [], [], [0]
        for i0, i1 in row_ranges:
            for j0, j1 in column_ranges:
                c, i, j = np.ogrid[:C, i0:i1, j0:j1]
                taps.append((((c * Hf + i) * Wf + j) * step).reshape(-1))
                cells.append((((c * H + i - ph) * W + j - pw) * width).reshape(-1))
                begin.append(begin[-1] + taps[-1].size)
        return _Kinds(
            np.concatenate(taps).astype(np.int64),
            np.concatenate(cells).astype(np.int64),
            np.array(begin, np.int64),
            rows,
            columns,
            len(column_ranges),
        )


def _ranges(size: int, pixels: int, taps: int, padding: int) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """For each pixel of a row the number of its range of taps that lie within the row, and these ranges."""
    ranges = [_taps_within(p, size, taps, padding) for p in range(pixels)]
    different = list(dict.fromkeys(ranges))
    return np.array([different.index(r) for r in ranges], np.int64), different


@lru_cache(maxsize=64)
def _taps(C: int, Hf: int, Wf: int, rows: int, columns: int, width: int, multiple: int) -> np.ndarray:
    """Places of the taps in interleaved planes of rows x columns; filled up to a multiple by the last one."""
    c, i, j = np.ogrid[:C, :Hf, :Wf]
    taps = (((c * rows + i) * columns + j) * width).reshape(-1)
    return np.concatenate([taps, np.full(-len(taps) % multiple, taps[-1])]).astype(np.int64)


@lru_cache(maxsize=64)
def _range(n: int) -> np.ndarray:
    return np.arange(n, dtype=np.int64)


@lru_cache(maxsize=64)
def _backwards(F: int, pitch: int, size: int) -> np.ndarray:
    """Places in a filter matrix of the weights of one channel: for each filter its cells backwards."""
    return (np.arange(F)[:, None] * pitch + np.arange(size)[::-1]).reshape(-1).astype(np.int64)


def _multiply(
    images: np.ndarray, C: int, H: int, W: int, filters: np.ndarray, row_step: int, rows: int, weights: np.ndarray,
    bias: np.ndarray | None, P: int, Q: int, Hf: int, Wf: int, ph: int, pw: int, work: float,
    out: np.ndarray, finish: Finishing | None = None,
) -> None:  # fmt: skip
    """out (N, rows*P*Q) = filters times the cells that pixels of the images (N, C*H*W) see, plus bias (rows, 1) if given.

    work: multiply-adds of all of it.
    """
    compiled = kernels("interleaved")
    dtype, depth, N = out.dtype.type, len(weights), len(images)
    lanes, height = vector_shape(dtype)
    width = 2 * lanes
    padded = -(-rows // height) * height
    packed = buffer("packed filters", padded * depth, dtype)
    pack = kernels("convolution").pack_filters(dtype, lanes, height)
    pack(filters, filters.size, row_step, rows, weights, depth, depth, 0, padded // height, packed)
    shift = np.zeros(padded, dtype)
    if bias is not None:
        shift[:rows] = bias[:, 0]
    kinds = _Kinds.of(C, H, W, P, Q, Hf, Wf, ph, pw, height, width)
    interleave = compiled.interleave_images(dtype, lanes)
    multiply = compiled.multiply_interleaved(dtype, lanes, height)
    cells, pitch = flat(images, dtype)
    results = out.reshape(-1)
    chunk = -(-P * Q // -(-P * Q // CHUNK))

    def run(start: int, stop: int) -> None:
        S = buffer("interleaved", C * H * W * width, dtype)
        T = buffer("panel results", height * chunk * width, dtype)
        places = buffer("places", width, np.int64)
        for n in range(start * width, min(stop * width, N), width):
            count = min(width, N - n)
            interleave(cells, n * pitch, pitch, count, C, H, W, 0, 0, S, places)
            multiply(
                S, W, count, P, Q, packed, rows, depth, kinds.a_places, kinds.b_places, kinds.begin,
                kinds.rows, kinds.columns, kinds.number, shift, results, n * rows * P * Q, rows * P * Q, T, chunk, places,
            )  # fmt: skip
            if finish is not None:
                finish(results, n, 0, rows, 0, P * Q, count)

    parallel_for(run, -(-N // width), work / MULTIPLY_ADDS_PER_NS)


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
    filters, pitch = flat(W, dtype)
    weights, work = _range(g.filter_cols), float(len(X) * g.F * g.C * products(g, "output"))
    _multiply(X, g.C, g.H, g.W, filters, pitch, g.F, weights, bias, g.P, g.Q, g.Hf, g.Wf, g.ph, g.pw, work, out, finish)


def data_gradient(W: np.ndarray, dout: np.ndarray, g: ConvGeometry, dtype: Any, dX: np.ndarray) -> None:
    """dX = gradient of the images (N, C*H*W), contiguous, from filters (F, C*Hf*Wf) and output gradient (N, F*P*Q).

    It is the convolution of the gradients with the filters backwards.
    """
    filters, pitch = flat(W, dtype)
    size = g.Hf * g.Wf
    weights, work = _backwards(g.F, pitch, size), float(len(dout) * g.F * g.C * products(g, "data"))
    padding = g.Hf - 1 - g.ph, g.Wf - 1 - g.pw
    _multiply(dout, g.F, g.P, g.Q, filters, size, g.C, weights, None, g.H, g.W, g.Hf, g.Wf, *padding, work, dX)


def filter_gradient(X: np.ndarray, dout: np.ndarray, g: ConvGeometry, dtype: Any, dW: np.ndarray) -> None:
    """dW = gradient of the filters (F, C*Hf*Wf), contiguous, from images (N, C*H*W) and output gradient (N, F*P*Q)."""
    compiled = kernels("interleaved")
    N, itemsize = len(X), np.dtype(dtype).itemsize
    images, pitch = flat(X, dtype)
    gradients, gradient_pitch = flat(dout, dtype)
    lanes = vector_shape(dtype)[0]
    width, pixels = 2 * lanes, g.P * g.Q
    rows, depth = -(-g.F // compiled.ROWS) * compiled.ROWS, -(-g.filter_cols // compiled.TAPS) * compiled.TAPS
    plane_rows, columns = g.H + 2 * g.ph, g.W + 2 * g.pw
    taps = _taps(g.C, g.Hf, g.Wf, plane_rows, columns, width, compiled.TAPS)
    band = max(1, min(g.P, BAND_BYTES // (compiled.ROWS * g.Q * width * itemsize)))
    part_size = rows * depth * lanes
    blocks = -(-N // width)
    parts = max(1, min(FEWEST_TILES, blocks, SUM_BYTES // (part_size * itemsize)))
    part = -(-blocks // parts)
    parts = -(-blocks // part)
    sums = buffer("filter gradient", parts * part_size, dtype)
    interleave = compiled.interleave_images(dtype, lanes)
    add_up = compiled.sum_interleaved(dtype, lanes)

    def run(start: int, stop: int) -> None:
        S = buffer("interleaved", g.C * plane_rows * columns * width, dtype)
        D = buffer("interleaved gradients", rows * pixels * width, dtype)
        D[g.F * pixels * width : rows * pixels * width] = 0
        places = buffer("places", width, np.int64)
        for index in range(start, stop):
            for block in range(index * part, min(index * part + part, blocks)):
                n = block * width
                count = min(width, N - n)
                interleave(images, n * pitch, pitch, count, g.C, g.H, g.W, g.ph, g.pw, S, places)
                interleave(gradients, n * gradient_pitch, gradient_pitch, count, 1, 1, g.output_cols, 0, 0, D, places)
                if count < width:  # in both, as 0 times infinity is not 0
                    D[: g.F * pixels * width].reshape(-1, width)[:, count:] = 0
                    S[: g.C * plane_rows * columns * width].reshape(-1, width)[:, count:] = 0
                add_up(
                    S, columns, g.P, g.Q, D, rows, taps, depth, band, sums[index * part_size :], block > index * part
                )

    parallel_for(run, parts, N * float(rows * depth * pixels) / MULTIPLY_ADDS_PER_NS)
    compiled.gather_lanes(dtype, lanes)(sums, parts, part_size, g.F, g.filter_cols, depth, dW.reshape(-1))
