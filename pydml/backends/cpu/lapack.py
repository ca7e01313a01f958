"""Decompositions of large matrices on the threads of BLAS, the only work that is left to them."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydml.backends.cpu.threads import blas_threads
from pydml.builtins.linalg import cholesky, det, eigen, inv, lu, qr, solve, svd
from pydml.builtins.registry import Builtin

# Work from which threads pay, as those of BLAS wait in busy loops and fall far behind where other programs use the cores: some 50 ms.
LARGE = 1_500_000_000  # multiplications and additions
_FLOPS = {
    cholesky: 1 / 3,
    det: 2 / 3,
    lu: 2 / 3,
    solve: 2 / 3,
    inv: 2.0,
    qr: 8 / 3,
    eigen: 9.0,
    svd: 20.0,
}  # times rows^3


def _with_threads(builtin: Builtin) -> Any:
    def run(A: np.ndarray, *others: Any) -> Any:
        if _FLOPS[builtin] * float(min(A.shape)) ** 2 * max(A.shape) < LARGE:
            return NotImplemented
        with blas_threads():
            return builtin.meaning(A, *others)

    return run


for _builtin in (cholesky, det, eigen, inv, lu, qr, svd):
    _builtin.add_kernel(("dense",), _with_threads(_builtin))
solve.add_kernel(("dense", "dense"), _with_threads(solve))
