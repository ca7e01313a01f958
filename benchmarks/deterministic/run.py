"""What `--deterministic` costs: decompositions on all threads and on one.  See README.md.

python benchmarks/deterministic/run.py
python benchmarks/deterministic/run.py --quick
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import processes

# name: (matrix of n x n, operation)
SQUARE = "X = rand(rows={n}, cols={n}, min=-1, max=1, seed=7)\n"
POSITIVE = SQUARE + "X = X %*% t(X) + diag(matrix(1, {n}, 1))\n"
CASES = {
    "solve": (SQUARE, "Z = solve(X, X[, 1])"),
    "inv": (SQUARE, "Z = inv(X)"),
    "det": (SQUARE, "Z = as.matrix(det(X))"),
    "cholesky": (POSITIVE, "Z = cholesky(X)"),
    "lu": (SQUARE, "[P, L, Z] = lu(X)"),
    "qr": (SQUARE, "[H, Z] = qr(X)"),
    "eigen": (POSITIVE, "[Z, V] = eigen(X)"),
    "svd": (SQUARE, "[U, Z, V] = svd(X)"),
    "X %*% X": (SQUARE, "Z = X %*% X"),
}
REPEATS = 5


def script(case: tuple[str, str], n: int) -> str:
    setup, operation = case
    return f"""{setup.format(n=n)}
for (r in 1:{REPEATS}) {{
  X[1, 1] = X[1, 1] + r / 1000
  start = time()
  {operation}
  print("check " + as.scalar(Z[1, 1]))
  print("seconds " + (time() - start) / 1000000000.0)
}}
"""


def main(arguments: list[str] | None = None) -> None:
    options = processes.arguments(__doc__).parse_args(arguments)
    rows = []
    print(processes.HEADER)
    with tempfile.TemporaryDirectory() as folder:
        for name, case in CASES.items():
            if not processes.chosen(name, options):
                continue
            n = 100 if options.quick else 500 if name in ("eigen", "svd") else 1500
            file = Path(folder, "case.dml")
            file.write_text(script(case, n))
            times = processes.Times(), processes.Times()
            for _ in range(1 if options.quick else options.rounds):
                processes.run_pydml(file, Path(folder), times[0])
                processes.run_pydml(file, Path(folder), times[1], options=("--deterministic",))
            found = processes.row(
                "deterministic", f"{name}, {n} x {n}", "pydml --deterministic", times[0].best(), times[1].best()
            )
            rows.append(found)
            print(processes.line(found), flush=True)
    processes.finish(rows, options)


if __name__ == "__main__":
    main()
