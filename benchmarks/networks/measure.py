"""Timing of contestants in turn, and the rows that the benchmarks print and write.

The machine may be shared, so every contestant is timed by two clocks: the time that passed, and the processor time of the whole
process (`resource.getrusage`, user and system, all threads), which other work disturbs least.  Ratios are of medians over
rounds in which the contestants take turns.  Threads of PyTorch that wait for each other in a loop count as processor time, so on
a busy machine the ratio of processor times flatters us and that of wall time is the fair one; where the two agree, both hold.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Settings of PyTorch: what a table calls them, and the arguments that a contestant takes.
PEERS: dict[str, tuple[str, dict[str, bool]]] = {
    "eager": ("PyTorch eager", {}),
    "channels_last": ("PyTorch channels_last", {"channels_last": True}),
    "compiled": ("PyTorch compiled", {"compiled": True}),
}


def arguments(description: str | None, peers: str, rounds: int, seconds: float) -> argparse.ArgumentParser:
    """The options that suites of networks share, with the defaults of one of them."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--peers", default=peers, help="settings of PyTorch, with commas")
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--seconds", type=float, default=seconds, help="no further round of a case after this time")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", help="write the rows to this file")
    return parser


def processor_time() -> float:
    """Seconds of all threads of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Times:
    """Seconds of one contestant: of each round by both clocks, and of the first call, which compiles and warms up."""

    def __init__(self) -> None:
        self.wall: list[float] = []
        self.cpu: list[float] = []
        self.first = 0.0

    def call(self, action: Callable[[], Any]) -> Any:
        wall, cpu = time.perf_counter(), processor_time()
        result = action()
        self.cpu.append(processor_time() - cpu)
        self.wall.append(time.perf_counter() - wall)
        return result


def in_turn(contestants: dict[str, Callable[[], Any]], rounds: int, seconds: float = 60.0) -> dict[str, Times]:
    """Call each contestant once to warm up, then all in turn, at least twice and until the rounds or the time are over."""
    times = {name: Times() for name in contestants}
    for name, action in contestants.items():
        start = time.perf_counter()
        action()
        times[name].first = time.perf_counter() - start
    start = time.perf_counter()
    for i in range(max(rounds, 1)):
        if i >= 2 and time.perf_counter() - start > seconds:
            break
        for name, action in contestants.items():
            times[name].call(action)
    return times


def in_turn_with_script(
    training: Any, peers: dict[str, Callable[[], Any]], rounds: int, seconds: float = 60.0
) -> dict[str, Times]:
    """The same for a script that passes control on after its steps (`contestants.Training`), as "pydml", and peers."""
    times = {name: Times() for name in ["pydml", *peers]}
    for name, action in peers.items():
        start = time.perf_counter()
        action()
        times[name].first = time.perf_counter() - start
    mine = times["pydml"]
    resumed = (time.perf_counter(), processor_time())
    measuring = resumed[0]

    def after() -> bool:
        nonlocal resumed, measuring
        wall, cpu = time.perf_counter() - resumed[0], processor_time() - resumed[1]
        if not mine.first:
            mine.first, measuring = wall, time.perf_counter()
        else:
            mine.wall.append(wall)
            mine.cpu.append(cpu)
            for name, action in peers.items():
                times[name].call(action)
        if len(mine.wall) >= rounds or (len(mine.wall) >= 2 and time.perf_counter() - measuring > seconds):
            return False
        resumed = (time.perf_counter(), processor_time())
        return True

    training.run(after)
    return times


def rows(
    suite: str, case: str, times: dict[str, Times], ours: str = "pydml", units: int = 1, **more: Any
) -> list[dict]:
    """A row for each peer.  units: what one call does, for example steps; seconds are those of one unit."""
    mine = times[ours]
    result = []
    for peer, theirs in times.items():
        if peer == ours:
            continue
        result.append(
            {
                "suite": suite,
                "case": case,
                "peer": peer,
                "ratio": statistics.median(theirs.wall) / statistics.median(mine.wall),
                "cpu_ratio": statistics.median(theirs.cpu) / statistics.median(mine.cpu),
                "ours_s": statistics.median(mine.wall) / units,
                "peer_s": statistics.median(theirs.wall) / units,
                "ours_best_s": min(mine.wall) / units,
                "peer_best_s": min(theirs.wall) / units,
                "ours_cpu_s": statistics.median(mine.cpu) / units,
                "peer_cpu_s": statistics.median(theirs.cpu) / units,
                "ours_first_s": mine.first,
                "peer_first_s": theirs.first,
                "rounds": len(mine.wall),
                **more,
            }
        )
    return result


HEADER = """| case | peer | ours, s | peer, s | ratio | ratio of processor time | first call, ours / peer, s |
|---|---|---|---|---|---|---|"""


def line(row: dict) -> str:
    """A row as a line of the table."""
    cpu = f"{row['cpu_ratio']:.2f}" if row.get("cpu_ratio") else ""
    first = f"{row['ours_first_s']:.1f} / {row['peer_first_s']:.1f}" if row.get("peer_first_s") else ""
    return (
        f"| {row['case']} | {row['peer']} | {row['ours_s']:.4g} | {row['peer_s']:.4g} "
        f"| {row['ratio']:.2f} | {cpu} | {first} |"
    )


def write(file: str | None, found: list[dict]) -> None:
    """The rows as JSON, if a file is asked for."""
    if file:
        Path(file).write_text(json.dumps(found, indent=1) + "\n")
