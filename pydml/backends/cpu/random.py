"""Random matrices filled by several threads: each block has its own generator, so values are those of the meaning."""

from __future__ import annotations

from pydml.backends.cpu.threads import parallel_for
from pydml.builtins.random import rand
from pydml.builtins.registry import kernel


@kernel("rand")
def rand_parallel(*args):
    return rand.meaning(*args, spread=_spread)


def _spread(run_block, blocks, work_ns):
    """Call run_block(number) for each block; NumPy's generators release the GIL, and so does most of the rest."""

    def run(start: int, stop: int) -> None:
        for block in range(start, stop):
            run_block(block)

    parallel_for(run, blocks, work_ns, grain=1)
