"""paramserv on threads: one slot for each worker, as far as there are threads.

Results: with BSP those of the meaning, as gradients are added in the order of the workers.  A worker has one thread while there are several.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pydml.backends.cpu.threads import budget, limit, parallel_for
from pydml.builtins.paramserv import NAMES, train
from pydml.builtins.registry import kernel


@kernel("paramserv", "*")
def paramserv_threads(context: Any, *args: Any) -> Any:
    return train(context, dict(zip(NAMES, args, strict=True)), threads=budget(), run=_run)


def _run(work: Callable[[], None], count: int) -> None:
    slots = min(count, budget())
    if slots == 1:
        work()
        return

    def run(start: int, stop: int) -> None:
        with limit(1), np.errstate(all="ignore"):
            work()

    with limit(slots):
        parallel_for(run, slots, grain=1)
