"""Kernels of the operators for sparse operands give what the meaning gives on the same cells."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from pydml.backends.sparse import operators
from pydml.builtins import registry
from pydml.diagnostics import DMLError
from pydml.values import Sparse, to_dense

SYMBOLS = ["+", "-", "*", "/", "^", "%%", "%/%", "==", "!=", "<", "<=", ">", ">=", "&", "|"]


def matrix(rows, cols, density, seed, wild=False):
    rng = np.random.default_rng(seed)
    X = np.where(rng.random((rows, cols)) < density, rng.integers(-3, 4, (rows, cols)), 0).astype(float)
    if wild:
        X[0, 0], X[1, 2], X[2, 1] = np.nan, np.inf, -np.inf
    return X


def sparse(X):
    return Sparse(csr_matrix(X))


def agree(name, *args):
    b = registry.get(name)
    with np.errstate(all="ignore"):
        expected = b.meaning(*[to_dense(a) if type(a) is Sparse else a for a in args])
        result = b.run(*args)
    if type(result) is Sparse:
        result.csr.check_format()
        assert result.csr.has_sorted_indices and (result.csr.data != 0).all()
    assert result.dtype == expected.dtype
    np.testing.assert_allclose(to_dense(result), expected, rtol=1e-14)
    return result


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize("wild", [False, True])
def test_operators(symbol, wild):
    A, B = matrix(7, 5, 0.3, 1, wild), matrix(7, 5, 0.3, 2, wild)
    full = np.random.default_rng(3).random((7, 5)) + 0.5
    if wild:
        full[3, 3], full[0, 4] = np.nan, np.inf
    for dtype in (np.float64, np.float32):
        A, B, full = A.astype(dtype), B.astype(dtype), full.astype(dtype)
        agree(symbol, sparse(A), sparse(B))
        for other in (full, B, full[:1], full[:, :1], full[:1, :1], B[:1], B[:, 1:2]):
            agree(symbol, sparse(A), other)
        agree(symbol, full, sparse(A))
        agree(symbol, full, sparse(A[:1]))
        agree(symbol, full[:, :1], sparse(A[:1]))
        agree(symbol, sparse(A), sparse(B[:1]))
        for scalar in (0, 2, -1.5, 0.0, float("nan"), float("inf")):
            agree(symbol, sparse(A), scalar)
            agree(symbol, scalar, sparse(A))


@pytest.mark.parametrize(
    "symbol, args", [("*", (2.0,)), ("/", (2.0,)), ("!=", (0,)), (">", (0,)), ("^", (2,)), ("%%", (2,)), ("&", (1,))]
)
def test_results_stay_sparse(symbol, args):
    X = matrix(30, 20, 0.1, 4)
    assert type(agree(symbol, sparse(X), *args)) is Sparse


@pytest.mark.parametrize("symbol", ["*", "/", "&"])
def test_products_with_dense_matrices_stay_sparse(symbol):
    X = matrix(30, 20, 0.1, 4)
    for other in (np.full((30, 20), 2.0), np.full((1, 20), 2.0), np.full((30, 1), 2.0)):
        assert type(agree(symbol, sparse(X), other)) is Sparse


@pytest.mark.parametrize("symbol", ["+", "-", "*", "!=", "<", ">", "&", "|"])
def test_combinations_of_sparse_matrices_stay_sparse(symbol):
    assert type(agree(symbol, sparse(matrix(30, 20, 0.1, 4)), sparse(matrix(30, 20, 0.1, 5)))) is Sparse


@pytest.mark.parametrize("name", ["unary -", "!"])
def test_unary_operators(name):
    agree(name, sparse(matrix(7, 5, 0.3, 1, wild=True)))


@pytest.mark.parametrize("wild", [(), (0,), (1,), (0, 1)])
@pytest.mark.parametrize(
    "shapes",
    [((7, 5), (5, 4)), ((7, 5), (5, 1)), ((1, 5), (5, 4)), ((0, 5), (5, 3)), ((4, 0), (0, 3)), ((4, 2), (2, 0))],
)
def test_matrix_product(wild, shapes):
    A, B = matrix(*shapes[0], 0.3, 1), matrix(*shapes[1], 0.3, 2)
    for i, X in enumerate((A, B)):
        if i in wild and X.size:
            X[0, 0], X[-1, -1] = np.inf, np.nan
    agree("%*%", sparse(A), B)
    agree("%*%", A, sparse(B))
    agree("%*%", sparse(A), sparse(B))
    agree("%*%", sparse(A.astype(np.float32)), np.asfortranarray(B.astype(np.float32)))


def test_product_of_very_sparse_matrices_stays_sparse():
    assert type(agree("%*%", sparse(matrix(50, 50, 0.02, 1)), sparse(matrix(50, 50, 0.02, 2)))) is Sparse


@pytest.mark.parametrize("kinds", ["sd", "ds", "ss"])
@pytest.mark.parametrize("symbol", [*SYMBOLS, "%*%"])
def test_sizes_are_checked(symbol, kinds):
    left, right = (sparse(np.eye(3)[:, :2]) if k == "s" else np.eye(3)[:, :2] for k in kinds)
    right = right if symbol == "%*%" else type(right)(right.csr.T.tocsr()) if type(right) is Sparse else right.T
    with pytest.raises(DMLError) as error:
        registry.get(symbol).run(left, right)
    assert error.value.id == "shape-mismatch"


def test_booleans_and_strings_with_sparse_matrices():
    X = sparse(np.eye(3))
    assert registry.get("==").run(X, True).nnz == 3
    for args in ((X, "a"), ("a", X)):
        with pytest.raises(DMLError):
            registry.get("==").run(*args)
    with pytest.raises(DMLError):
        registry.get("*").run(X, True)


@pytest.mark.parametrize("wild", [False, True])
def test_products_with_transposed_matrices(wild):
    A, B = matrix(7, 5, 0.3, 1, wild), matrix(7, 4, 0.5, 2)
    transposed = registry.get("t").run(sparse(A))
    agree("%*%", transposed, B)
    agree("%*%", B.T, sparse(A))
    agree("%*%", B.T, registry.get("t").run(transposed))
    agree("%*%", transposed, sparse(B))
    agree("+", registry.get("t").run(sparse(A)), A.T)
    assert transposed.shape == (5, 7) and transposed.nnz == np.count_nonzero(A)
    np.testing.assert_array_equal(transposed.to_dense(), A.T)


@pytest.mark.parametrize("wild", [None, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_products_with_large_dense_matrices(monkeypatch, dtype, wild):
    monkeypatch.setattr(operators, "_LARGE", 1)
    monkeypatch.setattr(operators, "_TILE_CELLS", 64)
    S, X = matrix(41, 13, 0.3, 1).astype(dtype), matrix(41, 13, 1, 2).astype(dtype)
    S[5:15] = 0  # tiles without a stored cell
    X[20, 3] = -0.0
    if wild is not None:
        X[7, 4] = wild  # where S stores nothing
    times = registry.get("*")
    with np.errstate(invalid="ignore"):
        wanted = S * X
    for dense in (X, np.asfortranarray(X), np.repeat(X, 2, axis=1)[:, ::2]):
        with np.errstate(invalid="ignore"):
            results = times.run(sparse(S), dense), times.run(dense, sparse(S))
        for got in results:
            assert got.dtype == dtype
            assert (type(got) is Sparse) == (wild is None)
            np.testing.assert_array_equal(to_dense(got), wanted)
