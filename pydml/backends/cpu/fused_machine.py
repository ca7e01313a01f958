"""The machine of fused elementwise operations as `fused` uses it: its working memory, and its code, loaded late."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydml.backends.cpu.compiled.operations import LANES, MAX_INPUTS, RUN
from pydml.backends.cpu.jit import compiled
from pydml.backends.cpu.memory import buffer


def scratch(steps: int, dtype: Any) -> np.ndarray:
    """Room for the machine, of the calling thread: a line of cells for each step, and a vector for each input."""
    return buffer("fused lines", steps * RUN + MAX_INPUTS * LANES, dtype)


def machine_code(dtype: Any) -> Any:
    """The machine for float32 or float64, see `compiled.machine`."""
    from pydml.backends.cpu.compiled import machine

    return machine.machine_code(dtype)


@compiled
def address(dtype):
    """A function that gives the address of a flat array; NumPy's own way makes an object of ctypes for it."""
    from numba import types

    from pydml.backends.cpu.compiled.simd import readonly

    def run(cells):
        return cells.ctypes.data

    return types.uintp(readonly(dtype)), run
