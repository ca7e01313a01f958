"""What `--stats` shows: which operations took the time, where they stand in the script, and how much memory was used.

With statistics, the executable calls builtins through `Statistics.wrap`.  An operation is told apart by its builtin and its
DML line.  Scalar arithmetic that became plain Python is not counted, nor are elements read from lists: they have no builtin
at run time.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from time import perf_counter
from typing import Any

_Place = tuple[str, str, int]  # operation, file, line


class Statistics:
    """Counts and times of one run, from all of its threads."""

    def __init__(self) -> None:
        self.started = perf_counter()
        self.operations: dict[_Place, list[float]] = {}  # place -> [count, seconds]
        self._lock = threading.Lock()
        self._fallbacks_before = _fallbacks()

    def wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, counted as operation `name` at the line of its caller."""

        def counted(*args: Any) -> Any:
            start = perf_counter()
            try:
                return function(*args)
            finally:
                seconds = perf_counter() - start
                caller = sys._getframe(1)
                self.record(name, caller.f_code.co_filename, caller.f_lineno, seconds)

        return counted

    def record(self, name: str, file: str, line: int, seconds: float) -> None:
        """Count one execution of an operation."""
        with self._lock:
            entry = self.operations.setdefault((name, file, line), [0, 0.0])
            entry[0] += 1
            entry[1] += seconds

    def report(self, count: int = 10) -> str:
        """The table: total time, the `count` operations that took the most, calls that had to make a matrix dense, memory."""
        total = perf_counter() - self.started
        inside = sum(seconds for _, seconds in self.operations.values())
        lines = [f"time       {total:.3f} s, of it {inside:.3f} s in {len(self.operations)} operations"]
        memory = peak_memory()
        if memory:
            lines.append(f"memory     {memory / 2**20:.0f} MiB at the peak")
        slow = {n: c - self._fallbacks_before.get(n, 0) for n, c in _fallbacks().items()}
        slow = {n: c for n, c in slow.items() if c}
        if slow:
            lines.append("made dense " + ", ".join(f"{n} ({c})" for n, c in sorted(slow.items(), key=lambda i: -i[1])))
        heaviest = sorted(self.operations.items(), key=lambda item: -item[1][1])[:count]
        if heaviest:
            width = max(9, *(len(place[0]) for place, _ in heaviest))
            lines.append(f"{'#':>3}  {'operation':{width}}  {'seconds':>9}  {'share':>5}  {'count':>9}  place")
        for rank, ((name, file, line), (number, seconds)) in enumerate(heaviest, 1):
            share = f"{100 * seconds / total:.0f} %" if total else ""
            lines.append(f"{rank:>3}  {name:{width}}  {seconds:9.3f}  {share:>5}  {int(number):>9}  {file}:{line}")
        return "\n".join(lines)


def _fallbacks() -> dict[str, int]:
    """How often each builtin had to make a matrix dense, since the process started."""
    registry = sys.modules.get("pydml.builtins.registry")
    if registry is None:
        return {}
    return {b.name: b.fallbacks for b in registry.all_builtins() if b.fallbacks}


def peak_memory() -> int:
    """Bytes of memory that the process has used at most; 0 where the system does not tell."""
    try:  # Linux; ru_maxrss begins with what the process that started this one held
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
