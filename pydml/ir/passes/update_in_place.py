"""Mark `X[...] = v` whose old X is not needed any more: it may write into the buffer of X.

That is the case wherever the result goes to X itself.  Whether somebody else holds the value (another variable, a list, the
caller) is seen while running, see `execution.runtime.owned_assign`.
"""

from __future__ import annotations

from pydml.ir.program import Op, Program, Var, walk


def update_in_place(program: Program) -> None:
    for function in program.all_functions():
        for s in walk(function.body):
            if isinstance(s, Op) and s.builtin.name == "[]=":
                s.in_place = s.args[0] == Var(s.outs[0])
