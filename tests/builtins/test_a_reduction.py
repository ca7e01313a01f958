"""The tiled reductions of large dense matrices give what the meaning gives."""

import numpy as np
import pytest

from pydml.backends.cpu import reduction, threads
from pydml.builtins import registry

NAMES = [f"{line}{kind}" for line in ("row", "col") for kind in "Sums Means Mins Maxs Vars Sds".split()] + [
    "sum",
    "mean",
    "var",
    "sd",
]
SHAPES = [(20011, 3), (9000, 1), (1, 9001), (300, 64), (3, 7001), (70003, 2), (130, 1100)]


def views(X):
    yield X
    yield np.asfortranarray(X)
    yield np.repeat(X, 2, axis=1)[:, ::2]
    yield X[::-1, ::-1]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_agrees_with_the_meaning(shape, dtype):
    X = np.random.default_rng(1).normal(size=shape).astype(dtype)
    for name in NAMES:
        b = registry.get(name)
        extra = [None] if name == "mean" else []
        expected = b.meaning(X, *extra)
        for view in views(X):
            result = b.run(view, *extra)
            assert type(result) is type(expected)
            assert getattr(result, "shape", 0) == getattr(expected, "shape", 0)
            assert getattr(result, "dtype", 0) == getattr(expected, "dtype", 0)
            want = b.meaning(view, *extra)
            single = dtype is np.float32  # 64 cells of a row may be added in single precision
            np.testing.assert_allclose(result, want, rtol=1e-5 if single else 1e-11, atol=1e-5 if single else 1e-12)


def test_nan_and_infinities_pass_through():
    X = np.ones((9000, 4))
    X[5000, 1], X[7, 2], X[8, 3] = np.nan, np.inf, -np.inf
    with np.errstate(all="ignore"):
        for name in NAMES:
            extra = [None] if name == "mean" else []
            np.testing.assert_array_equal(registry.get(name).run(X, *extra), registry.get(name).meaning(X, *extra))


def test_single_precision_sums_are_accumulated_in_double():
    X = np.full((2_000_000, 2), 0.1, np.float32)
    np.testing.assert_allclose(registry.get("colSums").run(X), 2e6 * float(np.float32(0.1)), rtol=1e-7)
    np.testing.assert_allclose(registry.get("sum").run(X), 4e6 * float(np.float32(0.1)), rtol=1e-12)


def test_results_do_not_depend_on_the_number_of_threads():
    X = np.random.default_rng(2).normal(size=(30001, 37))
    for name in NAMES:
        extra = [None] if name == "mean" else []
        results = []
        for n in (1, 2):
            with threads.limit(n):
                results.append(registry.get(name).run(X, *extra))
        np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("name", ["rowMaxs", "rowMins", "colMaxs", "colMins"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_extremes_of_wide_matrices_in_tiles(monkeypatch, name, dtype):
    monkeypatch.setattr(reduction, "WIDE_CELLS", 1)
    monkeypatch.setattr(reduction, "WIDE_TILE_CELLS", 16 * 101)
    X = np.random.default_rng(4).normal(size=(333, 101)).astype(dtype)
    X[7, 50] = X[100] = np.nan
    X[200, 3], X[201] = np.inf, -np.inf
    builtin = registry.get(name)
    for A in (X, X.T, X[::3], X[:, :70], np.asfortranarray(X), X[:15]):
        wanted = builtin.meaning(A)
        for threads_ in (1, 2):
            with threads.limit(threads_):
                got = builtin.run(A)
            assert got.dtype == wanted.dtype and got.shape == wanted.shape
            np.testing.assert_array_equal(got, wanted)
    assert builtin.kernels["dense",](X) is not NotImplemented
    assert builtin.kernels["dense",](np.repeat(X[:2], 2, axis=1)) is NotImplemented  # lines too long
