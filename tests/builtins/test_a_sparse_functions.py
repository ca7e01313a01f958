"""Sparse kernels of elementwise functions and aggregates give what the meaning gives on the same cells."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from pydml.builtins import registry
from pydml.values import Sparse, is_matrix, to_dense

UNARY = "abs sign sqrt exp sin cos tan asin acos atan sinh cosh tanh round floor ceil is.nan is.infinite log".split()
TWO = "log min max xor bitwAnd bitwOr bitwXor bitwShiftL bitwShiftR".split()
TOTALS = "sum mean var sd prod min max".split()
LINES = [f"{line}{kind}" for line in ("row", "col") for kind in "Sums Means Vars Sds Mins Maxs Prods".split()]
SHAPES = [(7, 5), (1, 6), (6, 1), (0, 4), (4, 0)]


def matrix(rows, cols, density, seed, wild=False):
    rng = np.random.default_rng(seed)
    X = np.where(rng.random((rows, cols)) < density, rng.integers(-3, 4, (rows, cols)) * 0.75, 0.0)
    if wild:
        X[0, 0], X[1, 2], X[2, 1] = np.nan, np.inf, -np.inf
    return X


def sparse(X):
    return Sparse(csr_matrix(X))


def agree(name, *args):
    b = registry.get(name)
    before = b.fallbacks
    with np.errstate(all="ignore"):
        expected = b.meaning(*[to_dense(a) if type(a) is Sparse else a for a in args])
        result = b.run(*args)
    if is_matrix(result):
        assert result.dtype == expected.dtype
        assert result.shape == expected.shape
        result = to_dense(result)
    else:
        assert type(result) is type(expected)
    single = any(getattr(a, "dtype", None) == np.float32 for a in args)
    np.testing.assert_allclose(result, expected, rtol=2e-6 if single else 1e-13, atol=1e-15)
    return b.fallbacks == before


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("wild", [False, True])
def test_elementwise(wild, dtype):
    X = matrix(7, 5, 0.4, 1, wild).astype(dtype)
    for name in UNARY:
        assert agree(name, sparse(X), None) if name == "log" else agree(name, sparse(X))
    for name in TWO:
        for other in (0, 2, -1.5):
            assert agree(name, sparse(X), other)
            assert agree(name, other, sparse(X))
    for args in ((sparse(X), 2.0, 3), (sparse(X), 0, 3), (1.0, sparse(X), 0), (0.0, 2, sparse(X))):
        assert agree("ifelse", *args)
        assert agree("max", *args)


@pytest.mark.parametrize("name", ["min", "max"])
def test_extremes_of_two(name):
    assert agree(name, sparse(matrix(7, 5, 0.4, 1)), sparse(matrix(7, 5, 0.4, 2)))
    agree(name, sparse(matrix(7, 5, 0.4, 1, wild=True)), sparse(matrix(7, 5, 0.4, 2)))
    agree(name, sparse(matrix(7, 5, 0.4, 1)), sparse(matrix(1, 5, 0.4, 2)))
    agree(name, matrix(7, 5, 0.4, 1), sparse(matrix(7, 5, 0.4, 2)))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("density", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_aggregates(shape, density, dtype):
    X = matrix(*shape, density, 1).astype(dtype)
    for name in TOTALS:
        assert agree(name, sparse(X), *([None] if name == "mean" else []))
    for name in LINES:
        assert agree(name, sparse(X))
    agree("rowIndexMax", sparse(X))
    agree("rowIndexMin", sparse(X))
    for name in ("unique", "countDistinct"):
        assert agree(name, sparse(X), "rc")
        agree(name, sparse(X), "r")


def test_aggregates_with_nan_and_infinities():
    X = matrix(7, 5, 0.4, 1, wild=True)
    for name in [*TOTALS, *LINES, "rowIndexMax", "rowIndexMin"]:
        agree(name, sparse(X), *([None] if name == "mean" else []))


def test_index_of_largest_finds_the_last_cell_that_is_not_stored():
    X = np.array(
        [
            [-1, 0, -2, 0, -3, -4],
            [0, 0, 0, 0, 0, 0],
            [0, 0, 0, 0, 0, -1],
            [-1, -1, -1, -1, -1, -1],
            [0, 2, 0, 2, -1, 0.0],
        ]
    )
    assert agree("rowIndexMax", sparse(X))
    assert agree("rowIndexMin", sparse(-X))


def test_trace():
    assert agree("trace", sparse(matrix(6, 6, 0.4, 1)))


def test_large_tables_are_sparse():
    y = np.arange(1.0, 3001.0).reshape(-1, 1)
    F = registry.get("table").run(y, y[::-1])
    assert type(F) is Sparse and F.shape == (3000, 3000) and F.nnz == 3000
    np.testing.assert_array_equal((F.csr @ y), y[::-1])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kind", ["all", "gaps", "fractions", "NaN", "beyond", "repeated", "descending"])
@pytest.mark.parametrize("weighted", [False, True])
def test_tables_with_a_row_for_each_cell(kind, dtype, weighted):
    rng = np.random.default_rng(5)
    i, j = np.arange(1, 501, dtype=dtype), rng.integers(1, 200, 500).astype(dtype)
    weights = rng.normal(size=500).astype(dtype)
    weights[5:9] = 0, -0.0, np.nan, np.inf
    if kind == "gaps":
        i = i * 3
    elif kind == "fractions":
        i, j = i + dtype(0.5), j + dtype(0.75)
    elif kind == "NaN":
        i[7], j[9] = np.nan, np.nan
    elif kind == "beyond":
        i, j[4], j[5] = i + 30, 300, 1e30
    elif kind == "repeated":
        i[100] = i[99]
    elif kind == "descending":
        i = i[::-1].copy()
    for sizes in ((), (400, 150)) if kind != "beyond" else ((520, 199),):
        kept = ~(np.isnan(i) | np.isnan(j))
        rows, cols = sizes or (int(i[kept].max()), int(j[kept].max()))
        wanted = np.zeros((rows, cols))
        for a, b, w in zip(i[kept], j[kept], weights[kept], strict=True):
            if a < rows + 1 and b < cols + 1:
                wanted[int(a) - 1, int(b) - 1] += float(w) if weighted else 1
        given = [x.reshape(-1, 1) for x in (i, j, weights)[: 2 + weighted]]
        F = registry.get("table").run(*given, *sizes)
        assert type(F) is Sparse and F.dtype == dtype and F.csr.data.all()
        F.csr.check_format(full_check=True)
        assert F.csr.has_canonical_format
        np.testing.assert_array_equal(to_dense(F), wanted.astype(dtype))
