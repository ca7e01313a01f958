"""Single cells are read and written without the operations on parts of matrices: the same values, the same errors, nobody else's memory."""

from __future__ import annotations

import textwrap

import numpy as np
import pytest

from pydml.diagnostics import DMLError, SourceFile
from pydml.execution.context import Context
from pydml.execution.executable import Executable, compile_program
from pydml.values import Sparse

FUNCTIONS = """
fill = function(matrix[double] X, int first, int last) return (matrix[double] X) {
  for (i in first:last) {
    for (j in 1:ncol(X)) {
      if (i > 1) { X[i, j] = as.scalar(X[i - 1, j]) * 0.5 + i }
      else { X[i, j] = j }
    }
  }
}
total = function(matrix[double] X, int first, int last) return (double s) {
  s = 0.0
  for (i in first:last) { for (j in 1:ncol(X)) { s = s + as.scalar(X[i, j]) * (i + 10 * j) } }
}
"""


def compiled(text: str, **inputs: object) -> Executable:
    from pydml.values import type_of

    text = FUNCTIONS + textwrap.dedent(text)
    types = {name: type_of(value) for name, value in inputs.items()}
    return compile_program(SourceFile("<test>", text), inputs=types, outputs=["R"])


def run(text: str, **inputs: object) -> object:
    return compiled(text, **inputs).run(Context(seed=1), inputs)["R"]


def filled(rows: int, cols: int) -> np.ndarray:
    X = np.zeros((rows, cols))
    for i in range(rows):
        X[i] = X[i - 1] * 0.5 + i + 1 if i else np.arange(1, cols + 1)
    return X


def weighted(X: np.ndarray) -> float:
    i, j = np.indices(X.shape) + 1
    return float((X * (i + 10 * j)).sum())


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_cells_of_a_dense_matrix(dtype):
    X = np.zeros((5, 3), dtype)
    executable = compiled("R = fill(X, 1, 5)", X=X)
    result = executable.run(Context(dtype=dtype), {"X": X})["R"]
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, filled(5, 3))
    assert not X.any()
    assert run("R = total(X, 1, 5)", X=filled(5, 3)) == weighted(filled(5, 3))


def test_cells_of_a_sparse_matrix():
    from scipy.sparse import csr_matrix

    X = Sparse(csr_matrix(([7.0, 3.0], ([0, 4], [2, 1])), shape=(5, 3)))
    dense = X.to_dense()
    assert run("R = total(X, 1, 5)", X=X) == weighted(dense)
    assert run("X[2, 2] = 4; R = total(X, 1, 5)", X=X) == weighted(dense) + 4 * 22
    result = run("R = fill(X, 1, 5)", X=X)
    np.testing.assert_array_equal(result.to_dense() if isinstance(result, Sparse) else result, filled(5, 3))
    np.testing.assert_array_equal(X.to_dense(), dense)


def test_a_known_size_needs_no_test():
    text = compiled("""
        X = matrix(0, 4, 4)
        for (i in 2:4) { X[i, i] = as.scalar(X[i - 1, i - 1]) + 1 }
        R = sum(X)
    """).explain("python")
    assert "X.item(i - 2, i - 2)" in text and "X[i - 1, i - 1] = _v" in text
    assert "i > 0" not in text


@pytest.mark.parametrize(
    "text",
    [
        "Y = X; X[1, 1] = 9; R = Y",
        "Y = X; for (i in 1:2) { X[i, i] = 9 }; R = Y",
        "for (i in 1:2) { Y = X; X[i, i] = as.scalar(X[i, i]) + i }; if (i == 2) { R = Y; R[1, 1] = 1; }",
        "l = list(X); for (i in 1:2) { X[i, i] = 9 }; R = as.matrix(l[1])",
        "Y = X[1:3,]; for (i in 1:2) { X[i, i] = 9 }; R = Y[1:3,]",
        "Z = fill(X, 1, 3); R = X",
        "k = 0; while (k < 2) { k = k + 1; if (k > 5) { X[k, k] = 9 } }; R = X",
    ],
)
def test_nobody_else_sees_what_is_written(text):
    X = np.arange(9.0).reshape(3, 3) + 1
    expected = X.copy()
    np.testing.assert_array_equal(run(text, X=X), expected)
    np.testing.assert_array_equal(X, expected)


def test_a_cell_that_is_asked_for_twice_is_read_once():
    executable = compiled(
        """
        f = function(matrix[double] A) return (double s) {
          s = 0
          for (i in 1:nrow(A)) {
            for (j in 1:ncol(A)) {
              if (as.scalar(A[i, j]) > 2 & as.scalar(A[i, j]) < 7) { s = s + as.scalar(A[i, j]) }
            }
          }
        }
        R = f(X)
        """,
        X=np.eye(3),
    )
    assert executable.explain("python").count("A.item") == 1
    assert executable.run(Context(), {"X": np.arange(9.0).reshape(3, 3)})["R"] == 3 + 4 + 5 + 6


@pytest.mark.parametrize("value", [3, 2.5, "x", True])
def test_sums_that_begin_with_another_type(value):
    """`s` is an int before the loop and something else in it."""
    text = {3: "3", 2.5: "2.5", "x": '"x"', True: "TRUE"}[value]
    if value is True:
        with pytest.raises(DMLError):
            run(f"R = 0\nl = list({text}, 0.5)\nfor (i in 1:2) {{ R = R + as.scalar(l[i]) }}")
        return
    found = run(f"R = 0\nl = list({text}, 0.5)\nfor (i in 1:2) {{ R = R + as.scalar(l[i]) }}")
    assert found == (f"0{value}0.5" if value == "x" else 0.5 + value)


def test_rows_in_loops():
    X = np.arange(12.0).reshape(4, 3)
    result = run("R = X; for (i in 1:4) { R[i,] = X[5 - i,] * 2 }", X=X)
    np.testing.assert_array_equal(result, X[::-1] * 2)
    assert run("R = 0; for (i in 1:4) { R = R + as.scalar(X[i, 1]) - sum(X[i,]) }", X=X) == -48
    for text, message in (
        ("for (i in 4:5) { X[i,] = matrix(1, 1, 3) }; R = X", "[5, ] is outside of the matrix of 4 x 3"),
        ("for (i in 0:1) { X[i,] = matrix(1, 1, 3) }; R = X", "[0, ] is outside of the matrix of 4 x 3"),
        (
            "k = ncol(removeEmpty(target=X, margin='cols')); X[2,] = matrix(1, 1, k + 1); R = X",
            "the range is 1 x 3, the value",
        ),
        ("for (i in 4:5) { R = X[i,] }", "[5, ] is outside of the matrix of 4 x 3"),
    ):
        with pytest.raises(DMLError) as caught:
            run(text, X=X)
        assert caught.value.diagnostic.message.startswith(message)


def test_cells_written_in_parallel():
    R = run("""
        R = matrix(0, 4, 4)
        parfor (i in 1:4) { for (j in 1:4) { R[i, j] = i * 10 + j } }
    """)
    np.testing.assert_array_equal(R, [[10 * i + j for j in range(1, 5)] for i in range(1, 5)])


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize(
    ("text", "message", "source"),
    [
        ("R = total(X, 1, 4)", "[4, 1] is outside of the matrix of 3 x 3", "X[i, j]"),
        ("R = total(X, 1, 0)", "[0, 1] is outside of the matrix of 3 x 3", "X[i, j]"),
        ("R = total(X, -2, 3)", "[-2, 1] is outside of the matrix of 3 x 3", "X[i, j]"),
        ("R = sum(fill(X, 1, 4))", "[4, 1] is outside of the matrix of 3 x 3", "X[i, j]"),
        ("R = sum(fill(X, 1, 0))", "[0, 1] is outside of the matrix of 3 x 3", "X[i, j]"),
    ],
)
def test_an_index_outside_is_reported_as_ever(kind, text, message, source):
    from scipy.sparse import csr_matrix

    X = np.eye(3) if kind == "dense" else Sparse(csr_matrix(np.eye(3)))
    with pytest.raises(DMLError) as caught:
        run(text, X=X)
    diagnostic = caught.value.diagnostic
    assert (diagnostic.id, diagnostic.message) == ("index", message)
    place = diagnostic.span
    assert place.file.text[place.start : place.end] == source
    assert [f.function for f in diagnostic.stack] == ["the script"]


def test_the_value_is_computed_once_and_before_the_index_is_checked():
    with pytest.raises(DMLError) as caught:
        run("for (i in 1:4) { X[i, 1] = 7 %/% (3 - i) }; R = sum(X)", X=np.eye(2))
    assert caught.value.diagnostic.id == "overflow"
