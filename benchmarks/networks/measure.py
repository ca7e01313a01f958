"""Timing of contestants in turn, and the rows that the benchmarks print and write.

The machine may be shared, so every contestant is timed by two clocks: the time that passed, and the processor time of the whole
process (`resource.getrusage`, user and system, all threads), which other work disturbs least.  Ratios are of medians over
rounds in which the contestants take turns.  Each has a process of its own, as it has for its users: in one process the threads of
OpenMP that wait in a loop for PyTorch's next operation would take the processor from those of pydml.  Threads of PyTorch that wait for each other in a loop count as processor time, so on
a busy machine the ratio of processor times flatters us and that of wall time is the fair one; where the two agree, both hold.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

PAUSE = 0.3  # seconds before each turn, in which threads of the one before stop looking for work

# Settings of PyTorch: what a table calls them, and the arguments that a contestant takes.  "kept": its process keeps the memory that it
# frees, as pydml's does; PyTorch as it is installed gives it back and has the system clear new pages in each step.
PEERS: dict[str, tuple[str, dict[str, bool]]] = {
    "eager": ("PyTorch eager", {}),
    "channels_last": ("PyTorch channels_last", {"channels_last": True}),
    "compiled": ("PyTorch compiled", {"compiled": True}),
    "eager_kept": ("PyTorch eager, memory kept", {"keep": True}),
    "channels_last_kept": ("PyTorch channels_last, memory kept", {"channels_last": True, "keep": True}),
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


class Elsewhere:
    """A contestant in a process of its own, which lives as long as the `with` block.

    make: called there once, with the arguments, returns the action that is timed; all of them can be pickled.
    """

    def __init__(self, make: Callable[..., Callable[[], Any]], *arguments: Any, **more: Any):
        self.make, self.arguments, self.more = make, arguments, more

    def __enter__(self) -> Elsewhere:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, self.make, self.arguments, self.more), daemon=True)
        self.process.start()
        theirs.close()
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()
        self.process.join(10)
        self.process.kill()

    def turn(self) -> tuple[float, float, Any]:
        """Wall and processor seconds of one call there, and what it returned."""
        self.connection.send(None)
        try:
            return self.connection.recv()
        except EOFError:
            raise SystemExit("the process of a contestant ended, see above") from None


def _serve(connection: Connection, make: Callable[..., Callable[[], Any]], arguments: Any, more: Any) -> None:
    action = make(*arguments, **more)
    while True:
        try:
            connection.recv()
        except EOFError:
            return
        time.sleep(PAUSE)
        wall, cpu = time.perf_counter(), processor_time()
        result = action()
        connection.send((time.perf_counter() - wall, processor_time() - cpu, result))


class Times:
    """Seconds of one contestant: of each round by both clocks, and of the first call, which compiles and warms up."""

    def __init__(self) -> None:
        self.wall: list[float] = []
        self.cpu: list[float] = []
        self.first = 0.0
        self.result: Any = None  # of the first call

    def take(self, contestant: Elsewhere) -> None:
        wall, cpu, result = contestant.turn()
        if not self.first:
            self.first, self.result = wall, result
        else:
            self.wall.append(wall)
            self.cpu.append(cpu)


def in_turn(contestants: dict[str, Elsewhere], rounds: int, seconds: float = 60.0) -> dict[str, Times]:
    """Call each contestant once to warm up, then all in turn, at least twice and until the rounds or the time are over."""
    times = {name: Times() for name in contestants}
    with ExitStack() as stack:
        for contestant in contestants.values():
            stack.enter_context(contestant)
        for name, contestant in contestants.items():
            times[name].take(contestant)
        start = time.perf_counter()
        for i in range(max(rounds, 1)):
            if i >= 2 and time.perf_counter() - start > seconds:
                break
            for name, contestant in contestants.items():
                times[name].take(contestant)
    return times


def in_turn_with_script(
    training: Any, peers: dict[str, Elsewhere], rounds: int, seconds: float = 60.0
) -> dict[str, Times]:
    """The same for a script in this process that passes control on after its steps (`contestants.Training`), as "pydml", and peers."""
    times = {name: Times() for name in ["pydml", *peers]}
    mine = times["pydml"]
    with ExitStack() as stack:
        for name, peer in peers.items():
            stack.enter_context(peer)
            times[name].take(peer)
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
                for name, peer in peers.items():
                    times[name].take(peer)
            if len(mine.wall) >= rounds or (len(mine.wall) >= 2 and time.perf_counter() - measuring > seconds):
                return False
            if peers:
                time.sleep(PAUSE)
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
