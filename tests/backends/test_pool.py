"""Pooling kernels give what the meaning gives, cell for cell, NaN and infinities included."""

import numpy as np
import pytest

from pydml.backends.cpu import pool, threads
from pydml.builtins import conv as meaning
from pydml.builtins import registry
from pydml.builtins.conv import ConvGeometry

SEED = 21

# (batch, C, H, W, Hf, Wf, sh, sw, ph, pw)
SIZES = [
    (9, 3, 27, 27, 3, 3, 2, 2, 0, 0),
    (4, 2, 31, 29, 3, 3, 2, 2, 1, 1),
    (3, 5, 15, 37, 2, 2, 2, 2, 0, 0),  # a row and a column that no window sees
    (3, 5, 14, 14, 2, 2, 2, 2, 0, 0),
    (2, 3, 20, 17, 5, 4, 1, 1, 2, 3),
    (2, 3, 20, 17, 2, 3, 3, 5, 0, 1),  # stride larger than the pool: cells that no window sees
    (60, 7, 7, 7, 7, 7, 1, 1, 0, 0),  # all of the image
    (4, 40, 3, 50, 1, 1, 1, 1, 0, 0),
    (2, 9, 9, 40, 3, 3, 4, 4, 1, 2),
    (40, 3, 6, 6, 2, 2, 2, 2, 2, 2),  # windows that lie in the padding
]


def case(sizes, dtype):
    """Geometry, images with ties, output gradient."""
    N, C, H, W, *rest = sizes
    g = ConvGeometry(C, H, W, C, *rest)
    rng = np.random.default_rng(SEED)
    X = rng.integers(-4, 5, (N, g.image_cols)).astype(dtype)
    dout = rng.standard_normal((N, g.output_cols)).astype(dtype)
    return g, X, dout


@pytest.fixture(autouse=True)
def no_case_is_tiny(monkeypatch):
    monkeypatch.setattr(pool, "TINY_CELLS", 0)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("sizes", SIZES, ids=lambda s: "-".join(map(str, s)))
def test_kernels_agree_with_meaning(sizes, dtype):
    g, X, dout = case(sizes, dtype)
    # sums of a few cells, in another order
    tolerance = {"rtol": 1e-13, "atol": 1e-13} if dtype == np.float64 else {"rtol": 1e-5, "atol": 1e-6}
    np.testing.assert_array_equal(pool.max_pool(X, g), meaning.pool_max(X, g))
    np.testing.assert_allclose(pool.average_pool(X, g), meaning.pool_average(X, g), **tolerance)
    np.testing.assert_allclose(pool.max_pool_gradient(X, dout, g), meaning.pool_max_gradient(X, dout, g), **tolerance)
    np.testing.assert_allclose(pool.average_pool_gradient(dout, g), meaning.pool_average_gradient(dout, g), **tolerance)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("sizes", SIZES[:6], ids=lambda s: "-".join(map(str, s)))
def test_nan_and_infinities(sizes, dtype):
    g, X, dout = case(sizes, dtype)
    rng = np.random.default_rng(SEED + 1)
    for value in (np.nan, np.inf, -np.inf):
        X[rng.random(X.shape) < 0.1] = value
    X[0] = -np.inf
    X[1] = np.nan
    np.testing.assert_array_equal(pool.max_pool(X, g), meaning.pool_max(X, g))
    np.testing.assert_allclose(
        pool.max_pool_gradient(X, dout, g), meaning.pool_max_gradient(X, dout, g), rtol=1e-5, atol=1e-6
    )
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(pool.average_pool(X, g), meaning.pool_average(X, g), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("sizes", SIZES[1:3], ids=lambda s: "-".join(map(str, s)))
def test_views_and_threads_change_nothing(sizes):
    g, X, dout = case(sizes, np.float64)
    wide = np.full((2 * len(X), X.shape[1] + 5), np.nan)
    wide[::2, 2:-3] = X
    results = []
    for n, images in ((1, X), (2, wide[::2, 2:-3]), (5, np.asfortranarray(X))):
        threads.set_threads(n)
        try:
            results.append(
                (pool.max_pool(images, g), pool.average_pool(images, g), pool.max_pool_gradient(images, dout, g))
            )
        finally:
            threads.set_threads(None)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_agrees_with_torch():
    torch = pytest.importorskip("torch")
    g, _, dout = case(SIZES[1], np.float64)
    X = np.random.default_rng(SEED).standard_normal((SIZES[1][0], g.image_cols))
    for ours, ours_back, theirs in (
        (pool.max_pool, lambda: pool.max_pool_gradient(X, dout, g), torch.nn.functional.max_pool2d),
        (pool.average_pool, lambda: pool.average_pool_gradient(dout, g), torch.nn.functional.avg_pool2d),
    ):
        x = torch.from_numpy(X).view(-1, g.C, g.H, g.W).requires_grad_()
        y = theirs(x, (g.Hf, g.Wf), (g.sh, g.sw), (g.ph, g.pw))
        y.backward(torch.from_numpy(dout).view(y.shape))
        np.testing.assert_allclose(ours(X, g), y.detach().numpy().reshape(dout.shape), atol=1e-14)
        np.testing.assert_allclose(ours_back(), x.grad.numpy().reshape(X.shape), atol=1e-14)


@pytest.mark.parametrize("name", ["bias_add", "bias_multiply"])
def test_bias_of_large_matrices(name):
    rng = np.random.default_rng(SEED)
    X, b = rng.standard_normal((700, 600)), rng.standard_normal((12, 1))
    builtin = registry.get(name)
    np.testing.assert_array_equal(builtin(X, b), builtin.meaning(X, b))
    np.testing.assert_array_equal(builtin(X[:, ::-1], b), builtin.meaning(X[:, ::-1], b))
