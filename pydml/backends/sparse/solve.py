"""Systems of equations with a sparse matrix: a sparse LU decomposition (SuperLU, by way of SciPy).

It wins where the factors stay sparse.  A matrix that fits into memory well and whose cells cannot be gathered around the diagonal
would fill them, and LAPACK on a dense copy is faster.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pydml.backends.sparse.form import all_finite, row_numbers
from pydml.builtins.registry import kernel, lookup
from pydml.diagnostics import fail
from pydml.values import Sparse, to_dense

SMALL = 500  # rows up to which a dense copy is faster in any case
LARGE_BYTES = 512 << 20  # a dense copy beyond this size is not made
BAND = 8  # a band of a smaller part of the rows pays


@kernel("solve", "sparse", "dense")
@kernel("solve", "sparse", "sparse")
def solve_sparse(A: Sparse, b: Any) -> np.ndarray:
    b = to_dense(b)
    if not (_pays(A) and all_finite(A.csr.data)):
        return lookup("solve").run(A.to_dense(), b)
    from scipy.sparse.linalg import splu

    dtype = np.result_type(A.dtype, b.dtype)
    csr = A.csr
    columns = csr.tocsc()
    symmetric = np.array_equal(csr.indptr, columns.indptr) and np.array_equal(csr.indices, columns.indices)
    # the order of columns that keeps the factors small: of a grid or a graph another one than of arbitrary equations
    order = "MMD_AT_PLUS_A" if symmetric else "COLAMD"
    try:
        factors = splu(columns.astype(dtype, copy=False), permc_spec=order)
    except RuntimeError:  # as LAPACK, it tells only pivots that are exactly zero
        fail("linear-algebra", "solve: the matrix A is singular")
    except MemoryError:
        fail(
            "memory",
            f"solve: not enough memory for the factors of the sparse matrix A, which is {A.shape[0]} x {A.shape[1]}",
            help="an iterative method, such as conjugate gradients, needs no factors",
        )
    return np.ascontiguousarray(factors.solve(np.ascontiguousarray(b, dtype)))


def _pays(A: Sparse) -> bool:
    n = A.shape[0]
    if n <= SMALL:
        return False
    if n * n * A.dtype.itemsize > LARGE_BYTES:
        return True
    from scipy.sparse.csgraph import reverse_cuthill_mckee

    csr = A.csr
    place = np.empty(n, np.int64)
    place[reverse_cuthill_mckee((csr + csr.T).tocsr(), symmetric_mode=True)] = np.arange(n)
    distance = np.abs(place[row_numbers(A)] - place[csr.indices])
    return int(distance.max(initial=0)) * BAND < n
