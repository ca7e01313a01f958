"""Discrete Fourier transforms of real and complex matrices; complex ones are a pair of matrices, real and imaginary part.

As in SystemDS, transformed lengths must be powers of two.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pydml.builtins.registry import builtin
from pydml.builtins.shapes import constant_size
from pydml.diagnostics import fail
from pydml.types import MATRIX, SCALAR, Type, matrix_type
from pydml.values import arithmetic
from pydml.values.storage import check_dense_size


def _power_of_two(function: str, *sizes: int | None) -> None:
    for size in sizes:
        if size is not None and (size < 1 or size & (size - 1)):
            fail(
                "shape-mismatch",
                f"{function}: sizes must be powers of two, got {size}",
                help="fill up with zeros by cbind and rbind",
            )


def _transform_type(function: str, *, both: bool):
    """Type rule; both: rows and columns are transformed, else only within rows."""

    def rule(X: Type, imaginary: Type | None = None) -> tuple[Type, Type]:
        _power_of_two(function, *((X.rows, X.cols) if both else (X.cols,)))
        _same_sizes(function, X, imaginary)
        return matrix_type(X.rows, X.cols), matrix_type(X.rows, X.cols)

    return rule


def _same_sizes(function: str, real: Type, imaginary: Type | None) -> None:
    if imaginary is not None and imaginary.data == MATRIX:
        for a, b in ((real.rows, imaginary.rows), (real.cols, imaginary.cols)):
            if None not in (a, b) and a != b:
                fail(
                    "shape-mismatch",
                    f"{function}: the real part is {real.size_text()}, the imaginary part {imaginary.size_text()}",
                )


def _complex(real: np.ndarray, imaginary: np.ndarray | None) -> np.ndarray:
    return real if imaginary is None else real + 1j * imaginary


def _parts(Z: np.ndarray, dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    return Z.real.astype(dtype), Z.imag.astype(dtype)


@builtin("fft(X: matrix) -> real: matrix, imaginary: matrix", infer=_transform_type("fft", both=True))
def fft(X):
    """Two-dimensional discrete Fourier transform of a real matrix, without scaling.  X: (n, m), powers of two.

    A row or column vector gets the one-dimensional transform.
    """
    return _parts(np.fft.fft2(X), X.dtype)


fft.case('[R, I] = fft(matrix("1 2 3 4", 1, 4)); RESULT = R', "10 -2 -2 -2")
fft.case('[R, I] = fft(matrix("1 2 3 4", 1, 4)); RESULT = I', "0 2 0 -2")
fft.case('[R, I] = fft(matrix("1 2 3 4", 2, 2)); RESULT = R', "10 -2 / -4 0")
fft.fails("[R, I] = fft(matrix(1, 1, 6))", "shape-mismatch", "powers of two, got 6")


@builtin(
    "ifft(real: matrix, imaginary: matrix = NULL) -> real: matrix, imaginary: matrix",
    infer=_transform_type("ifft", both=True),
)
def ifft(real, imaginary):
    """Inverse of fft: the two-dimensional inverse transform, divided by the number of cells.  (n, m), powers of two."""
    return _parts(np.fft.ifft2(_complex(real, imaginary)), real.dtype)


ifft.case('[R, I] = ifft(matrix("1 2 3 4", 1, 4)); RESULT = R', "2.5 -0.5 -0.5 -0.5")
ifft.case('[R, I] = ifft(matrix("10 -2 -2 -2", 1, 4), matrix("0 2 0 -2", 1, 4)); RESULT = R', "1 2 3 4")
ifft.fails("[R, I] = ifft(matrix(1, 1, 4), matrix(1, 1, 2))", "shape-mismatch", "the imaginary part 1 x 2")


@builtin(
    "fft_linearized(X: matrix) -> real: matrix, imaginary: matrix", infer=_transform_type("fft_linearized", both=False)
)
def fft_linearized(X):
    """Fourier transform of each row by itself, without scaling.  X: (n, m), m a power of two."""
    return _parts(np.fft.fft(X, axis=1), X.dtype)


fft_linearized.case('[R, I] = fft_linearized(matrix("1 2 3 4 5 6 7 8", 2, 4)); RESULT = R', "10 -2 -2 -2 / 26 -2 -2 -2")
fft_linearized.case('[R, I] = fft_linearized(matrix("1 2 3 4 5 6 7 8", 2, 4)); RESULT = I', "0 2 0 -2 / 0 2 0 -2")
fft_linearized.fails("[R, I] = fft_linearized(matrix(1, 1, 6))", "shape-mismatch", "powers of two, got 6")


@builtin(
    "ifft_linearized(real: matrix, imaginary: matrix = NULL) -> real: matrix, imaginary: matrix",
    infer=_transform_type("ifft_linearized", both=False),
)
def ifft_linearized(real, imaginary):
    """Inverse of fft_linearized: the inverse transform of each row, divided by m.  (n, m), m a power of two."""
    return _parts(np.fft.ifft(_complex(real, imaginary), axis=1), real.dtype)


ifft_linearized.case(
    '[R, I] = ifft_linearized(matrix("1 2 3 4 5 6 7 8", 2, 4)); RESULT = R', "2.5 -0.5 -0.5 -0.5 / 6.5 -0.5 -0.5 -0.5"
)
ifft_linearized.case(
    '[R, I] = ifft_linearized(matrix("1 2 3 4", 1, 4), matrix("1 2 3 4", 1, 4)); RESULT = I', "2.5 -1 -0.5 0"
)
ifft_linearized.fails("[R, I] = ifft_linearized(matrix(1, 1, 3))", "shape-mismatch", "powers of two, got 3")


def _frame_count(cols: int, window: int, overlap: int) -> int:
    hop = window - overlap
    return max((cols - overlap + hop - 1) // hop, 0)


def _window_arguments(imaginary: Any, window: Any, overlap: Any, is_matrix: bool) -> tuple[Any, Any, Any]:
    """(imaginary, window, overlap) for the calls with and without an imaginary part."""
    return (imaginary, window, overlap) if is_matrix else (None, imaginary, window)


def _window_sizes(window: int | None, overlap: int | None) -> None:
    _power_of_two("stft", window)
    if None not in (window, overlap) and not 0 <= overlap < window:
        fail("value", f"stft: the overlap must be from 0 to below the window {window}, got {overlap}")


def _stft_type(X: Type, imaginary: Type, window: Type, overlap: Type) -> tuple[Type, Type]:
    if imaginary.data == SCALAR and overlap.data != "null":
        fail("argument-type", "stft: imaginary must be a matrix, got a number", help="stft(X, window, overlap)")
    imaginary, window, overlap = _window_arguments(imaginary, window, overlap, imaginary.data == MATRIX)
    if overlap is None or overlap.data == "null":
        fail("call", "stft: the argument overlap is missing", help="stft(X, window, overlap)")
    _same_sizes("stft", X, imaginary)
    w, o = constant_size(window), constant_size(overlap)
    _window_sizes(w, o)
    cols = w * _frame_count(X.cols, w, o) if None not in (w, o, X.cols) else None
    return matrix_type(X.rows, cols), matrix_type(X.rows, cols)


@builtin(
    "stft(X: matrix, imaginary: matrix|number, window: number, overlap: number = NULL) -> real: matrix, imaginary: matrix",
    infer=_stft_type,
)
def stft(X, imaginary, window, overlap):
    """Short-time Fourier transform of each row: the transforms of overlapping windows, side by side.

    `stft(X, window, overlap)` or `stft(X, imaginary, window, overlap)`.  X: (n, m); window: a power of two; overlap: the number of
    cells that a window shares with the next, 0 <= overlap < window.  The last window is filled up with zeros.
    Returns two matrices (n, f * window) with f = ceil((m - overlap) / (window - overlap)).
    """
    imaginary, window, overlap = _window_arguments(imaginary, window, overlap, type(imaginary) is np.ndarray)
    window, overlap = arithmetic.to_int(window), arithmetic.to_int(overlap)
    _window_sizes(window, overlap)
    Z = _complex(X, imaginary)
    frames = _frame_count(X.shape[1], window, overlap)
    check_dense_size(X.shape[0], max(frames, 1) * window, 16)
    hop = window - overlap
    padded = np.zeros((X.shape[0], frames * hop + window), Z.dtype)
    padded[:, : X.shape[1]] = Z
    windows = [np.fft.fft(padded[:, i * hop : i * hop + window], axis=1) for i in range(frames)]
    return _parts(np.hstack(windows) if windows else np.zeros((X.shape[0], 0)), X.dtype)


stft.case('[R, I] = stft(matrix("1 2 3 4", 1, 4), 2, 1); RESULT = R', "3 -1 5 -1 7 -1")
stft.case('[R, I] = stft(matrix("1 2 3", 1, 3), 2, 0); RESULT = R', "3 -1 3 3")
stft.fails("[R, I] = stft(matrix(1, 1, 4), 3, 1)", "shape-mismatch", "powers of two, got 3")
stft.fails("[R, I] = stft(matrix(1, 1, 4), 2, 2)", "value", "overlap must be from 0 to below the window 2")
