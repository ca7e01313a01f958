"""Convolution and pooling give what SystemDS gives; the values and how they were made are in systemds_conv.txt."""

import re
from pathlib import Path

import numpy as np
import pytest

from pydml.backends.cpu import conv, pool
from pydml.builtins import registry


def observed():
    """(expression, value) of each block of the file."""
    text = (Path(__file__).parent / "systemds_conv.txt").read_text()
    for block in re.sub(r"(?m)^#.*\n", "", text).strip().split("\n\n"):
        expression, *rows = block.splitlines()
        yield expression, np.array([[float(cell) for cell in row.split()] for row in rows])


def counted(rows, cols, modulus, shift):
    return (np.arange(1.0, rows * cols + 1) % modulus - shift).reshape(rows, cols)


MATRICES = {
    "X": counted(2, 60, 11, 5),
    "W": counted(3, 12, 7, 3),
    "d": counted(2, 63, 5, 2),
    "e": counted(2, 42, 5, 2),
    "v": counted(2, 16, 5, 2),
}


def call(expression):
    """Run a builtin call of the file: matrices by name, then bracket lists by name."""
    name, arguments = re.fullmatch(r"(\w+)\((.*)\)", expression).groups()
    matrices = [MATRICES[m] for m in re.findall(r"\b[XWdev]\b(?=,)", arguments)]
    shapes = {k: tuple(map(int, v.split(","))) for k, v in re.findall(r"(\w+)=\[([\d,]+)\]", arguments)}
    return registry.get(name)(*matrices, *shapes.values())


@pytest.mark.parametrize("tiny", [True, False], ids=["meaning", "kernel"])
@pytest.mark.parametrize(
    ("expression", "value"), list(observed()), ids=lambda v: v.split("(")[0] if isinstance(v, str) else ""
)
def test_same_as_systemds(expression, value, tiny, monkeypatch):
    if not tiny:
        monkeypatch.setattr(conv, "TINY_WORK", 0)
        monkeypatch.setattr(pool, "TINY_CELLS", 0)
        conv._choose.cache_clear()
    result = call(expression)
    conv._choose.cache_clear()
    # the file has six digits
    np.testing.assert_allclose(result, value, atol=1e-6)
