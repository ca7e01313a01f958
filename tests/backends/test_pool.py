"""The kernels of pooling are held equal to the meaning over sizes, strides and paddings."""

from __future__ import annotations

import numpy as np
import pytest

from pydml.backends.cpu import pool as backend
from pydml.builtins import conv

GEOMETRIES = [
    # N, C, H, W, Hp, Wp, sh, sw, ph, pw
    (2, 3, 8, 8, 2, 2, 2, 2, 0, 0),
    (2, 3, 13, 13, 3, 3, 2, 2, 0, 0),
    (1, 2, 7, 5, 3, 2, 1, 1, 1, 1),
    (3, 1, 6, 9, 2, 4, 3, 2, 1, 2),
    (1, 1, 1, 1, 1, 1, 1, 1, 0, 0),
    (2, 2, 5, 4, 5, 4, 1, 1, 0, 0),
    (1, 3, 4, 4, 1, 1, 2, 2, 0, 0),
    (1, 1, 3, 3, 2, 2, 1, 1, 2, 2),  # windows that lie in the padding
]


@pytest.fixture(autouse=True)
def always_use_the_kernel(monkeypatch):
    monkeypatch.setattr(backend, "TINY_WORK", 0)


def images(shape, dtype, special):
    rng = np.random.default_rng(sum(shape))
    X = rng.integers(-3, 4, size=shape).astype(dtype)  # ties
    if special:
        X.reshape(-1)[rng.integers(0, X.size, size=max(1, X.size // 7))] = np.nan
        X.reshape(-1)[rng.integers(0, X.size, size=max(1, X.size // 7))] = -np.inf
    return X


@pytest.mark.parametrize("special", [False, True])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("sizes", GEOMETRIES)
def test_kernels_equal_the_meaning(sizes, dtype, special):
    N, C, H, W, Hp, Wp, sh, sw, ph, pw = sizes
    shapes = ((N, C, H, W), (Hp, Wp), (sh, sw), (ph, pw))
    _, g = conv.pool_geometry("max_pool", *shapes)
    X = images((N, C * H * W), dtype, special)
    dout = images((N, g.output_cols), dtype, False)
    rtol = 1e-5 if dtype == np.float32 else 1e-12
    for found, expected in (
        (backend.max_pool(X, *shapes), conv.max_pool.meaning(X, *shapes)),
        (backend.max_pool_backward(X, dout, *shapes), conv.max_pool_backward.meaning(X, dout, *shapes)),
        (backend.avg_pool_backward(X, dout, *shapes), conv.avg_pool_backward.meaning(X, dout, *shapes)),
    ):
        assert found.dtype == dtype
        np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol)
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(
            backend.avg_pool(X, *shapes), conv.avg_pool.meaning(X, *shapes), rtol=rtol, atol=rtol
        )


def test_views_are_accepted():
    whole = images((4, 200), np.float64, False)
    X = whole[1:3, 3:131]
    shapes = ((2, 2, 8, 8), (2, 2), (2, 2), (0, 0))
    np.testing.assert_array_equal(backend.max_pool(X, *shapes), conv.max_pool.meaning(X, *shapes))
