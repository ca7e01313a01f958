"""Linear algebra: solvers, inverse, determinant, decompositions, matrix square root, einsum.

LAPACK by way of NumPy does the work; SciPy where NumPy has no equivalent.  Single precision matrices stay in single precision.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pydml.builtins.registry import builtin
from pydml.builtins.shapes import square
from pydml.diagnostics import fail
from pydml.types import ANY, DOUBLE_SCALAR, STRING, Type, matrix_type


def _decompose(function: str, run: Callable[[], Any], reason: str) -> Any:
    """The result of a LAPACK routine; its failure as a DMLError."""
    try:
        return run()
    except (np.linalg.LinAlgError, ValueError):
        fail("linear-algebra", f"{function}: {reason}")


def _finite(function: str, X: np.ndarray) -> None:
    if not np.isfinite(X).all():
        fail("linear-algebra", f"{function}: the matrix has NaN or infinite cells")


_BAND = 128


def _is_symmetric(A: np.ndarray) -> bool:
    """Whether A equals its transpose up to rounding of a product such as t(X) %*% X."""
    largest = max(abs(A.max(initial=0.0)), abs(A.min(initial=0.0)))
    tolerance = 100 * A.shape[0] * np.finfo(A.dtype).eps * largest
    for begin in range(0, len(A), _BAND):  # the upper triangle, in blocks that stay in the cache
        end = begin + _BAND
        for other in range(begin, len(A), _BAND):
            difference = A[begin:end, other : other + _BAND] - A[other : other + _BAND, begin:end].T
            if not (np.abs(difference, out=difference) <= tolerance).all():
                return False
    return True


# ---- systems of equations


def _solve_type(A: Type, b: Type) -> Type:
    n = square("solve", "A", A)
    if None not in (n, b.rows) and n != b.rows:
        fail("shape-mismatch", f"solve: A is {A.size_text()}, b has {b.rows} rows")
    return matrix_type(n if n is not None else b.rows, b.cols)


@builtin("solve(A: matrix, b: matrix) -> matrix", infer=_solve_type)
def solve(A, b):
    """x with A %*% x = b.  A: (n, n), b: (n, 1) or (n, k).  Returns the size of b.  A large sparse A is never made dense.

    Raises "linear-algebra" where A is singular; of nearly singular ones the result is inaccurate.
    """
    return _decompose("solve", lambda: np.linalg.solve(A, b), "the matrix A is singular")


solve.case('solve(matrix("4 2 2 3", 2, 2), matrix("1 2", 2, 1))', "-0.125 / 0.75")
solve.case('solve(matrix("2 0 0 4", 2, 2), matrix("2 4 4 8", 2, 2))', "1 2 / 1 2")
solve.fails("solve(matrix(1, 2, 3), matrix(1, 2, 1))", "shape-mismatch", "A must be square, got 2 x 3")
solve.fails("solve(matrix(1, 2, 2), matrix(1, 3, 1))", "shape-mismatch", "b has 3 rows")
solve.fails("solve(matrix(0, 2, 2), matrix(1, 2, 1))", "linear-algebra", "singular")


def _square_type(function: str) -> Callable[[Type], Type]:
    def rule(A: Type) -> Type:
        n = square(function, "A", A)
        return matrix_type(n, n)

    return rule


@builtin("inv(A: matrix) -> matrix", infer=_square_type("inv"), aliases=["inverse"])
def inv(A):
    """The inverse of a square matrix.  Raises "linear-algebra" where it is singular; solve(A, b) is faster than inv(A) %*% b."""
    return _decompose("inv", lambda: np.linalg.inv(A), "the matrix A is singular")


inv.case('inv(matrix("4 2 2 3", 2, 2))', "0.375 -0.25 / -0.25 0.5")
inv.case("inverse(matrix(4, 1, 1))", "0.25")
inv.fails("inv(matrix(1, 2, 3))", "shape-mismatch", "A must be square")
inv.fails("inv(matrix(0, 2, 2))", "linear-algebra", "singular")


def _det_type(A: Type) -> Type:
    square("det", "A", A)
    return DOUBLE_SCALAR


@builtin("det(A: matrix) -> double", infer=_det_type)
def det(A):
    """The determinant of a square matrix."""
    from scipy.linalg import det as determinant  # NumPy's goes by way of logarithms and gives 7.999999999999998 below

    return float(determinant(A.astype(np.float64, copy=False))) if A.size else 1.0


det.case('det(matrix("4 2 2 3", 2, 2))', "8.0")
det.case("det(matrix(1, 2, 2))", "0.0")
det.fails("det(matrix(1, 2, 3))", "shape-mismatch", "A must be square")


# ---- decompositions


@builtin("cholesky(A: matrix) -> matrix", infer=_square_type("cholesky"))
def cholesky(A):
    """Lower triangular L with A = L %*% t(L).  A: symmetric positive definite (n, n), else "linear-algebra" is raised."""
    if not _is_symmetric(A):
        fail("linear-algebra", "cholesky: the matrix is not symmetric")
    return _decompose("cholesky", lambda: np.linalg.cholesky(A), "the matrix is not positive definite")


cholesky.case('cholesky(matrix("4 2 2 5", 2, 2))', "2 0 / 1 2")
cholesky.case("cholesky(matrix(9, 1, 1))", "3")
cholesky.fails("cholesky(matrix(1, 2, 3))", "shape-mismatch", "A must be square")
cholesky.fails('cholesky(matrix("1 2 2 1", 2, 2))', "linear-algebra", "not positive definite")
cholesky.fails('cholesky(matrix("1 2 3 9", 2, 2))', "linear-algebra", "not symmetric")


def _eigen_type(A: Type) -> tuple[Type, ...]:
    n = square("eigen", "A", A)
    return matrix_type(n, 1), matrix_type(n, n)


@builtin("eigen(A: matrix) -> values: matrix, vectors: matrix", infer=_eigen_type)
def eigen(A):
    """Eigenvalues in ascending order, (n, 1), and eigenvectors of length 1 as columns, (n, n).  A: (n, n), symmetric.

    Of other matrices the real parts are returned.  The signs of the vectors are not specified.
    """
    _finite("eigen", A)
    if _is_symmetric(A):
        values, vectors = _decompose("eigen", lambda: np.linalg.eigh(A), "the iteration does not converge")
    else:
        values, vectors = _decompose("eigen", lambda: np.linalg.eig(A), "the iteration does not converge")
        order = np.argsort(values.real, kind="stable")
        values, vectors = values.real[order], vectors.real[:, order]
    return values.reshape(-1, 1).astype(A.dtype), vectors.astype(A.dtype, copy=False)


eigen.case('[w, V] = eigen(matrix("2 1 1 2", 2, 2)); RESULT = w', "1 / 3")
eigen.case('[w, V] = eigen(matrix("2 1 1 2", 2, 2)); RESULT = abs(t(V) %*% V)', "1 0 / 0 1")
eigen.fails("[w, V] = eigen(matrix(1, 2, 3))", "shape-mismatch", "A must be square")


def _svd_type(A: Type) -> tuple[Type, ...]:
    k = None if A.rows is None or A.cols is None else min(A.rows, A.cols)
    return matrix_type(A.rows, k), matrix_type(k, k), matrix_type(A.cols, k)


@builtin("svd(A: matrix) -> U: matrix, S: matrix, V: matrix", infer=_svd_type)
def svd(A):
    """Thin singular value decomposition A = U %*% S %*% t(V).  A: (m, n), k = min(m, n).

    Returns U (m, k), the diagonal matrix S (k, k) of the singular values in descending order, and V (n, k).
    """
    _finite("svd", A)
    U, s, Vt = _decompose("svd", lambda: np.linalg.svd(A, full_matrices=False), "the iteration does not converge")
    return U, np.diag(s), Vt.T


svd.case('[U, S, V] = svd(matrix("3 0 0 4", 2, 2)); RESULT = S', "4 0 / 0 3")
svd.case('[U, S, V] = svd(matrix("1 2 3 4 5 6", 3, 2)); RESULT = U %*% S %*% t(V)', "1 2 / 3 4 / 5 6")
svd.fails("[U, S, V] = svd(3)", "argument-type", "A must be a matrix")


@builtin(
    "qr(A: matrix) -> H: matrix, R: matrix", infer=lambda A: (matrix_type(A.rows, A.cols), matrix_type(A.rows, A.cols))
)
def qr(A):
    """QR decomposition by Householder reflections.  A: (m, n).  Returns H and R, both (m, n).

    H is not Q: its column h_j defines the reflection I - h_j %*% t(h_j) / h_j[j], and Q is the product of the reflections.
    R is upper trapezoidal; its diagonal has the sign that SystemDS gives it.
    """
    m, n = A.shape
    k = min(m, n)
    packed, tau = np.linalg.qr(A, mode="raw")
    packed = packed.T
    R = np.triu(packed)
    # LAPACK's reflection is I - tau v t(v) with v[j] = 1; with h = tau v it has the form above.
    H = np.zeros_like(R)
    H[:, :k] = np.tril(packed[:, :k], -1) * tau
    H[np.arange(k), np.arange(k)] = tau
    # Where nothing is left to eliminate LAPACK does not reflect; SystemDS then changes the sign of the row.
    for j in np.flatnonzero(tau == 0):
        if R[j, j] != 0:
            H[j, j] = 2
            R[j, j:] = -R[j, j:]
    return H, R


qr.case('[H, R] = qr(matrix("3 4 4 -3", 2, 2)); RESULT = R', "-5 0 / 0 5")
qr.case('[H, R] = qr(matrix("3 4 4 -3", 2, 2)); RESULT = H', "1.6 0 / 0.8 2")
qr.fails("[H, R] = qr(3)", "argument-type", "A must be a matrix")


def _lu_type(A: Type) -> tuple[Type, ...]:
    n = square("lu", "A", A)
    return (matrix_type(n, n),) * 3


@builtin("lu(A: matrix) -> P: matrix, L: matrix, U: matrix", infer=_lu_type)
def lu(A):
    """LU decomposition with row exchanges: P %*% A = L %*% U.  A: (n, n).

    P is a permutation matrix, L lower triangular with ones on its diagonal, U upper triangular; all are (n, n).
    """
    from scipy.linalg import lu as factorize

    _finite("lu", A)
    P, L, U = factorize(A)
    return np.ascontiguousarray(P.T), L, U


lu.case('[P, L, U] = lu(matrix("1 2 4 2", 2, 2)); RESULT = P', "0 1 / 1 0")
lu.case('[P, L, U] = lu(matrix("1 2 4 2", 2, 2)); RESULT = L', "1 0 / 0.25 1")
lu.case('[P, L, U] = lu(matrix("1 2 4 2", 2, 2)); RESULT = U', "4 2 / 0 1.5")
lu.fails("[P, L, U] = lu(matrix(1, 2, 3))", "shape-mismatch", "A must be square")


@builtin("sqrtMatrixJava(A: matrix) -> matrix", infer=_square_type("sqrtMatrixJava"))
def sqrtMatrixJava(A):
    """The principal square root of a square matrix: B with B %*% B = A.  Raises "linear-algebra" where it is not real."""
    _finite("sqrtMatrixJava", A)
    if _is_symmetric(A):
        values, vectors = np.linalg.eigh(A)
        limit = 100 * A.shape[0] * np.finfo(A.dtype).eps * np.abs(values).max(initial=0.0)
        if (values < -limit).any():
            fail("linear-algebra", "sqrtMatrixJava: the square root is not real, because an eigenvalue is negative")
        return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    from scipy.linalg import sqrtm

    root = sqrtm(A)
    if np.iscomplexobj(root):
        if (np.abs(root.imag) > 1e-8 * np.abs(root).max()).any():
            fail("linear-algebra", "sqrtMatrixJava: the square root is not real, because an eigenvalue is negative")
        root = root.real
    return root.astype(A.dtype)


sqrtMatrixJava.case('sqrtMatrixJava(matrix("2 1 1 2", 2, 2)) %*% sqrtMatrixJava(matrix("2 1 1 2", 2, 2))', "2 1 / 1 2")
sqrtMatrixJava.case('sqrtMatrixJava(matrix("1 3 0 4", 2, 2))', "1 1 / 0 2")
sqrtMatrixJava.fails("sqrtMatrixJava(matrix(1, 2, 3))", "shape-mismatch", "A must be square")
sqrtMatrixJava.fails('sqrtMatrixJava(matrix("-1 0 0 -2", 2, 2))', "linear-algebra", "not real")


def _sqrt_type(A: Type, S: Type) -> Type:
    if isinstance(S.const, str) and S.const not in ("COMMON", "DML"):
        fail(
            "value",
            f'sqrtMatrix: there is no strategy "{S.const}"',
            help='use "COMMON" or "DML"; both do the same here',
        )
    return _square_type("sqrtMatrix")(A)


@builtin('sqrtMatrix(A: matrix, S: string = "COMMON") -> matrix', infer=_sqrt_type)
def sqrtMatrix(A, S):
    """The principal square root of a square matrix, as sqrtMatrixJava.

    S: how SystemDS computes it, "COMMON" or "DML"; both do the same here.
    """
    return sqrtMatrixJava.meaning(A)


sqrtMatrix.case('sqrtMatrix(matrix("1 3 0 4", 2, 2), "DML")', "1 1 / 0 2")
sqrtMatrix.fails('sqrtMatrix(matrix("1 3 0 4", 2, 2), "X")', "value", "there is no strategy")


# ---- einsum


def _einsum_parts(equation: str, count: int) -> tuple[list[str], str]:
    """The index strings of the operands and of the result."""
    text = equation.replace(" ", "")
    left, arrow, result = text.partition("->")
    operands = left.split(",")
    if not arrow or not all(c.isalpha() for c in left.replace(",", "") + result):
        fail(
            "value",
            f'einsum: "{equation}" is not an equation',
            help='write letters for indexes, for example "ij,jk->ik"',
        )
    if len(operands) != count:
        fail("call", f'einsum: "{equation}" names {len(operands)} operands, {count} are given')
    if any(len(indexes) not in (1, 2) for indexes in operands) or len(result) > 2:
        fail("value", f'einsum: in "{equation}" each operand must have one or two indexes, the result at most two')
    if len(set(result)) < len(result):
        fail("value", f'einsum: the result of "{equation}" repeats an index')
    for c in result:
        if c not in left:
            fail("value", f'einsum: the index {c} of the result is in no operand of "{equation}"')
    return operands, result


def _einsum_type(equation: Type, *X: Type) -> Type:
    if equation.value == STRING and not isinstance(equation.const, str):
        return ANY
    operands, result = _einsum_parts(equation.const, len(X))
    sizes: dict[str, int | None] = {}
    for indexes, x in zip(operands, X, strict=True):
        if len(indexes) == 1 and x.cols not in (1, None):
            fail("shape-mismatch", f'einsum: "{indexes}" needs a column vector, got {x.size_text()}')
        for c, size in zip(indexes, (x.rows, x.cols), strict=False):
            known = sizes.get(c)
            if None not in (known, size) and known != size:
                fail("shape-mismatch", f"einsum: the index {c} stands for {known} and for {size} in {equation.const}")
            sizes[c] = known if known is not None else size
    if not result:
        return DOUBLE_SCALAR
    return matrix_type(sizes[result[0]], sizes[result[1]] if len(result) == 2 else 1)


@builtin("einsum(equation: string, *X: matrix) -> any", infer=_einsum_type)
def einsum(equation, *X):
    """Sum of products by Einstein's convention: "ij,jk->ik" is the matrix product.

    Each operand has two indexes, or one if it is a column vector.  An index that is missing on the right is summed over; one
    that is repeated in an operand takes the diagonal.  The result is a scalar ("->"), a column vector or a matrix.
    """
    operands, result = _einsum_parts(equation, len(X))
    arrays = [x[:, 0] if len(indexes) == 1 else x for indexes, x in zip(operands, X, strict=True)]
    value = np.einsum(f"{','.join(operands)}->{result}", *arrays, optimize=len(arrays) > 1)
    if not result:
        return float(value)
    return np.array(value, dtype=X[0].dtype, order="C").reshape(value.shape[0], -1 if value.size else value.shape[-1])


einsum.case('einsum("ij,jk->ik", matrix("1 2 3 4", 2, 2), matrix("5 6", 2, 1))', "17 / 39")
einsum.case('einsum("ij,ji->", matrix("1 2 3 4 5 6", 2, 3), matrix("1 2 3 4 5 6", 3, 2))', "86.0")
einsum.case('einsum("ij->j", matrix("1 2 3 4", 2, 2))', "4 / 6")
einsum.case('einsum("ii->i", matrix("1 2 3 4", 2, 2))', "1 / 4")
einsum.case('einsum("i,j->ij", matrix("1 2", 2, 1), matrix("3 4", 2, 1))', "3 4 / 6 8")
einsum.fails(
    'einsum("ij,jk->ik", matrix(1, 2, 3), matrix(1, 2, 3))', "shape-mismatch", "the index j stands for 3 and for 2"
)
einsum.fails('einsum("i->i", matrix(1, 2, 3))', "shape-mismatch", "needs a column vector")
einsum.fails('einsum("ij->ii", matrix(1, 2, 2))', "value", "repeats an index")
einsum.fails('einsum("ij", matrix(1, 2, 2))', "value", "is not an equation")
