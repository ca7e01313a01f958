"""Sparse kernels of indexing and reorganisation give what the meaning gives on the dense matrix."""

import numpy as np
import pytest
from scipy.sparse import random as random_sparse

from pydml.builtins.registry import get
from pydml.diagnostics import DMLError
from pydml.execution.context import Context
from pydml.values import List, Sparse, to_dense


def sparse(rows, cols, density=0.05, seed=1):
    return Sparse(random_sparse(rows, cols, density, format="csr", random_state=seed))


SIZES = [(1, 1), (1, 7), (7, 1), (5, 9), (90, 80), (1, 5000)]

CALLS = {
    "t": [()],
    "rev": [()],
    "roll": [(2,), (-3,)],
    "replace": [(0, 2.5), (float("nan"), 1), (0.5, 0)],
    "lower.tri": [(False, False), (True, True), (False, True)],
    "upper.tri": [(True, False), (True, True), (False, True)],
    "removeEmpty": [("rows", None, True), ("cols", None, True), ("rows", None, False), ("cols", None, False)],
    "order": [(1, False, False), (1, True, False), (1, True, True), (np.array([[1.0, 1.0]]), False, True)],
    "[]": [(1, 1, None, None), (None, None, 1, 1), (1, 1, 1, 1), (None, None, None, None)],
    "quantize_compress": [(100,), (0.5,)],
}


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", CALLS)
def test_kernel_equals_meaning(name, size):
    X = sparse(*size, density=0.2)
    before = X.to_dense()
    for args in CALLS[name]:
        result = get(name).run(X, *args)
        expected = get(name).meaning(before, *args)
        np.testing.assert_array_equal(to_dense(result), expected, err_msg=f"{name}{args}")
    np.testing.assert_array_equal(X.to_dense(), before)


@pytest.mark.parametrize(
    "name, args",
    [
        ("t", ()),
        ("rev", ()),
        ("roll", (3,)),
        ("[]", (11, 90, 3, 70)),
        ("removeEmpty", ("rows", None, True)),
        ("order", (1, False, False)),
    ],
)
def test_sparse_stays_sparse(name, args):
    assert type(get(name).run(sparse(90, 80), *args)) is Sparse


@pytest.mark.parametrize("byrow", [True, False])
def test_reshape(byrow):
    X = sparse(60, 100)
    result = get("matrix").run(np.float64, X, 200, 30, byrow)
    assert type(result) is Sparse
    np.testing.assert_array_equal(to_dense(result), get("matrix").meaning(np.float64, X.to_dense(), 200, 30, byrow))


def test_diagonal_of_a_vector_and_of_a_matrix():
    v = np.arange(1.0, 101).reshape(100, 1)
    D = get("diag").run(v)
    assert type(D) is Sparse and D.nnz == 100
    np.testing.assert_array_equal(D.to_dense(), np.diag(v.ravel()))
    np.testing.assert_array_equal(get("diag").run(D), v)


@pytest.mark.parametrize("axis, name", [(1, "cbind"), (0, "rbind")])
def test_concat(axis, name):
    A, B = sparse(80, 70, seed=1), sparse(80, 70, seed=2)
    result = get(name).run(A, B)
    assert type(result) is Sparse
    np.testing.assert_array_equal(result.to_dense(), np.concatenate([A.to_dense(), B.to_dense()], axis))
    mixed = get(name).run(A, np.ones((80, 70)))
    assert type(mixed) is np.ndarray
    np.testing.assert_array_equal(mixed, np.concatenate([A.to_dense(), np.ones((80, 70))], axis))


VALUES = {
    "number": ((3, 3, 4, 4), 2.5),
    "zero": ((3, 3, 4, 4), 0.0),
    "row": ((3, 3, None, None), np.arange(80.0).reshape(1, 80)),
    "block": ((5, 14, 7, 16), np.arange(100.0).reshape(10, 10)),
    "sparse": ((21, 60, 31, 70), sparse(40, 40, 0.3, seed=5)),
    "all": ((None, None, None, None), sparse(90, 80, 0.3, seed=5)),
    "last": ((90, 90, 80, 80), 7),
}


@pytest.mark.parametrize("case", VALUES)
def test_left_indexing(case):
    X = sparse(90, 80, 0.1)
    before = X.to_dense()
    range_, value = VALUES[case]
    result = get("[]=").run(X, *range_, value)
    dense_value = value.to_dense() if type(value) is Sparse else value
    assert type(result) is Sparse
    np.testing.assert_array_equal(result.to_dense(), get("[]=").meaning(before, *range_, dense_value))
    np.testing.assert_array_equal(X.to_dense(), before)
    assert result.csr.has_sorted_indices and result.csr.has_canonical_format


def test_left_indexing_checks_ranges_and_sizes():
    X = sparse(90, 80, 0.1)
    with pytest.raises(DMLError, match="outside of the matrix of 90 x 80"):
        get("[]=").run(X, 91, 91, 1, 1, 1.0)
    with pytest.raises(DMLError, match="the range is 1 x 80"):
        get("[]=").run(X, 1, 1, None, None, np.ones((1, 2)))


def test_lists_keep_sparse_matrices():
    X = sparse(90, 80)
    result = get("[]=").run(List([1, 2]), 2, 2, None, None, X)
    assert result.items[1] is X
    assert get("append").run(List([1]), X).items[1] is X
    assert get("list").run(None, X).items[0] is X


def test_rand_is_sparse_with_the_exact_share():
    ctx = Context(seed=3)
    X = get("rand").run(ctx, 300, 200, 1, 2, "uniform", 0.1, 7, 1)
    assert type(X) is Sparse and X.nnz == 6000
    assert X.csr.has_canonical_format and 1 <= X.csr.data.min() < X.csr.data.max() < 2
    dense = get("rand").run(ctx, 300, 1, 1, 2, "uniform", 0.1, 7, 1)
    assert type(dense) is np.ndarray and np.count_nonzero(dense) == 30
    huge = get("rand").run(ctx, 10**6, 10**6, 0, 1, "uniform", 1e-9, 7, 1)
    assert huge.nnz == 1000


@pytest.mark.parametrize("name", ["[]", "[]=", "t", "rev", "roll", "diag", "matrix", "order", "removeEmpty", "replace"])
def test_kernels_are_registered(name):
    assert ("sparse",) in get(name).kernels


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("column", ["ones", "NaN", "a zero", "strided", "on the left"])
def test_cbind_with_a_dense_column(column, dtype):
    X = sparse(200, 30, 0.05)
    X = Sparse(X.csr.astype(dtype))
    cells = np.arange(1.0, 401.0, dtype=dtype).reshape(200, 2)
    c = cells[:, 1:] if column == "strided" else np.ones((200, 1), dtype)
    if column == "NaN":
        c[3:5, 0] = np.nan, np.inf
    elif column == "a zero":
        c[7] = 0
    values = (c, X) if column == "on the left" else (X, c)
    got = get("cbind").run(*values)
    assert type(got) is Sparse and got.dtype == dtype and got.csr.data.all()
    got.csr.check_format(full_check=True)
    assert got.csr.has_sorted_indices
    np.testing.assert_array_equal(to_dense(got), np.hstack([to_dense(v) for v in values]))
