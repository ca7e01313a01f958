"""How long it takes until something happens: pydml and SystemDS from the command to the end.  See README.md.

    python benchmarks/start/run.py --systemds FOLDER
    python benchmarks/start/run.py --quick

`hello` prints a line.  `AlexNet, first operation` compiles the training script of AlexNet with all that it imports and stops at its
first operation; `cold` without the caches of parsed and compiled code.  Whole processes, in turns, the shortest of several.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import processes

HELLO = 'print("hello")\n'
ALEXNET = """source("nn/networks/alexnet.dml") as alexnet
print("first")
if ($go == 1) {
  [model, emas] = alexnet::init_with_bn(3, 224, 224, 1000, 7)
  state = alexnet::init_lars_optim_params(model)
  print(length(model) + length(state))
}
"""


def seconds(command: list[str], folder: Path, environment: dict[str, str]) -> tuple[float, float]:
    """Until the first line of output, and until the end."""
    start = time.perf_counter()
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        first = time.perf_counter() - start
        rest = process.stdout.read()
    if process.returncode or not line or b"An Error Occurred" in rest:
        raise SystemExit(f"{' '.join(command)} failed")
    return first, time.perf_counter() - start


def main(arguments: list[str] | None = None) -> None:
    options = processes.arguments(__doc__).parse_args(arguments)
    rounds = 2 if options.quick else max(options.rounds, 5)
    rows = []
    print(processes.HEADER)
    with tempfile.TemporaryDirectory() as own:
        folder = Path(own)
        (folder / "hello.dml").write_text(HELLO)
        (folder / "alexnet.dml").write_text(ALEXNET)
        (folder / "nn").symlink_to(processes.ROOT / "scripts" / "nn")
        for case, script, cold in (
            ("hello", "hello.dml", False),
            ("AlexNet, first operation, warm", "alexnet.dml", False),
            ("AlexNet, first operation, cold", "alexnet.dml", True),
        ):
            if not processes.chosen(case, options):
                continue
            parameters = ["-nvargs", "go=0"] if script == "alexnet.dml" else []
            ours, theirs = [], []
            environment = {**processes.our_environment(), "XDG_CACHE_HOME": f"{own}/cache"}
            command = [sys.executable, "-m", "pydml", str(folder / script), *parameters]
            for i in range(rounds + 1):
                if cold:
                    environment["XDG_CACHE_HOME"] = f"{own}/cache{i}"
                elapsed = seconds(command, folder, environment)
                if i or cold:  # the first run fills the caches
                    ours.append(elapsed[0])
                if options.systemds and not cold:
                    other = processes.systemds_command(options.systemds, options.heap, folder / script, parameters)
                    theirs.append(seconds(other, folder, dict(os.environ))[0])
            if not theirs:
                print(f"| {case} | {min(ours):.3g} | | | |", flush=True)
                continue
            rows.append(processes.row("start", case, "SystemDS", min(ours), min(theirs)))
            print(processes.line(rows[-1]), flush=True)
    processes.finish(rows, options)


if __name__ == "__main__":
    main()
