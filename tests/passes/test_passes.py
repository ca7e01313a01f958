"""Each pass on small programs: `<pass>.dml` holds pairs of a program and the intermediate form that the pass leaves.

A pair is a DML program, a line `--- becomes`, and the text of the program after the pass; pairs are divided by `===`, a
title may follow it.  Every program is also executed, with all passes and with none, and must print the same.
"""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from pydml.diagnostics import DMLError, SourceFile
from pydml.execution.context import Context
from pydml.execution.executable import compile_program
from pydml.ir import imports
from pydml.ir.build import build
from pydml.ir.infer import infer
from pydml.ir.parfor import check_parfor
from pydml.ir.passes import PASSES as ALL_PASSES
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
from pydml.ir.text import program_text
from pydml.ir.verify import verify

FOLDER = Path(__file__).parent


def _inline_and_coalesce(program):
    """The copies come from inlined functions."""
    inline(program)
    infer(program)
    coalesce_copies(program)
    keep_reachable(program)


def _fuse_and_sample(program):
    fuse_elementwise(program)
    sample_products(program)


def _fuse_and_join(program):
    """The steps come from fused operations."""
    fuse_elementwise(program)
    convolve_and_finish(program)


PASSES = {
    "specialise": specialise,
    "convolve_and_finish": _fuse_and_join,
    "algebra": rewrite_algebra,
    "simplify": simplify,
    "hoist": hoist_invariants,
    "inline": inline,
    "coalesce_copies": _inline_and_coalesce,
    "cse": eliminate_common_subexpressions,
    "dead_code": eliminate_dead_code,
    "fuse_elementwise": fuse_elementwise,
    "sample_products": _fuse_and_sample,
    "update_in_place": update_in_place,
}


def cases():
    for path in sorted(FOLDER.glob("*.dml")):
        for part in path.read_text().split("\n==="):
            title, _, rest = part.removeprefix("===").partition("\n")
            before, found, after = rest.partition("--- becomes\n")
            assert found, f"{path.name}: {title}: no line '--- becomes'"
            yield pytest.param(path.stem, before, after, id=f"{path.stem}-{title.strip() or 'case'}")


def run(text: str, optimized: bool) -> str:
    out = io.StringIO()
    program = compile_program(SourceFile("<case>", text), outputs=[], optimized=optimized)
    program.run(Context(out=out, seed=1))
    return out.getvalue()


@pytest.mark.parametrize(("name", "before", "after"), list(cases()))
def test_pass(name, before, after):
    program = build(imports.load(SourceFile("<case>", before)), {}, {}, ())
    keep_reachable(program)
    infer(program)
    check_parfor(program)
    if name != "simplify":
        simplify(program)
    verify(program)
    PASSES[name](program)
    verify(program)
    assert program_text(program, types=False).strip() == after.strip()
    assert run(before, optimized=True) == run(before, optimized=False)


LIBRARY = sorted((FOLDER.parents[1] / "scripts").rglob("*.dml"))


@pytest.mark.parametrize("path", LIBRARY, ids=lambda p: str(p.relative_to(FOLDER.parents[1] / "scripts")))
def test_library_is_legal_after_every_pass(path):
    """The whole DML library goes through all passes and is verified after each."""
    source = SourceFile(str(path), path.read_text())
    try:
        program = build(imports.load(source, [FOLDER.parents[1] / "scripts"]), {}, {}, ())
        verify(program)
        keep_reachable(program, library=True)
        infer(program)
    except DMLError as error:
        assert error.id in ("file", "parameter")  # a script that reads what another one writes
        return
    check_parfor(program)
    simplify(program)
    verify(program)
    for run_pass in ALL_PASSES:
        run_pass(program)
        verify(program)
