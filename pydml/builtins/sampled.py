"""The product of two factors at the cells that a sparse matrix has."""

from __future__ import annotations

from typing import Any

from pydml.builtins.fused import Template, fused
from pydml.builtins.operators import matrix_product
from pydml.builtins.registry import builtin
from pydml.diagnostics import DMLError, Span, fail
from pydml.types import Type, matrix_type


def _type(W: Type, U: Type, V: Type) -> Type:
    for name, X, rows in (("U", U, W.rows), ("V", V, W.cols)):
        if None not in (rows, X.rows) and rows != X.rows:
            side = "rows" if name == "U" else "columns"
            fail("shape-mismatch", f"sampledProduct: W has {rows} {side}, but {name} has {X.rows} rows")
    if None not in (U.cols, V.cols) and U.cols != V.cols:
        fail("shape-mismatch", f"sampledProduct: U has {U.cols} columns, V has {V.cols}")
    return matrix_type(W.rows, W.cols)


@builtin("sampledProduct(W: matrix, U: matrix, V: matrix) -> matrix", infer=_type)
def sampledProduct(W, U, V):
    """W * (U %*% t(V)).  W: (m, n), U: (m, k), V: (n, k).  Returns (m, n).

    For a sparse W only its cells are computed, and U %*% t(V) never exists.  An extension of pydml, which `alsCG` needs; SystemDS has
    it as an internal operator only (wsloss, wdivmm).
    """
    return W * (U @ V.T)


sampledProduct.case(
    'sampledProduct(matrix("1 0 2 0", 2, 2), matrix("1 2 3 4", 2, 2), matrix("5 6 7 8", 2, 2))', "17 0 / 78 0"
)
sampledProduct.fails(
    "sampledProduct(matrix(1, 2, 3), matrix(1, 3, 1), matrix(1, 3, 1))", "shape-mismatch", "W has 2 rows"
)
sampledProduct.fails("sampledProduct(matrix(1, 2, 3), matrix(1, 2, 1), matrix(1, 3, 2))", "shape-mismatch", "V has 2")


@builtin(
    "sampled product chain(W: any, U: any, V: any) -> any",
    infer=lambda W, U, V: matrix_product.infer((_type(W, U, V), V))[0],
    storages="any",
    self_checking=True,
)
def sampled_chain(W, U, V):
    """sampledProduct(W, U, V) %*% V, made by `ir.passes.algebra`: a kernel computes each cell of the first product and uses it at once."""
    return matrix_product(sampledProduct(W, U, V), V)


class Sampling:
    """A fused operation of which one input is a matrix product.

    template: the fused steps.  at: the position of the product among their inputs.  span: its place in DML.  cells: the steps
    without a sum at the end, and `reduction` the name of that sum or "".
    """

    __slots__ = ("at", "cells", "reduction", "span", "template")

    def __init__(self, template: Template, at: int, span: Span):
        self.template, self.at, self.span = template, at, span
        last = template.steps[-1].builtin
        self.reduction = last if last in ("sum", "rowSums", "colSums") else ""
        self.cells = Template(template.steps[:-1], template.spans[:-1]) if self.reduction else template

    def __repr__(self) -> str:
        return f"x{self.at} = U %*% V; {self.template!r}"


def _sampled_type(plan: Type, U: Type, V: Type, *inputs: Type) -> Type:
    sampling = plan.const
    assert isinstance(sampling, Sampling)
    product = matrix_product.infer((U, V))[0]
    types = (*inputs[: sampling.at], product, *inputs[sampling.at :])
    return fused.apply_rule((Type("any", const=sampling.template), Type("any"), *types))[0]


@builtin(
    "sampled steps(plan: any, U: any, V: any, *inputs: any) -> any",
    infer=_sampled_type,
    storages="any",
    self_checking=True,
)
def sampled_steps(plan: Sampling, U: Any, V: Any, *inputs: Any) -> Any:
    """The fused steps of the plan on its inputs and U %*% V, made by `ir.passes.sample_products`.

    Where a sparse matrix makes all cells but its own zero, a kernel computes the product at its cells only.
    """
    run, at = fused.kernels["*",], plan.at
    # the product is in no variable here, so that its memory can be that of the result
    return run(plan.template, (at,), *inputs[:at], _product(plan, U, V), *inputs[at:])


def _product(plan: Sampling, U: Any, V: Any) -> Any:
    try:
        return matrix_product(U, V)
    except DMLError as error:
        raise error.with_span(plan.span) from None
