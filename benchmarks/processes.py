"""DML scripts timed in processes of pydml and of SystemDS that take turns; used by the suites that compare these two.

A script prints lines `seconds X` for what it timed by time(), so neither start nor compilation counts there; the wall time of the whole
process is kept too.  SystemDS is a folder with SystemDS.jar and lib/ (the Python package `systemds`, or a release), given by --systemds or
by the environment variable PYDML_ORACLE.  Without it only pydml runs, and no rows are written.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TIMEOUT = 900  # seconds of a process


class Failed(Exception):
    """A process ended with an error."""


@dataclass
class Times:
    """Of one contestant and case: seconds that each process printed, and wall and processor seconds of each process."""

    printed: list[list[float]] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)  # processor time of each process, all threads
    output: str = ""

    def best(self) -> float:
        """The shortest of the second half of each process, when it is warm: other work on the machine only adds."""
        return min(min(one[len(one) // 2 :]) for one in self.printed)

    def first(self) -> float:
        return statistics.median(one[0] for one in self.printed)


def arguments(doc: str | None, **more: Any) -> argparse.ArgumentParser:
    """The options that all suites have."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systemds", default=os.environ.get("PYDML_ORACLE"), help="folder of SystemDS.jar and lib/")
    parser.add_argument(
        "--quick", action="store_true", help="small sizes and few repetitions, to see that all of it runs"
    )
    parser.add_argument("--json", metavar="FILE", help="write the rows to FILE")
    parser.add_argument("--only", default="", help="only cases whose name contains one of these, with commas")
    parser.add_argument("--rounds", type=int, default=2, help="processes of each contestant for a case")
    parser.add_argument("--heap", default="6g", help="largest heap of the JVM")
    return parser


def chosen(name: str, options: argparse.Namespace) -> bool:
    """Whether --only names a case."""
    return any(part.strip() in name for part in options.only.split(","))


def our_environment() -> dict[str, str]:
    """Of processes of pydml, whose modules are compiled once, as those of an installed package are."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


def run_pydml(script: Path, folder: Path, times: Times, *parameters: str, options: tuple[str, ...] = ()) -> None:
    """options: of the command line."""
    command = [sys.executable, "-m", "pydml", *options, str(script)]
    environment = our_environment()
    run([*command, *_nvargs(parameters)], folder, times, environment)


def systemds_command(systemds: str, heap: str, script: Path, parameters: list[str]) -> list[str]:
    jars = sorted(Path(systemds).rglob("SystemDS.jar")) or sorted(Path(systemds).rglob("systemds-*.jar"))
    if not jars:
        raise SystemExit(f"there is no SystemDS.jar in {systemds}")
    libraries = next((str(p) for p in sorted(Path(systemds).rglob("lib")) if any(p.glob("*.jar"))), "")
    classpath = os.pathsep.join([str(jars[0]), os.path.join(libraries, "*")])
    command = ["java", f"-Xmx{heap}", "-Xms1g", "--add-modules=jdk.incubator.vector", "-cp", classpath]
    return [*command, "org.apache.sysds.api.DMLScript", "-exec", "singlenode", "-f", str(script), *parameters]


def run_systemds(systemds: str, heap: str, script: Path, folder: Path, times: Times, *parameters: str) -> None:
    run(systemds_command(systemds, heap, script, _nvargs(parameters)), folder, times, dict(os.environ))


def _nvargs(parameters: tuple[str, ...]) -> list[str]:
    return ["-nvargs", *parameters] if parameters else []


def run(command: list[str], folder: Path, times: Times, environment: dict[str, str]) -> None:
    before, start = _processor_time(), time.perf_counter()
    try:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        raise Failed(f"{' '.join(command)} took more than {TIMEOUT} s") from None
    times.wall.append(time.perf_counter() - start)
    times.cpu.append(_processor_time() - before)
    times.output = done.stdout
    if done.returncode or "An Error Occurred" in done.stdout:
        raise Failed(f"{' '.join(command)} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    times.printed.append([float(s) for s in re.findall(r"^seconds (\S+)", done.stdout, re.M)])


def _processor_time() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def in_turn(text: str, options: argparse.Namespace, folder: Path, *parameters: str) -> tuple[Times, Times | None]:
    """Run a DML script in processes of pydml and of SystemDS, A B A B; the second is None without SystemDS,
    or where it fails."""
    ours, theirs = Times(), Times()
    with tempfile.TemporaryDirectory() as own:
        script = Path(own, "case.dml")
        script.write_text(text)
        for _ in range(1 if options.quick else options.rounds):
            run_pydml(script, folder, ours, *parameters)
            if options.systemds:
                try:
                    run_systemds(options.systemds, options.heap, script, folder, theirs, *parameters)
                except Failed as error:  # said, and left out of the rows
                    print(f"SystemDS: {error}", file=sys.stderr)
    return ours, theirs if theirs.printed else None


HEADER = "| case | pydml, s | peer | peer, s | ratio |\n|---|---|---|---|---|"


def row(suite: str, case: str, peer: str, ours_s: float, peer_s: float, **more: Any) -> dict[str, Any]:
    return {
        "suite": suite,
        "case": case,
        "peer": peer,
        "ratio": peer_s / ours_s,
        "ours_s": ours_s,
        "peer_s": peer_s,
        **more,
    }


def line(row: dict[str, Any]) -> str:
    slower = " **slower**" if row["ratio"] < 1 else ""
    if "cpu_ratio" in row:
        slower += f" (processor time {row['cpu_ratio']:.2f})"
    return f"| {row['case']} | {row['ours_s']:.3g} | {row['peer']} | {row['peer_s']:.3g} | {row['ratio']:.2f}{slower} |"


def geometric_mean(rows: list[dict[str, Any]]) -> float:
    return math.exp(statistics.fmean(math.log(r["ratio"]) for r in rows)) if rows else math.nan


def finish(rows: list[dict[str, Any]], options: argparse.Namespace) -> None:
    """Print the geometric mean of the ratios for each peer, and write the rows."""
    for peer in dict.fromkeys(r["peer"] for r in rows):
        some = [r for r in rows if r["peer"] == peer]
        worst = min(some, key=lambda r: r["ratio"])
        print(
            f"\nagainst {peer}: geometric mean {geometric_mean(some):.2f} of {len(some)} cases, "
            f"least {worst['ratio']:.2f} ({worst['case']})"
        )
    save(rows, options)


def save(rows: list[dict[str, Any]], options: argparse.Namespace) -> None:
    """Write the rows so far."""
    if options.json:
        Path(options.json).write_text(json.dumps(rows, indent=1) + "\n")
