"""Sparse kernels against the meaning on dense matrices, for random matrices with NaN, infinities, empty and full rows and columns."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from pydml.backends.sparse import images, solve
from pydml.builtins import registry
from pydml.diagnostics import DMLError
from pydml.script import Script
from pydml.values import Sparse, is_matrix, to_dense
from pydml.values.storage import set_memory_limit

WILD = (np.nan, np.inf, -np.inf)


def matrix(
    seed: int, rows: int = 7, cols: int = 9, share: float = 0.3, wild: bool = False, whole: bool = False
) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.integers(-3, 4, (rows, cols)).astype(float) if whole else rng.normal(size=(rows, cols))
    X = np.where(rng.random((rows, cols)) < share, values, 0.0)
    X[rows // 2] = 0.0
    X[:, cols // 2] = 0.0
    X[0, : cols // 2] = values[0, : cols // 2]
    X[: rows // 2, 0] = values[: rows // 2, 0]
    if wild:
        for value in WILD:
            X[rng.integers(rows), rng.integers(cols)] = value
    return X


def sparse(X: np.ndarray) -> Sparse:
    return Sparse(csr_matrix(X))


def check(name: str, *args) -> None:
    """The result on sparse matrices is that on dense ones; what is an error for one is the same for the other."""
    builtin = registry.get(name)
    dense = [to_dense(a) if is_matrix(a) else a for a in args]
    with np.errstate(all="ignore"):
        try:
            expected = builtin.run(*dense)
        except DMLError as error:
            with pytest.raises(DMLError) as caught:
                builtin.run(*args)
            assert caught.value.id == error.id
            return
        before = builtin.fallbacks
        found = builtin.run(*args)
    assert builtin.fallbacks == before, f"{name} made a copy"
    if is_matrix(expected):
        found = to_dense(found)
        assert found.shape == expected.shape
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12, err_msg=name)
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-12)


SEEDS = range(4)


@pytest.mark.parametrize("name", ["cumsum", "rowcumsum", "cummax", "cummin", "cumprod"])
@pytest.mark.parametrize("seed", SEEDS)
def test_running(name, seed):
    share = 0.02
    wild = seed % 2 == 1 and name != "cumprod"
    X = np.where(np.random.default_rng(seed).random((60, 40)) < 1, matrix(seed, 60, 40, share, wild), 0)
    X[:45, 3:] = 0
    X[:, 10:] = 0
    check(name, sparse(X if name != "rowcumsum" else np.ascontiguousarray(X.T)))
    X[5:20, 2] = 1, -1, 2, -2, 0, 3, -3, 1, 1, -2, 0, 0, 0, 0, 0  # sums that return to 0
    check(name, sparse(X if name != "rowcumsum" else np.ascontiguousarray(X.T)))
    check(name, sparse(np.zeros((30, 20))))


@pytest.mark.parametrize("wild", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_distinct_values(seed, wild):
    X = sparse(matrix(seed, wild=wild, whole=True, share=0.7))
    for dir in ("rc", "r", "c"):
        check("unique", X, dir)
        check("countDistinct", X, dir)
        check("countDistinctApprox", X, "KMV", dir)
    for name in ("rowCountDistinct", "colCountDistinct"):
        check(name, X)
        check(name + "Approx", X, "KMV")


@pytest.mark.parametrize("seed", SEEDS)
def test_contains(seed):
    X = matrix(seed, wild=seed % 2 == 0, whole=True)
    for pattern in (0, 1, 2.5, np.nan, np.inf):
        check("contains", sparse(X), pattern)
    for row in (0, 3, 5):
        check("contains", sparse(X), X[row : row + 1])
        check("contains", sparse(X), sparse(X[row : row + 1]))
    check("contains", sparse(X), X[1:2] + 0.5)
    full = sparse(np.ones((3, 4)))
    check("contains", full, 0)


@pytest.mark.parametrize("fn", ["sum", "count", "mean", "variance", "min", "max", "centralmoment"])
@pytest.mark.parametrize("seed", SEEDS)
def test_groups(fn, seed):
    X = matrix(seed, 12, 9, wild=seed == 3 and fn in ("sum", "count", "mean"))
    g = np.random.default_rng(seed).integers(1, 5, (12, 1)).astype(float)
    for ngroups in (3, 4, 6):
        check("aggregate", sparse(X), g, fn, None, ngroups, 3 if fn == "centralmoment" else None)
    check("aggregate", sparse(X), sparse(g), fn, None, 4, 4 if fn == "centralmoment" else None)
    check("aggregate", sparse(X), np.zeros((12, 1)), fn, None, 4, 2)


@pytest.mark.parametrize("symbol", ["+", "-", "*", "/", "^", "%%", "%/%", "==", "!=", "<", "<=", ">", ">=", "&", "|"])
@pytest.mark.parametrize("seed", SEEDS)
def test_two_operands(symbol, seed):
    X, Y = matrix(seed, wild=seed % 2 == 1, whole=True), matrix(seed + 10, wild=seed > 1, whole=True)
    check(symbol, sparse(X), sparse(Y))
    if seed % 2 == 0:
        row, column = matrix(seed + 20, 1, 9, 0.6), matrix(seed + 21, 7, 1, 0.6)
        builtin = registry.get(symbol)
        for vector in (row, column):
            with np.errstate(all="ignore"):
                expected = builtin.run(X, vector)
                np.testing.assert_allclose(to_dense(builtin.run(sparse(X), sparse(vector))), expected, rtol=1e-12)
    check(symbol, sparse(X), sparse(Y[:, :5]))


@pytest.mark.parametrize("seed", SEEDS)
def test_choices(seed):
    C, X, Y = (matrix(seed + k, wild=seed > 1) for k in (0, 7, 13))
    for condition in (sparse(C), TRUE, 0.0, np.nan):
        for yes in (sparse(X), 0, 3):
            for no in (sparse(Y), 0, 2.5):
                if any(is_matrix(v) for v in (condition, yes, no)):
                    check("ifelse", condition, yes, no)
    check("ifelse", sparse(C), sparse(X), sparse(Y[:3]))


TRUE = True


@pytest.mark.parametrize("seed", SEEDS)
def test_logic_bits_and_extrema(seed):
    X, Y, Z = (matrix(seed + k, whole=True) for k in (0, 7, 13))
    for name in ("xor", "bitwAnd", "bitwOr", "bitwXor"):
        check(name, sparse(X), sparse(Y))
    for name in ("bitwShiftL", "bitwShiftR"):
        check(name, sparse(X), sparse(np.abs(Y)))
    W = matrix(seed + 3, wild=True)
    for name in ("min", "max"):
        check(name, sparse(X), sparse(Y), sparse(Z))
        check(name, sparse(X), sparse(Y), sparse(Z), sparse(W), 1)
        check(name, sparse(X), sparse(W))
        check(name, sparse(X), 0, sparse(W))
    check("xor", sparse(X), sparse(W))


def test_products_of_indexes():
    X, Y, Q, v = matrix(1), matrix(2), matrix(3, 6, 6), matrix(4, 9, 1, 0.5)
    for equation in ("ij->ij", "ij->ji", "ab->a", "ij->j", "ij->"):
        check("einsum", equation, sparse(X))
    check("einsum", "xx->", sparse(Q))
    check("einsum", "ii->i", sparse(Q))
    check("einsum", "ij, jk -> ik", sparse(X), sparse(np.ascontiguousarray(Y.T)))
    check("einsum", "ij,j->i", sparse(X), v)
    for result in ("ij", "i", ""):
        check("einsum", f"ij,ij->{result}", sparse(X), sparse(Y))


def test_bias_and_outer():
    check("bias_multiply", sparse(matrix(1, 7, 8)), np.array([[2.0], [-1.0]]))
    check("bias_multiply", sparse(matrix(1, 7, 9)), np.array([[2.0], [-1.0]]))
    check("outer", sparse(matrix(1, 5, 1)), sparse(matrix(2, 1, 4)), "*")


# ---- single cells, written in place


def test_single_cells():
    rng = np.random.default_rng(5)
    X = matrix(5, 40, 30)
    S = sparse(X)
    for step in range(4000):
        i, j = int(rng.integers(40)), int(rng.integers(15))
        value = float(rng.integers(-1, 3))
        X[i, j] = value
        S = S.put(i, j, value)
        if step % 97 == 0:
            i, j = int(rng.integers(40)), int(rng.integers(30))
            assert (S.cell(i, j) if isinstance(S, Sparse) else S[i, j]) == X[i, j]
        if step % 701 == 0:
            assert np.array_equal(to_dense(S), X)
    assert np.array_equal(to_dense(S), X)


def test_single_cells_of_a_transpose():
    X = matrix(6, 5, 8)
    S = sparse(X).transposed()
    assert [[S.cell(i, j) for j in range(5)] for i in range(8)] == X.T.tolist()
    S = S.put(7, 1, 3.5).put(0, 0, 0.0)
    X[1, 7], X[0, 0] = 3.5, 0
    assert S.cell(7, 1) == 3.5
    assert S.nnz == np.count_nonzero(X)
    assert np.array_equal(S.transposed().to_dense(), X)
    assert S.csr.has_canonical_format


def test_a_matrix_that_fills_up_becomes_dense():
    S = Sparse(csr_matrix((100, 100)))
    for k in range(5000):
        S = S.put(k // 100, k % 100, 1.0) if isinstance(S, Sparse) else S
    assert isinstance(S, np.ndarray)
    assert S.sum() >= 4000


def test_loops_that_write_cells():
    """Single cells are written in place where nobody else sees the matrix; copies keep their cells."""
    script = """
X = matrix(0, rows=1000000, cols=100000)
for (i in 1:3000) {
  X[i, i * 7] = i
}
Y = X
for (i in 1:3000) {
  X[i, i * 7] = as.scalar(X[i, i * 7]) + 1
  if (i %% 2 == 0) {
    X[i, i * 7] = 0
  }
}
total = sum(X)
before = sum(Y)
parts = list(X, Y)
X[1, 7] = 100
kept = sum(as.matrix(parts[1]))
cell = as.scalar(X[1, 7])
beside = as.scalar(X[1, 8])
"""
    set_memory_limit(1 << 30)
    try:
        values = Script(script).run(outputs=["total", "before", "kept", "cell", "beside", "X"])
    finally:
        set_memory_limit(None)
    odd = np.arange(1, 3001, 2)
    assert values["total"] == (odd + 1).sum() == values["kept"]
    assert values["before"] == 3000 * 3001 / 2
    assert (values["cell"], values["beside"]) == (100, 0)
    assert values["X"].nnz == 1500


SHAPES = (6, 2, 5, 4), (3, 2, 3, 2), (1, 2), (1, 0)  # images, filters, stride, padding: the output is 3 x 5 x 2
POOLS = (6, 2, 5, 4), (2, 2), (2, 1), (1, 0)  # 2 x 3 x 3


@pytest.mark.parametrize("wild", [False, True])
@pytest.mark.parametrize("block_bytes", [1, 1000, 1 << 20])
def test_images_in_blocks(monkeypatch, block_bytes, wild):
    monkeypatch.setattr(images, "SMALL_BYTES", 0)
    monkeypatch.setattr(images, "BLOCK_BYTES", block_bytes)
    X, W = sparse(matrix(1, 6, 40, wild=wild)), np.random.default_rng(2).normal(size=(3, 12))
    dout, pooled = sparse(matrix(3, 6, 30, wild=wild)), sparse(matrix(4, 6, 18))
    for name, shapes, arguments in (
        ("conv2d", SHAPES, [(X, W), (X, np.where(W > 1, np.nan, W))]),
        ("conv2d_backward_data", SHAPES, [(W, dout), (sparse(W), dout)]),
        ("conv2d_backward_filter", SHAPES, [(X, dout), (X, to_dense(dout)), (to_dense(X), dout)]),
        ("max_pool", POOLS, [(X,)]),
        ("avg_pool", POOLS, [(X,)]),
        ("max_pool_backward", POOLS, [(X, pooled), (X, to_dense(pooled)), (to_dense(X), pooled)]),
        ("avg_pool_backward", POOLS, [(X, pooled), (to_dense(X), pooled)]),
    ):
        for matrices in arguments:
            check(name, *matrices, *shapes)
    few = sparse(np.where(np.arange(240).reshape(6, 40) % 97, 0.0, 1.0))
    assert isinstance(registry.get("conv2d").run(few, W, *SHAPES), Sparse)
    assert isinstance(registry.get("avg_pool").run(few, *POOLS), Sparse)


def test_a_sparse_system_of_equations(monkeypatch):
    rng = np.random.default_rng(5)
    n = 600
    A = np.where(rng.random((n, n)) < 0.01, rng.normal(size=(n, n)), 0.0) + np.diag(np.full(n, 9.0))
    band = np.where(np.abs(np.subtract.outer(np.arange(n), np.arange(n))) < 6, A + 1, 0.0)
    shuffled = rng.permutation(n)
    for X in (A, band, band[shuffled], band[shuffled][:, shuffled], band + band.T, np.where(A == 0, 0, np.nan)):
        for b in (rng.normal(size=(n, 1)), rng.normal(size=(n, 3)), sparse(matrix(1, n, 4))):
            for large in (solve.LARGE_BYTES, 0):  # 0: never a dense copy
                monkeypatch.setattr(solve, "LARGE_BYTES", large)
                expected = np.linalg.solve(X, to_dense(b))
                np.testing.assert_allclose(registry.get("solve").run(sparse(X), b), expected, rtol=1e-9, atol=1e-9)
    band[7] = 0
    for X in (band, band[:50, :50]):
        check("solve", sparse(X), np.ones((len(X), 1)))
