"""Kernels of order and of sparse products that only large matrices reach agree with the meanings."""

from __future__ import annotations

import numpy as np
import pytest

from pydml.backends.cpu import ordering, threads
from pydml.backends.sparse import product
from pydml.builtins import registry
from pydml.diagnostics import DMLError
from pydml.values import Sparse, to_dense


@pytest.fixture(scope="module")
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", ["cumsum", "cumprod", "cummin", "cummax", "rowIndexMax", "rowIndexMin"])
def test_running_and_largest(rng, name, dtype):
    X = np.round(rng.normal(size=(200, 70)), 1).astype(dtype)
    X[3, 5] = X[60] = np.nan
    builtin = registry.get(name)
    got, wanted = builtin.run(X), builtin.meaning(X)
    assert got.dtype == wanted.dtype
    np.testing.assert_allclose(got, wanted, rtol=1e-6 if dtype == np.float32 else 1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("narrow", [0, 32])
@pytest.mark.parametrize("name", ["rowIndexMax", "rowIndexMin"])
def test_last_of_equal_extremes(rng, monkeypatch, name, narrow, dtype):
    monkeypatch.setattr(ordering, "MIN_CELLS", 1)
    monkeypatch.setattr(ordering, "EXTREME_CELLS", 64)  # tiles of few rows, most of them without what follows
    monkeypatch.setattr(ordering, "NARROW_CELLS", 64)
    monkeypatch.setattr(ordering, "NARROW", narrow)
    X = rng.normal(size=(300, 9)).astype(dtype)
    X[10:20] = np.round(X[10:20])  # several are equal
    X[30, 4] = X[31] = np.nan
    X[40], X[41], X[42, 3:] = np.inf, -np.inf, -np.inf
    X[43], X[44] = [0.0, -0.0, 0, -0.0, 0, 0, 0, 0, -0.0], [-0.0] * 8 + [0.0]
    X[45] = [np.nan, 1, 1, -np.inf, -np.inf, 1, np.inf, np.inf, np.nan]
    X[46], X[47] = [np.nan] * 8 + [-np.inf], [-np.inf] + [np.nan] * 8
    # a row of NaN and a row of two equal cells in one tile: as many cells are equal to their extreme as there are rows
    X[56:63] = np.arange(63).reshape(7, 9)
    X[57], X[58, [0, 7]], X[58, [1, 2]] = np.nan, 1000, -1000
    builtin = registry.get(name)
    even = np.ascontiguousarray(X[:, 1:])  # cells in pairs
    for A in (
        X,
        X[:, ::-1],
        X[::2],
        np.asfortranarray(X),
        X[:, :4],
        X[:0],
        X[:1],
        even,
        even[:, :1].copy(),
        even[:, :2].copy(),
    ):
        got, wanted = builtin.run(A), builtin.meaning(A)
        assert got.dtype == wanted.dtype
        np.testing.assert_array_equal(got, wanted)
    with threads.limit(1):
        np.testing.assert_array_equal(builtin.run(X), builtin.meaning(X))


@pytest.mark.parametrize("n", [8193, 10000])
def test_order_statistics(rng, n):
    x = np.round(rng.normal(size=(n, 1)), 2)
    median, quantile = registry.get("median"), registry.get("quantile")
    assert median.run(x, None) == median.meaning(x, None)
    for p in (0, 0.1, 0.25, 0.5, 0.9999, 1):
        assert quantile.run(x, p, None) == quantile.meaning(x, p, None)
    p = np.array([[0.0], [0.3], [1.0]])
    np.testing.assert_array_equal(quantile.run(x, p, None), quantile.meaning(x, p, None))


@pytest.mark.parametrize("decreasing", [False, True])
@pytest.mark.parametrize("digits", [0, 9])
def test_stable_order(rng, monkeypatch, decreasing, digits):
    monkeypatch.setattr(ordering, "RADIX", 1)
    X = np.round(rng.normal(size=(3000, 2)) * 10, digits)
    X[5:900:7, 0] = np.nan
    X[1, 0], X[2, 0], X[3, 0], X[4, 0] = np.inf, -np.inf, -0.0, 0.0
    order = registry.get("order")
    for index in (False, True):
        np.testing.assert_array_equal(order.run(X, 1, decreasing, index), order.meaning(X, 1, decreasing, index))


def _sparse(rng, n, m):
    from scipy.sparse import random

    return Sparse(random(n, m, 0.05, format="csr", random_state=1))


@pytest.mark.parametrize("columns", [1, 6])
def test_products_in_tiles(rng, monkeypatch, columns):
    monkeypatch.setattr(product, "_THREADED_WORK", 1)
    monkeypatch.setattr(product, "_TILE_CELLS", 100)
    S = _sparse(rng, 400, 60)
    times, t = registry.get("%*%"), registry.get("t")
    V, W = rng.normal(size=(60, columns)), rng.normal(size=(400, columns))
    np.testing.assert_allclose(times.run(S, V), S.to_dense() @ V)
    np.testing.assert_allclose(times.run(t.run(S), W), S.to_dense().T @ W)
    np.testing.assert_allclose(times.run(t.run(W), S), W.T @ S.to_dense())


@pytest.mark.parametrize("compiled", [True, False])
def test_product_with_the_transpose(rng, monkeypatch, compiled):
    monkeypatch.setattr(product, "_COMPILED_WORK", 1 if compiled else 1 << 60)
    monkeypatch.setattr(product, "_TILE_CELLS", 100)
    S = _sparse(rng, 2000, 150)
    result = registry.get("%*%").run(registry.get("t").run(S), S)
    np.testing.assert_allclose(to_dense(result), S.to_dense().T @ S.to_dense(), atol=1e-12)


@pytest.mark.parametrize("compiled", [True, False])
def test_sampled_product(rng, monkeypatch, compiled):
    monkeypatch.setattr(product, "_COMPILED_WORK", 1 if compiled else 1 << 60)
    monkeypatch.setattr(product, "_TILE_CELLS", 100)
    S = _sparse(rng, 300, 50)
    U, V = rng.normal(size=(300, 4)), rng.normal(size=(50, 4))
    builtin = registry.get("sampledProduct")
    result = builtin.run(S, U, V)
    assert type(result) is Sparse
    np.testing.assert_allclose(result.to_dense(), S.to_dense() * (U @ V.T))
    chain = registry.get("sampled product chain")
    for W, A, B in ((S, U, V), (S.transposed(), V, U)):
        got = chain.run(W, A, B)
        np.testing.assert_allclose(got, (W.to_dense() * (A @ B.T)) @ B)
        with threads.limit(1):
            np.testing.assert_array_equal(chain.run(W, A, B), got)
    with pytest.raises(DMLError, match="V has 4"):
        chain.run(S, U[:, :2], V)
    U[7, 2] = np.nan
    np.testing.assert_allclose(to_dense(builtin.run(S, U, V)), S.to_dense() * (U @ V.T))
