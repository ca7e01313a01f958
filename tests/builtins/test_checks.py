"""Sizes that fitted once are not checked again; what differs from them is."""

import numpy as np
import pytest

from pydml.builtins import registry
from pydml.builtins.registry import get
from pydml.diagnostics import DMLError

SHAPES = ((2, 1, 3, 3), (1, 1, 2, 2), (1, 1), (0, 0))


def test_a_call_that_fits_does_not_let_others_pass():
    conv2d, X, W = get("conv2d"), np.ones((2, 9)), np.ones((1, 4))
    for _ in range(2):
        assert conv2d.run(X, W, *SHAPES).shape == (2, 4)
        with pytest.raises(DMLError, match="X is 3 x 9, expected 2 x 9"):
            conv2d.run(np.ones((3, 9)), W, *SHAPES)
        with pytest.raises(DMLError, match="the filter expects 2 channels"):
            conv2d.run(X, W, SHAPES[0], (1, 2, 2, 2), *SHAPES[2:])


def test_true_is_not_one(monkeypatch):
    asked = []
    monkeypatch.setattr(get("matrix"), "_passed", set())
    monkeypatch.setattr(get("matrix"), "_infer", lambda *types: asked.append(types[1].const) or types[0])
    for rows in (1, True, 1.0, 1, True, 1.0):
        get("matrix").run(np.float64, 7.5, rows, 2, True)
    assert asked == [1, True, 1.0]
    assert list(map(type, asked)) == [int, bool, float]


def test_what_is_remembered_is_bounded():
    matrix = get("matrix")
    for rows in range(2 * registry.MOST_PASSED):
        matrix.run(np.float64, 0, rows, 1, True)
    assert len(matrix._passed) <= registry.MOST_PASSED
