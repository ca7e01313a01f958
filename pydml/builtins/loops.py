"""A loop of scalars and small matrices as instructions for a register machine, which `execution.loops` writes.

The meaning runs nothing, so that the loop stays with Python; `backends.cpu.loops` has the machine.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pydml.builtins.registry import builtin


class Instruction(NamedTuple):
    """The name of an operation of the machine, and its operands: places, sizes, and targets of jumps as instruction numbers."""

    name: str
    operands: tuple[int, ...]


class LoopProgram:
    """instructions: what the machine does.  cells, ints: lengths of its two arrays.  encoded: what the backend made of them."""

    __slots__ = ("cells", "encoded", "instructions", "ints")

    def __init__(self, instructions: tuple[Instruction, ...], cells: int, ints: int):
        self.instructions = instructions
        self.cells = cells
        self.ints = ints
        self.encoded: Any = None


@builtin("loop program(program: any, cells: any, ints: any) -> any", storages="any", self_checking=True)
def loop_program(program: LoopProgram, cells: Any, ints: Any) -> bool:
    """Run the instructions on the two arrays, of doubles and of ints, in place; whether that was possible."""
    return False


@builtin("loop machine pays(work: any) -> any", storages="any", self_checking=True)
def loop_machine_pays(work: float) -> bool:
    """Whether there is a machine that is worth its compilation for a run with so many nanoseconds of work in Python, if that is still to come."""
    return False
