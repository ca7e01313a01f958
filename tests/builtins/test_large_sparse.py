"""No builtin makes a large sparse matrix dense: calls on 10^6 x 10^5 cells under a limit of memory; see `large_sparse`."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from pydml.builtins import registry
from pydml.diagnostics import DMLError, SourceFile
from pydml.execution.context import Context
from pydml.execution.executable import compile_program
from pydml.values import List, Sparse, type_of
from pydml.values.storage import set_memory_limit

sys.path.insert(0, __file__.rpartition("/")[0])
from large_sparse import CALLS, CHAINS, ELSEWHERE, KEPT, MODULES, REFUSED, SMALL

ROWS, COLS, STORED = 1_000_000, 100_000, 1000
GIBIBYTE = 1 << 30


@pytest.fixture(scope="module")
def inputs():
    rng = np.random.default_rng(0)

    def matrix(values, rows=ROWS):
        places = rng.integers(0, rows, len(values)), rng.integers(0, COLS, len(values))
        return Sparse(csr_matrix((values, places), shape=(rows, COLS)))

    return {
        "S": matrix(rng.normal(size=STORED)),
        "T": matrix(rng.uniform(0.1, 2, STORED)),
        "I": matrix(rng.integers(1, 5, STORED).astype(float)),
        "Q": matrix(np.ones(STORED), COLS),
        "P": matrix(rng.normal(size=20)),
        "v": rng.normal(size=(ROWS, 1)),
        "g": rng.integers(1, 6, (ROWS, 1)).astype(float),
        "r": rng.normal(size=(1, COLS)),
        "V": rng.normal(size=(COLS, 2)),
        "U": rng.normal(size=(2, ROWS)),
    }


@pytest.fixture(scope="module")
def little_memory():
    """A limit for dense matrices, and one of the system above it: an attempt to take more memory than that fails."""
    import importlib

    for name in ("scipy.linalg", "scipy.sparse.linalg", "scipy.special"):  # libraries take address space of their own
        importlib.import_module(name)
    set_memory_limit(2 * GIBIBYTE)
    try:
        import resource

        with open("/proc/self/statm") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
    except (ImportError, OSError):  # not on this system
        yield
        set_memory_limit(None)
        return
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + 8 * GIBIBYTE, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, limits)
    set_memory_limit(None)


def outcome(text: str, inputs: dict, optimized: bool = False) -> str:
    if "RESULT" not in text:
        text = f"RESULT = {text}"
    types = {name: type_of(value)._replace(rows=None, cols=None) for name, value in inputs.items()}
    program = compile_program(SourceFile("<large>", text + "\n"), inputs=types, outputs=["RESULT"], optimized=optimized)
    try:
        value = program.run(Context(out=io.StringIO(), seed=1), inputs)["RESULT"]
    except DMLError as error:
        assert error.id == "memory", error
        assert "would need" in error.message
        return REFUSED
    values = value.items if isinstance(value, List) else (value,)
    if any(isinstance(v, Sparse) for v in values):
        return KEPT
    assert all(not isinstance(v, np.ndarray) or v.nbytes <= 80_000_000 for v in values)
    return SMALL


@pytest.mark.parametrize("name", CALLS)
def test_calls(name, inputs, little_memory):
    for call, expected in CALLS[name].items():
        assert outcome(call, inputs) == expected, call


@pytest.mark.parametrize("text", CHAINS)
def test_rewritten_expressions(text, inputs, little_memory):
    for optimized in (True, False):
        assert outcome(text, inputs, optimized) == CHAINS[text]


def is_called(builtin) -> bool:
    """Whether it takes a matrix, and scripts can call it."""
    name, module = builtin.name, builtin.module.rpartition(".")[2]
    made_by_the_compiler = " " in name and not name.startswith("unary")
    matrix = any({"matrix", "any"} & set(p.types) for p in builtin.signature.params)
    return matrix and not made_by_the_compiler and builtin.state != "refused" and module not in MODULES


def test_every_builtin_with_a_matrix_is_called():
    missing = {b.name for b in registry.all_builtins() if is_called(b)} - set(ELSEWHERE) - set(CALLS)
    assert not missing, "add calls of them to large_sparse.py"
