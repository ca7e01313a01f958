"""t(X) %*% (w * (X %*% v) - y) in one pass over X gives what the separate products give."""

import numpy as np
import pytest

from pydml.backends.cpu import chains, threads
from pydml.builtins.chains import mmchain, product_order


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("n", "m"), [(40_003, 17), (9_001, 129), (1 << 19, 2)])
@pytest.mark.parametrize("weights", ["none", "column", "number"])
def test_equals_the_meaning(monkeypatch, dtype, n, m, weights):
    monkeypatch.setattr(chains, "MIN_BYTES", 0)
    rng = np.random.default_rng(n + m)
    X, v, y = (rng.standard_normal(size).astype(dtype) for size in ((n, m), (m, 1), (n, 1)))
    w = {"none": None, "column": rng.random((n, 1)).astype(dtype), "number": 0.5}[weights]
    for subtracted in (None, y):
        found = chains.product_chain(X, v, w, subtracted, False)
        expected = mmchain.meaning(X, v, w, subtracted, False)
        assert found.shape == expected.shape == (m, 1)
        scale = np.abs(expected).max() + np.sqrt(n)
        np.testing.assert_allclose(found / scale, expected / scale, atol=1e-12 if dtype == np.float64 else 1e-4)
        with threads.limit(1):
            np.testing.assert_array_equal(chains.product_chain(X, v, w, subtracted, False), found)


def test_leaves_other_shapes_to_the_products():
    X = np.ones((1 << 16, 16))
    assert chains.product_chain(X, np.ones((16, 2)), None, None, False) is NotImplemented
    assert chains.product_chain(X, np.ones((16, 1)), np.ones((1, 16)), None, False) is NotImplemented
    assert chains.product_chain(X[:9], np.ones((16, 1)), None, None, False) is NotImplemented


@pytest.mark.parametrize(
    ("sizes", "order"),
    [
        ([10, 10, 10, 1], (0, (1, 2))),
        ([1, 10, 10, 10], ((0, 1), 2)),
        ([30, 35, 15, 5, 10, 20, 25], ((0, (1, 2)), ((3, 4), 5))),  # the example of the book
        ([2, 2, 2, 2], ((0, 1), 2)),
    ],
)
def test_order_of_products(sizes, order):
    assert product_order(sizes) == order
