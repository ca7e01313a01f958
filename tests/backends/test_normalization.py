"""The kernels of batch normalisation are held equal to the meaning."""

from __future__ import annotations

import numpy as np
import pytest

from pydml.backends.cpu import normalization as backend
from pydml.builtins.normalization import batch_norm2d, batch_norm2d_backward

SHAPES = [(1, 1, 1), (3, 4, 1), (5, 3, 49), (7, 2, 1024), (4, 5, 777), (64, 6, 36), (2, 2, 9001)]


@pytest.fixture(autouse=True)
def always_use_the_kernel(monkeypatch):
    monkeypatch.setattr(backend, "MIN_CELLS", 0)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("mode", ["train", "test"])
@pytest.mark.parametrize(("N", "C", "cells"), SHAPES)
def test_forward_and_backward(N, C, cells, mode, dtype):
    rng = np.random.default_rng(N * C * cells)
    X = (rng.normal(size=(N, C * cells)) * 3 + 5).astype(dtype)
    gamma, beta, mean = rng.normal(size=(3, C, 1)).astype(dtype)
    var = rng.uniform(0.5, 2, size=(C, 1)).astype(dtype)
    args = (X, gamma, beta, mean, var, mode, 1e-5, 0.9)
    tolerance = {"rtol": 2e-4, "atol": 2e-4} if dtype == np.float32 else {"rtol": 1e-10, "atol": 1e-10}
    found, expected = backend.batch_norm2d_by_channel(*args), batch_norm2d.meaning(*args)
    if N * cells == 1:  # a variance of zero: 1 / sqrt(epsilon) magnifies rounding
        tolerance = {"rtol": 1e-2, "atol": 1e-2}
    for f, e in zip(found, expected, strict=True):
        assert f.shape == e.shape and f.dtype == e.dtype
        np.testing.assert_allclose(f, e, **tolerance)
    dout = rng.normal(size=X.shape).astype(dtype)
    args = (X, dout, gamma, 1e-5, expected[3], expected[4])
    for f, e in zip(backend.batch_norm2d_backward_by_channel(*args), batch_norm2d_backward.meaning(*args), strict=True):
        assert f.shape == e.shape and f.dtype == e.dtype
        np.testing.assert_allclose(f, e, **tolerance)


def test_variance_in_single_precision_does_not_cancel():
    """Squares are taken of distances from the first image's mean, so a large mean of all, or an odd first image, costs little."""
    rng = np.random.default_rng(8)
    for first, others in ((1000, 1000), (0, 1000), (1000, 0)):
        X = rng.normal(size=(32, 3 * 400)) + others
        X[0] += first - others
        X = X.astype(np.float32)
        zeros, ones = np.zeros((3, 1), np.float32), np.ones((3, 1), np.float32)
        found = backend.batch_norm2d_by_channel(X, ones, zeros, zeros, ones, "train", 1e-5, 0.9)
        expected = 1 / np.sqrt(X.astype(np.float64).reshape(32, 3, 400).var(axis=(0, 2)) + 1e-5)
        np.testing.assert_allclose(found[4][:, 0], expected, rtol=2e-5)


def test_read_only_arrays_are_accepted():
    rng = np.random.default_rng(3)
    X, dout = rng.normal(size=(2, 4, 30))
    gamma, mean, inv_std = rng.uniform(1, 2, size=(3, 3, 1))
    for array in (X, dout, gamma, mean, inv_std):
        array.flags.writeable = False
    assert backend.batch_norm2d_by_channel(X, gamma, mean, mean, inv_std, "train", 1e-5, 0.9)
    assert backend.batch_norm2d_backward_by_channel(X, dout, gamma, 1e-5, mean, inv_std)


def test_views_are_accepted():
    rng = np.random.default_rng(1)
    whole = rng.normal(size=(9, 40))
    X, ones = whole[::2, 8:32], np.ones((3, 1))
    args = (X, ones, ones, ones, ones, "train", 1e-5, 0.9)
    for f, e in zip(backend.batch_norm2d_by_channel(*args), batch_norm2d.meaning(*args), strict=True):
        np.testing.assert_allclose(f, e, rtol=1e-10, atol=1e-12)


def test_not_a_number_stays_in_its_channel():
    X = np.random.default_rng(2).normal(size=(4, 30))
    X[1, 3] = np.nan
    ones = np.ones((3, 1))
    out = backend.batch_norm2d_by_channel(X, ones, ones, ones, ones, "train", 1e-5, 0.9)[0]
    assert np.isnan(out[:, :10]).all() and not np.isnan(out[:, 10:]).any()
