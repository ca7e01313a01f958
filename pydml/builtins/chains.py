"""Products that the compiler puts together from several operations; `ir.passes.algebra` makes them, nobody calls them.

Their sizes are often known only while running, so the choice of an order is made here.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from pydml.builtins.aggregate import colSums, rowSums, sum_, trace
from pydml.builtins.elementwise import is_nan
from pydml.builtins.operators import matrix_product, multiply, subtract
from pydml.builtins.registry import Builtin, builtin
from pydml.builtins.reorg import diag, t
from pydml.types import MATRIX, Type
from pydml.values import is_matrix, type_of


def _chain_type(*operands: Type) -> Type:
    result = operands[0]
    for operand in operands[1:]:
        result = matrix_product.infer((result, operand))[0]
    return result


@builtin("matrix chain(*operands: any) -> any", infer=_chain_type, storages="any", self_checking=True)
def chain(*operands: Any) -> Any:
    """The product of three or more matrices in the order that takes the fewest multiplications, as if all were dense."""
    if any(not is_matrix(X) or X.shape[0] != left.shape[1] for left, X in pairwise(operands)):
        _chain_type(*map(type_of, operands))  # says what is wrong, as the single products do
    order = product_order([operands[0].shape[0], *(X.shape[1] for X in operands)])
    return _product(operands, order)


def _product(operands: tuple[Any, ...], order: Any) -> Any:
    if isinstance(order, int):
        return operands[order]
    return matrix_product.run(_product(operands, order[0]), _product(operands, order[1]))


def product_order(sizes: list[int]) -> Any:
    """The cheapest order of a product of matrices sizes[i] x sizes[i+1]: nested pairs of positions, e.g. `(0, (1, 2))`.

    Of equal costs, the one that associates to the left.  Source: Cormen et al., Introduction to Algorithms, section 14.2.
    """
    n = len(sizes) - 1
    best: dict[tuple[int, int], tuple[int, Any]] = {(i, i): (0, i) for i in range(n)}
    for length in range(2, n + 1):
        for i in range(n - length + 1):
            j = i + length - 1
            choices = []
            for k in range(j - 1, i - 1, -1):
                (left, a), (right, b) = best[i, k], best[k + 1, j]
                choices.append((left + right + sizes[i] * sizes[k + 1] * sizes[j + 1], -k, (a, b)))
            cost, _, order = min(choices, key=lambda c: c[:2])
            best[i, j] = cost, order
    return best[0, n - 1][1]


def _mmchain_type(X: Type, v: Type, w: Type, y: Type, right: Type) -> Type:
    inner = matrix_product.infer((X, v))[0]
    if w.data != "null":
        inner = multiply.infer((inner, w) if right.const else (w, inner))[0]
    if y.data != "null":
        inner = subtract.infer((inner, y))[0]
    return matrix_product.infer((t.infer((X,))[0] if X.data == MATRIX else X, inner))[0]


@builtin(
    "product chain(X: any, v: any, w: any = NULL, y: any = NULL, right: boolean = FALSE) -> any",
    infer=_mmchain_type,
    storages="any",
    self_checking=True,
)
def mmchain(X: Any, v: Any, w: Any, y: Any, right: bool) -> Any:
    """t(X) %*% (w * (X %*% v) - y), with w and y left out where they are NULL.

    right: w stands on the right of `*`, which matters for what is broadcast.
    A kernel reads X once; the meaning reads it twice.
    """
    inner = matrix_product(X, v)
    if w is not None:
        inner = multiply(inner, w) if right else multiply(w, inner)
    if y is not None:
        inner = subtract(inner, y)
    return matrix_product(t(X), inner)


def _scaled_columns_type(X: Type, v: Type) -> Type:
    return matrix_product.infer((X, diag.infer((v,))[0]))[0]


@builtin("product with diagonal(X: any, v: any) -> any", infer=_scaled_columns_type, storages="any", self_checking=True)
def product_with_diagonal(X: Any, v: Any) -> Any:
    """X %*% diag(v).  For a column vector v: the columns of X scaled, without the square matrix."""
    if is_matrix(X) and is_matrix(v) and v.shape[1] == 1 and X.shape[1] == v.shape[0] > 1:
        result = multiply.run(X, t.run(v))
        if _finite(result):  # else the zeros beside the diagonal have a say: 0 * NaN is NaN
            return result
    return matrix_product(X, diag(v))


def _scaled_rows_type(v: Type, X: Type) -> Type:
    return matrix_product.infer((diag.infer((v,))[0], X))[0]


@builtin("diagonal product(v: any, X: any) -> any", infer=_scaled_rows_type, storages="any", self_checking=True)
def diagonal_product(v: Any, X: Any) -> Any:
    """diag(v) %*% X.  For a column vector v: the rows of X scaled, without the square matrix."""
    if is_matrix(X) and is_matrix(v) and v.shape[1] == 1 and X.shape[0] == v.shape[0] > 1:
        result = multiply.run(X, v)
        if _finite(result):
            return result
    return matrix_product(diag(v), X)


def _finite(X: Any) -> bool:
    total = sum_.run(X)
    return bool(total - total == 0)


def _trace_type(A: Type, B: Type) -> Type:
    return trace.infer(matrix_product.infer((A, B)))[0]


@builtin("trace of product(A: any, B: any) -> any", infer=_trace_type, storages="any", self_checking=True)
def trace_of_product(A: Any, B: Any) -> Any:
    """trace(A %*% B) as sum(A * t(B)): the cells beside the diagonal are never computed."""
    if not (is_matrix(A) and is_matrix(B) and A.shape == B.shape[::-1]):
        return trace(matrix_product(A, B))  # says what is wrong
    return sum_.run(multiply.run(A, t.run(B)))


@builtin(
    "number of NaN(X: any) -> double",
    infer=lambda X: sum_.infer(is_nan.infer((X,)))[0],
    storages="any",
    self_checking=True,
)
def number_of_nan(X: Any) -> Any:
    """sum(is.nan(X)) of a matrix; a kernel knows by a sum that a run of cells has none."""
    return sum_.run(is_nan.run(X))


def _diagonal_type(A: Type, B: Type) -> Type:
    return diag.infer((matrix_product.infer((A, B))[0],))[0]


@builtin("diagonal of product(A: any, B: any) -> any", infer=_diagonal_type, storages="any", self_checking=True)
def diagonal_of_product(A: Any, B: Any) -> Any:
    """diag(A %*% B) as rowSums(A * t(B)): the cells beside the diagonal are never computed."""
    if not (is_matrix(A) and is_matrix(B) and A.shape == B.shape[::-1]):
        return diag.run(matrix_product(A, B))  # a vector becomes a matrix here; else it says what is wrong
    return rowSums.run(multiply.run(A, t.run(B)))


def _reduced_type(reduce: Builtin) -> Callable[[Type, Type], Type]:
    return lambda A, B: reduce.infer(matrix_product.infer((A, B)))[0]


@builtin("sum of product(A: any, B: any) -> any", infer=_reduced_type(sum_), storages="any", self_checking=True)
def sum_of_product(A: Any, B: Any) -> Any:
    """sum(A %*% B) as the product of two vectors."""
    if not _meet(A, B):
        return sum_(matrix_product(A, B))
    return sum_.run(matrix_product.run(colSums.run(A), rowSums.run(B)))


@builtin("rowSums of product(A: any, B: any) -> any", infer=_reduced_type(rowSums), storages="any", self_checking=True)
def row_sums_of_product(A: Any, B: Any) -> Any:
    """rowSums(A %*% B) as A %*% rowSums(B)."""
    if not _meet(A, B):
        return rowSums(matrix_product(A, B))
    return matrix_product.run(A, rowSums.run(B))


@builtin("colSums of product(A: any, B: any) -> any", infer=_reduced_type(colSums), storages="any", self_checking=True)
def col_sums_of_product(A: Any, B: Any) -> Any:
    """colSums(A %*% B) as colSums(A) %*% B."""
    if not _meet(A, B):
        return colSums(matrix_product(A, B))
    return matrix_product.run(colSums.run(A), B)


def _meet(A: Any, B: Any) -> bool:
    return is_matrix(A) and is_matrix(B) and A.shape[1] == B.shape[0]
