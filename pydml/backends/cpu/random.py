"""Random matrices filled by several threads: each block has its own generator, so values are those of the meaning."""

from __future__ import annotations

from pydml.backends.cpu.threads import parallel_for
from pydml.builtins.random import BLOCK, rand
from pydml.builtins.registry import kernel

_NS_PER_CELL = 5


@kernel("rand")
def rand_parallel(*args):
    return rand.meaning(*args, fill=_fill_blocks, spread=_spread)


def _fill_blocks(out, fill):
    """Call fill(number, part) for each block of the flat array `out`; NumPy's generators release the GIL."""

    def run(start: int, stop: int) -> None:
        for block in range(start, stop):
            fill(block, out[block * BLOCK : (block + 1) * BLOCK])

    parallel_for(run, -(-len(out) // BLOCK), work_ns=len(out) * _NS_PER_CELL, grain=1)


def _spread(run_block, blocks, work_ns):
    """Call run_block(number) for each block; most of it is NumPy without the GIL."""

    def run(start: int, stop: int) -> None:
        for block in range(start, stop):
            run_block(block)

    parallel_for(run, blocks, work_ns)
