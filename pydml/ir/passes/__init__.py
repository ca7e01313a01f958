"""Rewrites of a Program: each pass is a function in a file of its own, program in, the same program changed.

`PASSES` is their order.  All keep the values to the last bit, except that `algebra` and fused sums add up in another order.
"""

from __future__ import annotations

from collections.abc import Callable

from pydml.ir.infer import infer
from pydml.ir.passes.algebra import rewrite_algebra
from pydml.ir.passes.coalesce_copies import coalesce_copies
from pydml.ir.passes.convolve_and_finish import convolve_and_finish
from pydml.ir.passes.cse import eliminate_common_subexpressions
from pydml.ir.passes.dead_code import eliminate_dead_code
from pydml.ir.passes.fuse_elementwise import fuse_elementwise
from pydml.ir.passes.hoist import hoist_invariants
from pydml.ir.passes.inline import inline
from pydml.ir.passes.reachable import keep_reachable
from pydml.ir.passes.sample_products import sample_products
from pydml.ir.passes.simplify import simplify
from pydml.ir.passes.specialise import specialise
from pydml.ir.passes.update_in_place import update_in_place
from pydml.ir.program import ParFor, Program, walk

PASSES: tuple[Callable[[Program], None], ...] = (
    specialise,  # to strings that choose what a function does, so that more is in straight lines
    inline,  # small functions, so that the passes below see through them
    infer,  # sizes known by the caller reach the inlined operations
    simplify,
    rewrite_algebra,  # before results are shared, which leaves them with several uses
    eliminate_common_subexpressions,
    eliminate_dead_code,  # and what only fed results that no caller uses
    coalesce_copies,  # so that fusion sees a result and its user
    hoist_invariants,
    fuse_elementwise,
    sample_products,  # looks for products among the operands of fused operations
    convolve_and_finish,
    update_in_place,  # last: it relies on which variable is assigned by which operation
)


def optimize(
    program: Program,
    *,
    library: bool = False,
    on_types: Callable[[Program], None] | None = None,
    optimized: bool = True,
) -> None:
    """Check and rewrite a program.

    library: keep every function of the main file, for callers from outside.  on_types: called once types are known.
    optimized: False runs only what execution needs.
    """
    keep_reachable(program, library)
    infer(program)
    if on_types is not None:
        on_types(program)
    if any(isinstance(s, ParFor) for f in program.all_functions() for s in walk(f.body)):
        from pydml.ir.parfor import check_parfor

        check_parfor(program)
    simplify(program)
    keep_reachable(program, library)
    for run in PASSES if optimized else (infer, update_in_place):
        run(program)
