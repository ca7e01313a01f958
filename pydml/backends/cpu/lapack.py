"""Decompositions of large matrices on the threads of BLAS, the only work that is left to them."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydml.backends.cpu.threads import blas_threads
from pydml.builtins.linalg import cholesky, det, eigen, inv, lu, qr, solve, svd
from pydml.builtins.registry import Builtin

LARGE = 256  # rows and columns from which threads pay


def _with_threads(builtin: Builtin) -> Any:
    def run(A: np.ndarray, *others: Any) -> Any:
        if min(A.shape) < LARGE:
            return NotImplemented
        with blas_threads():
            return builtin.meaning(A, *others)

    return run


for _builtin in (cholesky, det, eigen, inv, lu, qr, svd):
    _builtin.add_kernel(("dense",), _with_threads(_builtin))
solve.add_kernel(("dense", "dense"), _with_threads(solve))
