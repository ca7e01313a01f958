"""Sparse kernels with code of their own for certain sizes and fillings: equal to the dense meaning."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from pydml.backends.sparse import aggregate, product
from pydml.builtins import registry
from pydml.values import Sparse, to_dense


def matrix(rows, cols, share, seed=1, negative=False):
    rng = np.random.default_rng(seed)
    return np.round((rng.random((rows, cols)) * 4 - (4 if negative else 1)), 1) * (rng.random((rows, cols)) < share)


def sparse(X):
    return Sparse(csr_matrix(X))


def agree(name, *dense, exact=True):
    found = registry.lookup(name).run(*map(sparse, dense))
    expected = registry.lookup(name).meaning(*dense)
    if isinstance(found, Sparse):
        assert found.csr.has_canonical_format and (found.csr.data != 0).all()
    if exact:
        np.testing.assert_array_equal(to_dense(found), expected)
    else:
        np.testing.assert_allclose(to_dense(found), expected, rtol=1e-12, atol=1e-12)


LINES = ["rowIndexMax", "rowIndexMin", "colMaxs", "colMins"]
RUNNING = ["cumsum", "cumprod", "cummax", "cummin"]
SIZES = [(1, 1), (1, 9), (9, 1), (40, 7), (7, 40), (0, 3), (3, 0)]


@pytest.mark.parametrize("tile", [3, 1 << 16])
@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.6, 1.0])
@pytest.mark.parametrize("name", LINES + RUNNING)
def test_lines(name, share, negative, tile, monkeypatch):
    monkeypatch.setattr(aggregate, "_TILE_CELLS", tile)
    for rows, cols in SIZES:
        if rows * cols or name in RUNNING:
            agree(name, matrix(rows, cols, share, rows, negative))


@pytest.mark.parametrize("wild", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", [*LINES, *RUNNING])
def test_wild_cells_of_lines(name, wild):
    X = matrix(30, 8, 0.3)
    X[0, 3] = X[17, 5] = wild
    with np.errstate(all="ignore"):
        agree(name, X)


@pytest.mark.parametrize("tile", [5, 1 << 18])
@pytest.mark.parametrize("shares", [(0.02, 0.02), (0.1, 0.02), (0.3, 0.3), (0.0, 0.5), (1.0, 0.01)])
def test_products_of_sparse_matrices(shares, tile, monkeypatch):
    monkeypatch.setattr(product, "_TILE_CELLS", tile)
    for m, k, n in (
        (60, 50, 70),
        (1, 40, 30),
        (40, 1, 30),
        (30, 40, 1),
        (3, 500, 200),
        (0, 4, 5),
        (5, 4, 0),
        (5, 0, 4),
    ):
        agree("%*%", matrix(m, k, shares[0], 1), matrix(k, n, shares[1], 2), exact=False)


def test_a_product_with_its_own_transpose():
    X = matrix(50, 80, 0.05)
    S = sparse(X)
    np.testing.assert_allclose(to_dense(registry.lookup("%*%").run(S, S.transposed())), X @ X.T, rtol=1e-12)


def test_cells_of_a_product_that_cancel_are_not_stored():
    A = np.zeros((60, 60))
    A[0, :2] = 1, -1
    B = np.zeros((60, 60))
    B[:2, 5] = 3
    agree("%*%", A, B)
