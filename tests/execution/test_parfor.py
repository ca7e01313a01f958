"""parfor: results, independence of iterations, random numbers."""

from __future__ import annotations

import io

import numpy as np
import pytest

from pydml.backends.cpu.threads import limit
from pydml.diagnostics import DMLError, SourceFile
from pydml.execution.context import Context
from pydml.execution.executable import compile_program
from pydml.values import Sparse


def run(text: str, seed: int | None = 1) -> str:
    out = io.StringIO()
    compile_program(SourceFile("<test>", text), outputs=[]).run(Context(out=out, seed=seed))
    return out.getvalue()


def cells(text: str, name: str) -> str:
    return run(text + f'\nprint(toString({name}, decimal=0, linesep="/"))').strip()


def test_nested_loops_write_one_matrix():
    text = """
    A = matrix(0, rows=3, cols=4)
    parfor (i in 1:3) { parfor (j in 1:4) { A[i, j] = i * 10 + j } }
    """
    assert cells(text, "A") == "11 12 13 14/21 22 23 24/31 32 33 34/"


def test_blocks_of_symbolic_size_do_not_meet():
    text = """
    bs = as.integer(as.scalar(rand(rows=1, cols=1, min=2, max=2)))
    C = matrix(0, rows=2, cols=6)
    parfor (i in 1:3) { C[, (i-1)*bs+1:i*bs] = matrix(i, 2, 2) }
    """
    assert cells(text, "C") == "1 1 2 2 3 3/1 1 2 2 3 3/"


def test_untouched_cells_keep_their_values():
    assert cells("A = matrix(7, 3, 2)\nparfor (i in 1:2) { A[i, 1] = 0 }", "A") == "0 7/0 7/7 7/"


def test_sum_over_iterations():
    assert cells("S = matrix(1, 1, 2)\nparfor (i in 1:4) { S += matrix(i, 1, 2) }", "S") == "11 11/"


def test_elements_of_a_list():
    assert run("l = list(1, 2, 3)\nparfor (i in 1:3) { l[i] = list(i * 5) }\nprint(toString(l))").endswith(
        "[5, 10, 15]\n"
    )


def test_indexes_only_known_while_running_are_checked_then():
    text = """
    idx = {idx}
    B = matrix(0, 1, 4)
    parfor (i in 1:3) {{ B[1, as.scalar(idx[i, 1])] = i }}
    """
    assert cells(text.format(idx='matrix("4 1 3", 3, 1)'), "B") == "2 0 3 1/"
    with pytest.raises(DMLError) as caught:
        cells(text.format(idx='matrix("4 1 4", 3, 1)'), "B")
    assert caught.value.id == "parfor-dependency"
    assert "iterations 1 and 3 both write B[1, 4]" in caught.value.message
    assert caught.value.line == 4


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("A[1, 1] = i", "gets the same cells from several iterations"),
        ("A[i, 1] = as.scalar(A[i + 1, 1])", "changed by one iteration where another reads it"),
        ("A[i, 1] = sum(A)", "changed by one iteration where another may read it"),
        ("s = s + i", "exists before the loop and every iteration assigns it"),
        ("A = A * 2", "exists before the loop and every iteration assigns it"),
        ("A[i:i + 1, 1] = matrix(i, 2, 1)", "may"),
    ],
)
def test_dependent_iterations_are_an_error(body, message):
    text = f"A = matrix(0, 9, 2)\ns = 0\nparfor (i in 1:5) {{ {body} }}\nprint(sum(A) + s)"
    with pytest.raises(DMLError) as caught:
        run(text)
    assert caught.value.id == "parfor-dependency"
    assert caught.value.line == 3
    if message != "may":
        assert message in caught.value.message
        for word in ("A", "s"):
            if body.startswith(word):
                assert f": {word} " in caught.value.message


@pytest.mark.parametrize("body", ["A[2*i, 1] = i; A[2*i+1, 1] = i", "A[i, 1] = nrow(A)", "x = i * 2; A[i, 1] = x"])
def test_independent_iterations_are_accepted(body):
    assert run(f"A = matrix(0, 20, 1)\nparfor (i in 1:5) {{ {body} }}\nprint(sum(A))")


def test_check_can_be_turned_off():
    assert run("A = matrix(0, 1, 1)\nparfor (i in 1:5, check=0) { A[1, 1] = 3 }\nprint(sum(A))") == "3.0\n"


def test_body_variables_do_not_exist_afterwards():
    with pytest.raises(DMLError) as caught:
        run("parfor (i in 1:3) { x = i }\nprint(x)")
    assert caught.value.id == "undefined-name"


def test_random_numbers_do_not_depend_on_threads():
    text = "A = matrix(0, 8, 1)\nparfor (i in 1:8) { A[i, 1] = rand(rows=1, cols=1) }\nprint(toString(A, decimal=9))"
    results = []
    for threads in (1, 2):
        with limit(threads):
            results.append(run(text, seed=5))
    assert results[0] == results[1]
    assert len(set(results[0].split())) == 8


def test_first_error_in_the_order_of_iterations_is_reported():
    text = 'A = matrix(0, 9, 1)\nx = 3\nparfor (i in 1:9) { A[i, 1] = as.integer("no" + i) }\nprint(sum(A))'
    with pytest.raises(DMLError) as caught:
        run(text)
    assert "no1" in caught.value.message


def test_each_loop_draws_its_own_random_numbers():
    script = """
X = matrix(0, 5, 4)
for (e in 1:2) {
  parfor (i in 1:5) {
    X[i, e] = rand(rows=1, cols=1)
  }
}
parfor (i in 1:5) {
  X[i, 3] = rand(rows=1, cols=1)
}
X[, 4] = rand(rows=5, cols=1)
"""
    program = compile_program(SourceFile("<loops>", script), outputs=["X"])
    first, again = (program.run(Context(seed=1))["X"] for _ in range(2))
    assert np.array_equal(first, again)
    assert len(np.unique(first)) == 20


SPARSE_LOOPS = {
    "cells": "X[i, 3 * i] = i\nX[i, 3 * i + 1] = as.scalar(X[i, 3 * i]) + 0.5\nX[i, 3] = 0",
    "rows": "r = matrix(0, 1, 4000)\nr[1, i] = i\nr[1, 7] = 1\nX[i,] = r",
    "blocks": "X[(2 * i - 1):(2 * i), 5:6] = matrix(i, 2, 2)\nX[(2 * i - 1):(2 * i), 9:10] = matrix(0, 2, 2)",
    "reads": "X[i, 2] = sum(X[i,]) + 1\nX[i, 5] = sum(X[i,])",
    "nested": "parfor (j in 1:5) {\nX[i, 3 * j] = i + j\n}\nX[i, 1] = sum(X[i,])",
}


@pytest.mark.parametrize("name", SPARSE_LOOPS)
@pytest.mark.parametrize("workers", [1, 3])
def test_large_sparse_matrices_stay_sparse(name, workers):
    script = """
S = rand(rows=5000, cols=4000, sparsity=0.0002, seed=1)
X = S
parfor (i in 1:40, check=CHECK) {
BODY
}
parallel = X
X = S
for (i in 1:40) {
BODY
}
"""
    script = script.replace("BODY", SPARSE_LOOPS[name]).replace("CHECK", "1")
    program = compile_program(SourceFile("<sparse>", script), outputs=["S", "X", "parallel"])
    with limit(workers):
        values = program.run(Context(seed=1))
    assert type(values["parallel"]) is Sparse
    assert (values["parallel"].csr != values["X"].csr).nnz == 0
    assert (values["S"].csr != values["X"].csr).nnz > 0
    assert values["S"].nnz == 4000
