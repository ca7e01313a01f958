"""Let a fused operation compute the matrix product that it reads: `sum(S * log(U %*% t(V) + 1))`.

If S is sparse at run time, the product is needed only at its cells (sampled dense-dense product), and never exists as a whole.  Which
storage S has is known only then, so the pass takes every fused operation in which a matrix multiplies, divides by or selects from
what is made of the product; `backends.sparse.sampled` decides.  Values are the same up to the rounding of the product.
"""

from __future__ import annotations

from typing import Any

from pydml.builtins import registry
from pydml.builtins.fused import Step, Template
from pydml.builtins.sampled import Sampling
from pydml.ir.program import Const, Function, Op, Program, Var, blocks_of, count_reads, count_writes, variables_in
from pydml.types import Type


def sample_products(program: Program) -> None:
    """Needs fused operations; results with a single use must still be in variables of their own."""
    for function in program.all_functions():
        _Sampler(function, program).block(function.body)


class _Sampler:
    def __init__(self, function: Function, program: Program):
        self.uses = count_reads(function.body)
        self.assignments = count_writes(function.body)
        self.kept = program.read_after(function) | {p.name for p in function.params}

    def block(self, block: list[Any]) -> None:
        products: dict[str, Op] = {}
        result: list[Any] = []
        for s in block:
            for inner in blocks_of(s):
                self.block(inner)
            if not isinstance(s, Op) or s.builtin.effects:
                products.clear()  # an error of a product must come before what can be seen outside
                result.append(s)
                continue
            if s.builtin.name == "fused steps":
                self.absorb(s, products, result)
            written = set(s.outs)
            for name in [n for n, p in products.items() if any(v in written for a in p.args for v in variables_in(a))]:
                del products[name]
            result.append(s)
            if s.builtin.name == "%*%" and self.is_own(s):
                products[s.outs[0]] = s
        block[:] = result

    def is_own(self, s: Op) -> bool:
        """Whether the product is a matrix that one operation reads, once."""
        out = s.outs[0]
        return (
            len(s.arg_types) == 2
            and all(t.is_matrix for t in s.arg_types)
            and not _is_vector(s.out_types[0])
            and self.uses.get(out, 0) == 1
            and self.assignments[out] == 1
            and out not in self.kept
        )

    def absorb(self, s: Op, products: dict[str, Op], result: list[Any]) -> None:
        template, inputs = s.args[0].value, s.args[2:]  # type: ignore[union-attr]
        for at, operand in enumerate(inputs):
            product = products.get(operand.name) if isinstance(operand, Var) else None
            if product is None or product.inlined != s.inlined or not _is_masked(template, at, s):
                continue
            result.remove(product)
            del products[product.outs[0]]
            plan = Sampling(template, at, product.span)
            s.builtin = registry.get("sampled steps")
            s.args = (Const(plan), *product.args, *inputs[:at], *inputs[at + 1 :])
            s.arg_types = ()
            return


def _is_vector(type: Type) -> bool:
    return type.rows == 1 or type.cols == 1


def _is_masked(template: Template, at: int, s: Op) -> bool:
    """Whether something that is no part of the product, and that may be a matrix of its size, multiplies what is made of it."""
    made: list[bool] = []  # of the product, by step
    other: list[bool] = []  # of a matrix that is not the product

    def of_product(ref: int) -> bool:
        return ref == at if ref >= 0 else made[-ref - 1]

    def of_other(ref: int) -> bool:
        if ref < 0:
            return other[-ref - 1]
        return ref != at and s.arg_types[2 + ref].is_matrix and not _is_vector(s.arg_types[2 + ref])

    for step in template.steps:
        if _masks(step) and any(of_product(a) for a in step.args):
            candidates = step.args[:1] if step.builtin == "/" else step.args
            if any(of_other(a) for a in candidates):
                return True
        made.append(any(of_product(a) for a in step.args))
        other.append(any(of_other(a) for a in step.args))
    return False


def _masks(step: Step) -> bool:
    return step.builtin in ("*", "/", "&")
