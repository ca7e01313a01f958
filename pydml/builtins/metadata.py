"""Builtins about how a value is stored or where it comes from: compress, decompress, quantize_compress, lineage."""

from __future__ import annotations

import numpy as np

from pydml.builtins.registry import builtin
from pydml.builtins.shapes import broadcast, same_as
from pydml.types import MATRIX
from pydml.values import type_of


@builtin("compress(X: matrix) -> matrix", shape=same_as("X"), storages="any", self_checking=True, state="identity")
def compress(X):
    """X itself: pydml has no compressed storage, and values are the same in any.  As SystemDS `compress`."""
    return X


compress.case("compress(seq(1, 2))", "1 / 2")
compress.fails("compress(3)", "argument-type", "X must be a matrix")


@builtin("decompress(X: matrix) -> matrix", shape=same_as("X"), storages="any", self_checking=True, state="identity")
def decompress(X):
    """X itself.  See `compress`."""
    return X


decompress.case("decompress(compress(seq(1, 2)))", "1 / 2")
decompress.fails("decompress(3)", "argument-type", "X must be a matrix")


def _scaled(X, scale):
    return broadcast("quantize_compress", X, scale) if scale.data == MATRIX else (X.rows, X.cols)


@builtin("quantize_compress(X: matrix, scale: number|matrix) -> matrix", shape=_scaled)
def quantize_compress(X, scale):
    """X times scale, rounded down: floor(X * scale).  X: (n, m).  Returns (n, m).  As SystemDS `quantize_compress`.

    scale: a number, or a column with one for each row of X.
    """
    return np.floor(X * scale)


quantize_compress.case('quantize_compress(matrix("1.27 2.5", rows=2, cols=1), 10)', "12 / 25")
quantize_compress.case("quantize_compress(matrix(-0.5, rows=1, cols=1), 1)", "-1")
quantize_compress.fails('quantize_compress(seq(1, 2), "a")', "argument-type", "scale must be a number")


@builtin("lineage(X: any) -> string", storages="any", self_checking=True)
def lineage(X):
    """One line about the value, in place of the trace of operations that SystemDS gives: its type and size."""
    return f"(0) (V) {type_of(X)}"


lineage.case("lineage(matrix(1, rows=2, cols=3))", "(0) (V) matrix 2 x 3")
lineage.fails("lineage()", "call", "the argument X is missing")
