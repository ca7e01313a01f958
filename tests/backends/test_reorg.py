"""Cells replaced and turned in blocks, sums by group and orders of distinct numbers: equal to the meanings, on any number of threads."""

from __future__ import annotations

import numpy as np
import pytest

import pydml
from pydml.backends.cpu import ordering, reduction, reorg, threads
from pydml.backends.sparse import form
from pydml.builtins import linalg, registry


@pytest.fixture(scope="module")
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("pattern", [np.nan, 0.0, 2, np.inf])
def test_replace(rng, monkeypatch, dtype, pattern):
    monkeypatch.setattr(reorg, "MIN_CELLS", 1)
    monkeypatch.setattr(reorg, "RUN_CELLS", 1000)
    X = rng.integers(-2, 3, (301, 17)).astype(dtype)
    X[3, 4:9], X[200, 1], X[0, 0] = np.nan, np.inf, -0.0
    before = X.copy()
    replace = registry.get("replace")
    for target in (X, X.T):
        got = replace.run(target, pattern, 7.5)
        assert got.dtype == dtype
        np.testing.assert_array_equal(got, replace.meaning(target, pattern, 7.5))
    np.testing.assert_array_equal(X, before)
    assert replace.run(X, 99, 1) is X
    assert replace.run(X[:, 3:9], pattern, 1).shape == (301, 6)  # not contiguous: by the meaning


@pytest.mark.parametrize("size", [(1, 5), (64, 64), (65, 130), (300, 7)])
def test_contiguous(rng, monkeypatch, size):
    monkeypatch.setattr(reorg, "MIN_CELLS", 1)
    X = rng.normal(size=size)
    for view in (X.T, X, X[:, ::2], X.T[1:]):
        got = reorg.contiguous(view)
        assert got.flags.c_contiguous
        np.testing.assert_array_equal(got, view)


def test_replaced_and_turned_in_a_script(rng):
    """As steps of fused operations; what a matrix of another size or a mistake does is unchanged."""
    X = rng.normal(size=(400, 300))
    X[X < -1] = np.nan
    result = pydml.run(
        "Z = t(replace(target=X / 2, pattern=NaN, replacement=r)) + 1; Y = t(X) * 2 - t(X); s = sum(replace(target=t(X), pattern=NaN, replacement=0))\n"
        "R = replace(target=X, pattern=1.0, replacement=2); E = replace(target=X[1:2,], pattern=NaN, replacement=5)",
        outputs=["Z", "Y", "s", "E"],
        inputs={"X": X, "r": 3},
    )
    np.testing.assert_allclose(result["Z"], np.where(np.isnan(X), 3, X / 2).T + 1)
    np.testing.assert_allclose(result["Y"], X.T)
    assert result["s"] == pytest.approx(np.nansum(X))
    np.testing.assert_array_equal(result["E"], np.where(np.isnan(X[:2]), 5, X[:2]))


@pytest.mark.parametrize("fn", ["sum", "mean", "variance"])
def test_groups_of_rows(rng, monkeypatch, fn):
    monkeypatch.setattr(reduction, "VARIANCE_CELLS", 1)
    X, groups = rng.normal(size=(4000, 3)), rng.integers(1, 8, (4000, 1)) + 0.5
    groups[groups > 5] = 7.25
    X[17, 1], X[groups[:, 0] < 2, 2] = np.nan, np.inf
    aggregate = registry.get("aggregate")
    for target, g in ((X, groups), (X.astype(np.float32), groups.T), (np.asfortranarray(X), groups)):
        for count in (9, 5):  # with groups beyond, by the meaning
            with np.errstate(invalid="ignore"):
                got, wanted = (f(target, g, fn, None, count, None) for f in (aggregate.run, aggregate.meaning))
            assert got.dtype == wanted.dtype
            np.testing.assert_allclose(got, wanted, rtol=1e-12 if target.dtype == np.float64 else 1e-6, atol=1e-12)
    with threads.limit(1):
        np.testing.assert_array_equal(
            aggregate.run(X[:, :2], groups, fn, None, 9, None),
            reduction.aggregate_tiles(X[:, :2], groups, fn, None, 9, None),
        )


@pytest.mark.parametrize("decreasing", [False, True])
@pytest.mark.parametrize("kind", ["distinct", "one pair", "one NaN", "two NaN", "zeros", "many"])
def test_order(rng, monkeypatch, kind, decreasing):
    monkeypatch.setattr(ordering, "MIN_CELLS", 1)
    X = rng.normal(size=(9000, 3))
    if kind == "one pair":
        X[17, 1] = X[4004, 1]
    elif kind in ("one NaN", "two NaN"):
        X[[5] if kind == "one NaN" else [5, 800], 1] = np.nan
    elif kind == "zeros":
        X[8, 1], X[5, 1] = 0.0, -0.0
    elif kind == "many":
        X[:, 1] = np.round(X[:, 1], 1)
    order = registry.get("order")
    for index in (False, True):
        np.testing.assert_array_equal(order.run(X, 2, decreasing, index), order.meaning(X, 2, decreasing, index))


def test_finite(rng, monkeypatch):
    monkeypatch.setattr(form, "_LARGE", 1)
    monkeypatch.setattr(form, "_RUN", 100)
    X = rng.normal(size=(50, 60))
    X[0, :2] = 1e308, 1e308  # their sum is infinite
    with np.errstate(all="ignore"):
        assert form.all_finite(X) and form.all_finite(X.T) and form.all_finite(X[:, 3:])
        for value in (np.nan, np.inf, -np.inf):
            Y = X.copy()
            Y[40, 50] = value
            assert not (form.all_finite(Y) or form.all_finite(Y.T) or form.all_finite(Y[:, 3:]))


def test_symmetry(rng, monkeypatch):
    monkeypatch.setattr(linalg, "_BAND", 7)
    X = rng.normal(size=(40, 23))
    A = X.T @ X
    assert linalg._is_symmetric(A) and linalg._is_symmetric(A[:0, :0])
    for i, j in ((0, 22), (22, 0), (20, 22), (5, 6)):
        B = A.copy()
        B[i, j] += 1e-6
        assert not linalg._is_symmetric(B)
        B[i, j] = np.nan
        assert not linalg._is_symmetric(B)
