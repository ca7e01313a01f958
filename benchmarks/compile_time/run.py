"""Seconds of Numba compilation on a machine that never ran the job, and with the compiled code on disk.  See README.md.

python benchmarks/compile_time/run.py
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[1] / "networks"), str(HERE.parents[2])]

import measure  # noqa: E402

CASES = {
    "alexnet single": ("alexnet", "single"),
    "resnet50 single": ("resnet50", "single"),
    "lenet double": ("lenet", "double"),
}


def child(name, precision, details):
    """Two training steps of a small batch of full-size images; prints processor seconds and seconds of all compilations."""
    import time

    from contestants import Network

    from pydml.backends.cpu import jit

    compile_one, kernels = jit._compile, []

    def counted(signature, function, written_out):
        start, began = measure.processor_time(), time.perf_counter()
        kernel = compile_one(signature, function, written_out)
        kernels.append((measure.processor_time() - start, time.perf_counter() - began, function.__qualname__))
        return kernel

    jit._compile = counted
    network = Network.__new__(Network)
    network.name, network.batch, network.precision, network.threads = name, 64 if name == "lenet" else 16, precision, 2
    network.size, network.classes = (28, 10) if name == "lenet" else (224, 1000)
    left = iter(range(2))
    network.ours().run(lambda: next(left, None) is not None)
    if details:
        for cpu, wall, what in sorted(kernels, reverse=True):
            print(f"{cpu:7.2f} {wall:7.2f}  {what}", file=sys.stderr)
    print(sum(k[0] for k in kernels), sum(k[1] for k in kernels), len(kernels))


def measured(case, folder, details):
    environment = os.environ | {"PYDML_CACHE_DIR": folder}
    command = [sys.executable, str(HERE), *(["--details"] if details else []), "--child", *case]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    cpu, wall, count = result.stdout.split()[-3:]
    return float(cpu), float(wall), int(count)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--quick", action="store_true", help="the smallest network alone")
    parser.add_argument("--details", action="store_true", help="seconds of each kernel, on the error output")
    parser.add_argument("--json", help="write the rows to this file")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        return child(*options.child, options.details)
    found = []
    print("| job | kernels | compiled, processor s | compiled, s | from disk, s |\n|---|---|---|---|---|")
    for name, case in CASES.items():
        if options.only in name and not (options.quick and case[0] != "lenet"):
            with tempfile.TemporaryDirectory() as folder:
                cpu, wall, count = measured(case, folder, options.details)
                _, warm, _ = measured(case, folder, False)
            found.append(
                {
                    "suite": "compile_time",
                    "case": name,
                    "peer": "20 s of processor time",
                    "ratio": 20 / cpu,
                    "ours_s": cpu,
                    "peer_s": 20,
                    "ours_wall_s": wall,
                    "from_disk_s": warm,
                    "kernels": count,
                }
            )
            print(f"| {name} | {count} | {cpu:.1f} | {wall:.1f} | {warm:.2f} |", flush=True)
    measure.write(options.json, found)


if __name__ == "__main__":
    main()
