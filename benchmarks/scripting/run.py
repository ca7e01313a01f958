"""Programs that live in the interpreter: scalar loops, small matrices, recursion, strings.  See README.md.

    python benchmarks/scripting/run.py --systemds FOLDER
    python benchmarks/scripting/run.py --quick

Each program runs in pydml, in SystemDS (the same DML) and as plain Python with NumPy, written by hand.  A program times itself by time() or
perf_counter(), several times in one process; what counts is the shortest time of the second half.
"""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import processes


@dataclass(frozen=True)
class Program:
    """dml: assigns `result`, python: likewise; functions come before.  `N` is replaced by the size."""

    dml: str
    python: str
    size: int
    dml_functions: str = ""
    python_functions: str = ""


PROGRAMS = {
    "scalar loop": Program(
        "s = 0.0\nfor (i in 1:N) { s = s + i * 2.0 - (i %% 3) }\nresult = s",
        "s = 0.0\nfor i in range(1, N + 1):\n    s = s + i * 2.0 - i % 3\nresult = s",
        1_000_000,
    ),
    "scalar loop with conditions": Program(
        "s = 0\nx = 1\nwhile (x < N) {\n  if (x %% 2 == 0) { s = s + x %/% 2 } else { s = s - 3 * x + 1 }\n  x = x + 1\n}\nresult = s",
        "s = 0\nx = 1\nwhile x < N:\n    if x % 2 == 0:\n        s = s + x // 2\n    else:\n        s = s - 3 * x + 1\n    x = x + 1\nresult = s",
        500_000,
    ),
    "Newton's method with functions of numbers": Program(
        "s = 0.0\nfor (i in 1:N) {\n  x = 1.0\n  for (k in 1:5) { x = 0.5 * (x + i / x) }\n  s = s + abs(x) + exp(-x)\n}\nresult = s",
        "s = 0.0\nfor i in range(1, N + 1):\n    x = 1.0\n    for k in range(5):\n        x = 0.5 * (x + i / x)\n    s = s + abs(x) + math.exp(-x)\nresult = s",
        50_000,
    ),
    "small matrices: 10 x 10 product, scale, add": Program(
        "A = matrix(0.01, 10, 10)\nB = matrix(1, 10, 10)\nfor (i in 1:N) { B = (A %*% B) * 0.5 + 1 }\nresult = sum(B)",
        "A = np.full((10, 10), 0.01)\nB = np.ones((10, 10))\nfor i in range(N):\n    B = (A @ B) * 0.5 + 1\nresult = B.sum()",
        50_000,
    ),
    "small matrices: power iteration of 20 x 20": Program(
        "A = matrix(seq(1, 400), 20, 20) / 400\nv = matrix(1, 20, 1)\nfor (i in 1:N) {\n  w = A %*% v\n  v = w / sqrt(sum(w ^ 2))\n}\nresult = sum(v)",
        "A = np.arange(1.0, 401).reshape(20, 20) / 400\nv = np.ones((20, 1))\nfor i in range(N):\n    w = A @ v\n    v = w / math.sqrt((w**2).sum())\nresult = v.sum()",
        20_000,
    ),
    "cells of a small matrix": Program(
        "X = matrix(0, 30, 30)\nfor (k in 1:N) {\n  for (i in 2:30) {\n    for (j in 2:30) { X[i,j] = as.scalar(X[i - 1,j]) * 0.5 + as.scalar(X[i,j - 1]) * 0.25 + i }\n  }\n}\nresult = sum(X)",
        "X = np.zeros((30, 30))\nfor k in range(N):\n    for i in range(1, 30):\n        for j in range(1, 30):\n            X[i, j] = X[i - 1, j] * 0.5 + X[i, j - 1] * 0.25 + i + 1\nresult = X.sum()",
        30,
    ),
    "recursion: fib": Program(
        "result = fib(N)",
        "result = fib(N)",
        20,
        "fib = function(int n) return (int f) {\n  if (n < 2) { f = n } else { f = fib(n - 1) + fib(n - 2) }\n}\n",
        "def fib(n):\n    if n < 2:\n        f = n\n    else:\n        f = fib(n - 1) + fib(n - 2)\n    return f\n",
    ),
    "calls of a function that is not inlined": Program(
        "s = 0.0\nfor (i in 1:N) {\n  [a, b] = both(i, 3)\n  s = s + a - b\n}\nresult = s",
        "s = 0.0\nfor i in range(1, N + 1):\n    a, b = both(i, 3)\n    s = s + a - b\nresult = s",
        100_000,
        "both = function(double x, int n) return (double a, double b) {\n  a = x\n  b = 0.0\n  for (k in 1:n) { a = a * 0.5 + k }\n  if (a > 2) { b = a - 1 } else { b = a + 1 }\n}\n",
        "def both(x, n):\n    a = float(x)\n    b = 0.0\n    for k in range(1, n + 1):\n        a = a * 0.5 + k\n    if a > 2:\n        b = a - 1\n    else:\n        b = a + 1\n    return a, b\n",
    ),
    "string building": Program(
        's = ""\nfor (i in 1:N) { s = s + i + ";" }\nresult = s == ""',
        's = ""\nfor i in range(1, N + 1):\n    s += str(i) + ";"\nresult = s == ""',
        20_000,
    ),
    "lists: append and read": Program(
        "l = list()\nfor (i in 1:N) { l = append(l, i) }\ns = 0.0\nfor (i in 1:N) { s = s + as.scalar(l[i]) }\nresult = s",
        "l = []\nfor i in range(1, N + 1):\n    l.append(i)\ns = 0.0\nfor i in range(N):\n    s = s + l[i]\nresult = s",
        2_000,
    ),
}  # fmt: skip


def dml(program: Program, size: int, repeats: int) -> str:
    body = program.dml.replace("N", str(size))
    return f"""{program.dml_functions}
for (round in 1:{repeats}) {{
  t0 = time()
  if (round > 0) {{
{body}
  }}
  t1 = time()
  print("seconds " + (t1 - t0) / 1000000000.0)
}}
print("result " + result)
"""


def python(program: Program, size: int, repeats: int) -> str:
    body = "\n".join("    " + line for line in program.python.replace("N", str(size)).splitlines())
    return f"""import math
import time
import numpy as np
{program.python_functions}
def run():
{body}
    return result
for _ in range({repeats}):
    start = time.perf_counter()
    result = run()
    print("seconds", time.perf_counter() - start)
print("result", result)
"""


def main(arguments: list[str] | None = None) -> None:
    options = processes.arguments(__doc__).parse_args(arguments)
    rows = []
    print(processes.HEADER)
    for name, program in PROGRAMS.items():
        if not processes.chosen(name, options):
            continue
        size = max(program.size // 100, 10) if options.quick else program.size
        repeats = 2 if options.quick else 12
        with tempfile.TemporaryDirectory() as own:
            folder = Path(own)
            by_hand = processes.Times()
            script = folder / "by_hand.py"
            script.write_text(python(program, size, repeats))
            ours, theirs = processes.in_turn(dml(program, size, repeats), options, folder)
            for _ in ours.wall:
                processes.run([sys.executable, str(script)], folder, by_hand, dict(os.environ))
        check(name, ours.output, by_hand.output)
        found = [processes.row("scripting", name, "Python by hand", ours.best(), by_hand.best())]
        if theirs is not None:
            found.append(
                processes.row(
                    "scripting",
                    name,
                    "SystemDS",
                    ours.best(),
                    theirs.best(),
                    ours_first_s=ours.first(),
                    peer_first_s=theirs.first(),
                )
            )
        rows += found
        for row in found:
            print(processes.line(row), flush=True)
    processes.finish(rows, options)


def check(name: str, ours: str, by_hand: str) -> None:
    """Both must have computed the same."""
    a, b = (text.rpartition("result ")[2].strip() for text in (ours, by_hand))
    same = a.lower() == b.lower() or abs(float(a) - float(b)) <= 1e-9 * abs(float(b))
    if not same:
        raise SystemExit(f"{name}: pydml computed {a}, Python {b}")


if __name__ == "__main__":
    main()
