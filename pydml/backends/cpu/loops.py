"""Loops of DML on the loop machine, see `compiled.loop_machine`."""

from __future__ import annotations

import ctypes
import functools
from typing import Any

import numpy as np

from pydml.backends.cpu import jit
from pydml.backends.cpu.compiled import loop_operations as operations
from pydml.builtins.loops import LoopProgram
from pydml.builtins.registry import kernel

# Nanoseconds of work in Python that justify the compilation of the machine, which takes some seconds once per computer.
WORTH_COMPILING = 2e9
# Nanoseconds of work, about, after which the machine returns so that an interrupt is noticed.
SLICE = 50_000_000
_JUMPS = {"jump": 0, "jump_unless": 0, "for_next": 2, "for_start": 4}  # which operand is a target
_PRODUCTS = ("product", "product_column", "product_row", "dot")


@kernel("loop machine pays", "*")
def pays(work: float) -> bool:
    return work >= WORTH_COMPILING or _machine.cache_info().currsize > 0 or jit.is_kept("loop_machine", "machine")


@functools.cache
def _machine() -> Any:
    return jit.kernels("loop_machine").machine()


@kernel("loop program", "*")
def run_loop(program: LoopProgram, cells: np.ndarray, ints: np.ndarray) -> bool:
    """Run to the end; False where the machine met something that is left to Python."""
    if program.encoded is None:
        program.encoded = _encode(program)
    code, products = program.encoded
    state = np.zeros(operations.STATE, np.int64)
    if products:
        functions = _blas()
        if functions is None:
            return False
        state[[operations.GEMM, operations.GEMV, operations.DOT]] = functions
    run = _machine()
    status = operations.AGAIN
    while status == operations.AGAIN:
        state[operations.FUEL] = SLICE
        status = run(code, cells, ints, state)
    return bool(status == operations.DONE)


def _encode(program: LoopProgram) -> tuple[np.ndarray, bool]:
    """(the instructions as numbers, whether there are products of matrices)."""
    code = np.zeros((len(program.instructions), operations.WIDTH), np.uint64)
    for row, (name, operands) in zip(code, program.instructions, strict=True):
        values = list(operands)
        if name in _JUMPS:
            values[_JUMPS[name]] *= operations.WIDTH
        row[0] = operations.CODES[name]
        row[1 : 1 + len(values)] = values
    return code.reshape(-1), any(i.name in _PRODUCTS for i in program.instructions)


@functools.cache
def _blas() -> tuple[int, int, int] | None:
    """Addresses of cblas_dgemm, cblas_dgemv and cblas_ddot in NumPy's BLAS, so that products have the bits of NumPy's; None if not found.

    Only a library with 64-bit ints, which is what NumPy's own packages bring.
    """
    from threadpoolctl import ThreadpoolController

    for library in ThreadpoolController().select(internal_api="openblas").lib_controllers:
        if "numpy" not in library.filepath:
            continue
        loaded: Any = ctypes.CDLL(library.filepath)
        for pattern in ("scipy_cblas_{}64_", "cblas_{}64_"):
            try:
                found = [getattr(loaded, pattern.format(name)) for name in ("dgemm", "dgemv", "ddot")]
            except AttributeError:
                continue
            gemm, gemv, dot = (ctypes.cast(f, ctypes.c_void_p).value or 0 for f in found)
            return gemm, gemv, dot
    return None
