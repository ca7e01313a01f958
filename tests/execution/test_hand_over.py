"""Calls hand over matrices and lists that die there: memory is let go early, and values do not change."""

import tracemalloc

import numpy as np
import pytest

import pydml

# A function with a loop is not inlined.
FUNCTIONS = """
moved = function(matrix[double] X, int times) return (matrix[double] X) {
  for (i in 1:times) { X[1, 1] = i }
}
freed = function(list[unknown] parts) return (double total) {
  total = 0
  for (i in 1:length(parts)) {
    P = as.matrix(parts[i])
    parts[i] = 0
    total = total + sum(P * 2)
  }
}
renewed = function(list[unknown] parts) return (list[unknown] parts) {
  for (i in 1:length(parts)) {
    P = as.matrix(parts[i])
    parts[i] = 0
    P[1, 1] = i
    parts[i] = P
  }
}
"""
SIZE = 8 * 400 * 400


def run(script, *outputs, **inputs):
    return pydml.run(FUNCTIONS + script, outputs=outputs, **inputs)


def peak(script, **inputs):
    run(script, **inputs)
    tracemalloc.start()
    try:
        run(script, **inputs)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_function_changes_a_matrix_that_dies_in_its_own_memory():
    script = "X = rand(rows=400, cols=400)\nX = moved(X, 3)\nprint(sum(X))"
    kept = "X = rand(rows=400, cols=400)\nY = moved(X, 3)\nprint(sum(X) + sum(Y))"
    assert peak(script) < 1.5 * SIZE < 1.9 * SIZE < peak(kept)


def test_elements_of_a_list_that_dies_are_freed_or_changed_in_place():
    script = "L = list()\nfor (i in 1:6) { L = append(L, rand(rows=400, cols=400)) }\n"
    most = 7.5 * SIZE
    assert peak(script + "L = renewed(L)\nprint(length(L))") < most
    assert peak(script + "M = renewed(L)\nprint(length(L) + length(M))") > 11.5 * SIZE
    grown = "M = list()\nfor (i in 1:5) { M = append(M, rand(rows=400, cols=400)) }\nprint(length(M))"
    assert peak(script + "t = freed(L)\n" + grown + "\nprint(t)") < most


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("X = matrix(7, 2, 2)\nY = moved(X, 3)\na = sum(X)\nb = sum(Y)", (28, 24)),  # read afterwards
        ("X = matrix(7, 2, 2)\nY = X\nX = moved(X, 3)\na = sum(Y)\nb = sum(X)", (28, 24)),  # another variable
        ("L = list(matrix(7, 2, 2))\nM = append(L, 5)\nM = renewed(M[1])\na = sum(as.matrix(L[1]))\nb = sum(as.matrix(M[1]))", (28, 22)),
        ("L = list(matrix(7, 2, 2))\nM = append(L, matrix(8, 1, 1))\nL = renewed(L)\na = sum(as.matrix(M[1]))\nb = sum(as.matrix(L[1]))", (28, 22)),
        ("L = list(a=matrix(7, 2, 2), b=3)\nK = L\nL[\"a\"] = 2\na = sum(as.matrix(K[\"a\"]))\nb = as.scalar(L[\"a\"])", (28, 2)),
        ("X = matrix(7, 2, 2)\nfor (i in 1:3) { X = moved(X, i) }\na = sum(X)\nb = 0", (24, 0)),
        ("X = matrix(7, 2, 2)\nb = 0\nfor (i in 1:3) { Y = moved(X, i)\n b = b + sum(Y) }\na = sum(X)", (28, 69)),
        ("R = matrix(0, 3, 1)\nX = matrix(7, 2, 2)\nparfor (i in 1:3) { Y = moved(X, i)\n R[i, 1] = sum(Y) }\na = sum(X)\nb = sum(R)", (28, 69)),
    ],
)  # fmt: skip
def test_values_that_others_hold_do_not_change(script, expected):
    result = run(script, "a", "b")
    assert (result["a"], result["b"]) == expected


def test_inputs_of_the_caller_do_not_change():
    X, parts = np.full((2, 2), 7.0), [np.full((2, 2), 7.0)]
    result = run("X = moved(X, 3)\nparts = renewed(parts)", "X", "parts", X=X, parts=parts)
    assert X.sum() == parts[0].sum() == 28
    assert result["X"].sum() == 24
    assert result["parts"][0].sum() == 22
