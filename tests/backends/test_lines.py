"""Products, recurrences, triangles, sequences and diagonals in tiles: equal to the meanings, on any number of threads."""

from __future__ import annotations

import numpy as np
import pytest

import pydml
from pydml.backends.cpu import chains, reduction, reorg, threads
from pydml.backends.sparse import product
from pydml.builtins import registry
from pydml.values import Sparse

SIZES = [(1, 700), (700, 1), (40, 33), (33, 40), (500, 3), (3, 500), (64, 64)]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(11)


def on_threads(name, *args):
    """The result of a builtin, which must be the same on one thread and on two."""
    results = []
    for n in (1, 2):
        with threads.limit(n):
            results.append(np.asarray(registry.get(name).run(*args)))
    np.testing.assert_array_equal(*results)
    return results[0]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    for module, name, value in (
        (reorg, "MIN_CELLS", 1),
        (reorg, "RUN_CELLS", 100),
        (reduction, "MIN_CELLS", 1),
        (reduction, "VARIANCE_CELLS", 1),
        (reduction, "TILE_CELLS", 300),
        (reduction, "PROD_CELLS", 16),
        (reduction, "RECURRENCE_ROWS", 1),
        (chains, "DIAGONAL_CELLS", 100),
        (product, "_SELECTED_CELLS", 100),
        (threads, "SMALL_WORK_NS", 1),
    ):
        monkeypatch.setattr(module, name, value)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["lower.tri", "upper.tri"])
def test_triangles(rng, size, name):
    X = rng.normal(size=size)
    X[0, 0] = np.nan
    for target in (X, X.T, X.astype(np.float32), X[::-1]):
        for diag in (True, False):
            for values in (True, False):
                found = on_threads(name, target, diag, values)
                assert found.dtype == target.dtype
                np.testing.assert_array_equal(found, registry.get(name).meaning(target, diag, values))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["rowProds", "colProds"])
def test_products_of_lines(rng, size, name):
    X = rng.normal(size=size)
    X[0, 0], X[-1, -1] = np.nan, np.inf
    for target in (X, X.T, X.astype(np.float32)):
        found = on_threads(name, target)
        assert found.dtype == target.dtype
        np.testing.assert_allclose(found, registry.get(name).meaning(target), rtol=1e-6)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([2.0] * 50, 2.0**50),
        ([0.5] * 3000, 0.0),
        ([2.0] * 3000, np.inf),
        ([0.5] * 3000 + [np.nan], np.nan),
        ([0.5] * 3000 + [-np.inf], np.nan),
        ([np.nan] + [0.0] * 100, np.nan),
        ([0.0] * 100 + [1e308] * 100, 0.0),  # whose sum is not finite
        ([0.0] * 100 + [1e308] * 100 + [np.inf], np.nan),
        ([2.0] * 3000 + [0.5] * 3000, np.inf),
        ([2.0] * 3000 + [0.0], np.nan),
        ([3.0], 3.0),
    ],
)
def test_product_of_all_cells(cells, expected):
    X = np.array(cells).reshape(-1, 1)
    np.testing.assert_array_equal(on_threads("prod", X), expected)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(registry.get("prod").meaning(X), expected)


@pytest.mark.parametrize("size", SIZES)
def test_number_of_nan(rng, size):
    X = rng.normal(size=size)
    assert on_threads("number of NaN", X) == 0
    X[0, 0], X[-1, -1] = np.inf, -np.inf
    assert on_threads("number of NaN", X) == 0
    X[rng.random(size) < 0.1] = np.nan
    for target in (X, X.T, X.astype(np.float32)):
        assert on_threads("number of NaN", target) == np.isnan(X).sum()
    assert on_threads("number of NaN", X[:0]) == 0


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", [1, 2, 1000])
def test_recurrence(rng, n, dtype):
    function = registry.get("cumsumprod")
    X = rng.normal(size=(n, 2)).astype(dtype)
    kept = X.copy()
    for target in (X, np.asfortranarray(X), np.full((n, 2), 7, dtype)):  # the last one overflows
        found = on_threads("cumsumprod", target)
        assert found.dtype == dtype
        with np.errstate(all="ignore"):
            np.testing.assert_allclose(found, function.meaning(target), rtol=1e-5 if dtype == np.float32 else 1e-12)
    np.testing.assert_array_equal(X, kept)
    for value in (np.nan, np.inf, 0.0):
        for column in (0, 1):
            target = X.copy()
            target[n // 2, column] = value
            np.testing.assert_allclose(on_threads("cumsumprod", target), function.meaning(target), rtol=1e-5)
    assert on_threads("cumsumprod", X[:0]).shape == (0, 1)


def test_sequences(monkeypatch):
    from pydml.builtins import construct

    function = registry.get("seq")
    expected = [function.meaning(t, *a) for t in (np.float64, np.float32) for a in ((1, 1000, None), (9, -500, -3))]
    monkeypatch.setattr(construct, "SEQ_BLOCK", 7)
    found = [
        on_threads("seq", t, *a) for t in (np.dtype("f8"), np.dtype("f4")) for a in ((1, 1000, None), (9, -500, -3))
    ]
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(found[0].ravel(), np.arange(1.0, 1001))


@pytest.mark.parametrize(("n", "k"), [(1, 300), (300, 1), (40, 33), (33, 40)])
def test_diagonal_of_product(rng, n, k):
    A, B = rng.normal(size=(n, k)), rng.normal(size=(k, n))
    A[0, 0] = np.nan
    for right in (B, np.asfortranarray(B)):
        np.testing.assert_allclose(
            on_threads("diagonal of product", A, right), np.diag(A @ B).reshape(n, 1), atol=1e-12
        )
    with pytest.raises(pydml.DMLError) as caught:
        registry.get("diagonal of product").run(A, rng.normal(size=(k + 1, n)))
    assert caught.value.diagnostic.id == "shape-mismatch"


@pytest.mark.parametrize("factor", [1.0, -2.5])
@pytest.mark.parametrize("full", [True, False])
def test_columns_selected_by_a_product(rng, factor, full):
    from scipy.sparse import csc_matrix

    X = rng.normal(size=(300, 20))
    places = rng.integers(0, 20, 15)
    columns = np.arange(15) if full else np.arange(0, 15, 2)
    S = np.zeros((20, 15))
    S[places[columns], columns] = factor
    right = Sparse(csc_matrix(S).tocsr())
    np.testing.assert_array_equal(on_threads("%*%", X, right), X @ S)
    for value in (np.nan, np.inf):
        X[7, 3] = value
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(on_threads("%*%", X, right), X @ S)
    assert on_threads("%*%", X[:0], right).shape == (0, 15)
