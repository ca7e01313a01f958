"""Runs all suites and writes their results, losses too, into benchmarks/README.md.

    python benchmarks/run_all.py --systemds FOLDER              everything; takes hours on a machine that is otherwise idle
    python benchmarks/run_all.py --systemds FOLDER --suites linear_algebra,start
    python benchmarks/run_all.py --suites train_step --only resnet50    these cases again; the others' rows stay
    python benchmarks/run_all.py --quick                        small sizes: whether all of it runs; writes nothing

Each suite is `<suite>/run.py`; it writes rows {suite, case, peer, ratio, ours_s, peer_s} to a file of its own in results/, which stays
there until the suite runs again.  README.md is made of all of them.  Suites whose peers are not installed write no rows.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
START, END = "<!-- results -->", "<!-- end of results -->"


def suites() -> list[str]:
    return sorted(p.parent.name for p in HERE.glob("*/run.py"))


def machine() -> dict[str, Any]:
    """What the numbers depend on."""
    model = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [
            line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    versions = []
    for name in ("numpy", "scipy", "numba", "torch"):
        try:
            from importlib.metadata import version

            versions.append(f"{name} {version(name)}")
        except ModuleNotFoundError:
            pass
    return {
        "date": datetime.date.today().isoformat(),
        "processor": f"{model}, {len(os.sched_getaffinity(0))} cores",
        "load": round(os.getloadavg()[2], 1),
        "software": f"Python {platform.python_version()}, " + ", ".join(versions),
    }


def run(suite: str, options: argparse.Namespace, extra: list[str]) -> bool:
    """Run a suite; True if it ended well."""
    RESULTS.mkdir(exist_ok=True)
    target = RESULTS / f"{suite}.json"
    command = [sys.executable, str(HERE / suite / "run.py"), *extra]
    if options.systemds and takes(suite, "--systemds"):
        command += ["--systemds", options.systemds]
    if options.quick:
        command.append("--quick")
    else:
        command += ["--json", str(RESULTS / "new.json")]
    print(f"== {suite}", flush=True)
    start, load = time.time(), os.getloadavg()[2]
    code = subprocess.run(command).returncode
    new = RESULTS / "new.json"
    if not options.quick and code == 0 and new.is_file():
        rows = json.loads(new.read_text())
        if "--only" in extra and target.is_file():
            rows = merged(json.loads(target.read_text())["rows"], rows)
        record = {
            "machine": {**machine(), "load": round(load, 1)},
            "minutes": round((time.time() - start) / 60),
            "rows": rows,
        }
        target.write_text(json.dumps(record, indent=1) + "\n")
        new.unlink()
    return code == 0


def merged(before: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a suite of which some cases were measured again, perhaps with some of the peers."""
    again = {(r["case"], r["peer"]): r for r in new}
    rows = {(r["case"], r["peer"]): r for r in before} | again
    cases = list(dict.fromkeys(r["case"] for r in [*before, *new]))
    return sorted(rows.values(), key=lambda r: cases.index(r["case"]))


def takes(suite: str, option: str) -> bool:
    """Whether a suite has an option; those without SystemDS as a peer do not take its folder."""
    text = (HERE / suite / "run.py").read_text()
    return option in text or "processes.arguments" in text


def summary() -> str:
    """The results of all suites as Markdown."""
    parts = []
    for path in sorted(RESULTS.glob("*.json")):
        record = json.loads(path.read_text())
        rows = [r for r in record["rows"] if r.get("ratio")]
        if not rows:
            continue
        about = record["machine"]
        parts.append(f"## {path.stem}\n")
        parts.append(
            f"{about['date']}; {about['processor']}; load before the start {about['load']}; {about['software']}.  How: "
            f"[{path.stem}/README.md]({path.stem}/README.md).\n"
        )
        for peer in dict.fromkeys(r["peer"] for r in rows):
            some = [r for r in rows if r["peer"] == peer]
            mean = math.exp(statistics.fmean(math.log(r["ratio"]) for r in some))
            losses = sum(r["ratio"] < 1 for r in some)
            parts.append(f"Against {peer}: {len(some)} cases, geometric mean {mean:.2f}, slower in {losses}.\n")
        cpu = any(r.get("cpu_ratio") for r in rows)
        unit = "MiB" if "ours_mib" in rows[0] else "s"
        head = f"| case | pydml, {unit} | peer | peer, {unit} | ratio |"
        parts.append(head + (" of processor time |" if cpu else ""))
        parts.append("|---|---|---|---|---|" + ("---|" if cpu else ""))
        for r in rows:
            ratio = f"{r['ratio']:.2f}" if r["ratio"] >= 1 else f"**{r['ratio']:.2f}**"
            ours, theirs = (number(r[f"{side}_{unit.lower()}"]) for side in ("ours", "peer"))
            line = f"| {r['case']} | {ours} | {r['peer']} | {theirs} | {ratio} |"
            parts.append(line + (f" {r['cpu_ratio']:.2f} |" if r.get("cpu_ratio") else " |" if cpu else ""))
        parts.append("")
    return "\n".join(parts)


def number(value: float) -> str:
    """With three digits, without an exponent where it is large."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def write_readme() -> None:
    readme = HERE / "README.md"
    text = readme.read_text()
    before, _, rest = text.partition(START)
    after = rest.partition(END)[2]
    readme.write_text(f"{before}{START}\n\n{summary()}\n{END}{after}")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systemds", default=os.environ.get("PYDML_ORACLE"), help="folder of SystemDS.jar and lib/")
    parser.add_argument("--suites", default="", help="names with commas; all by default")
    parser.add_argument("--quick", action="store_true", help="small sizes; write nothing")
    parser.add_argument(
        "--summary", action="store_true", help="run nothing, only write README.md from the results that are there"
    )
    options, extra = parser.parse_known_args(arguments)
    wanted = [s for s in options.suites.split(",") if s] or suites()
    unknown = [s for s in wanted if s not in suites()]
    if unknown:
        parser.error(f"there is no suite {', '.join(unknown)}; there are {', '.join(suites())}")
    failed = [] if options.summary else [suite for suite in wanted if not run(suite, options, extra)]
    if not options.quick:
        write_readme()
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
