"""Eight algorithms on data in the size of an afternoon: pydml against SystemDS, whole processes.  See README.md.

    python benchmarks/algorithms/run.py --systemds FOLDER
    python benchmarks/algorithms/run.py --systemds FOLDER --only "dense, l2svm"
    python benchmarks/algorithms/run.py --quick

Both run the same DML script: it makes the data by rand() and calls the builtin by name, which is pydml's own in scripts/builtin and
SystemDS's in its jar.  What counts is the wall time of the process, with its start and compilation; the time of the call alone is kept
beside it (ours_call_s, peer_call_s), and so is the processor time of the process (cpu_ratio), which other work on the
machine disturbs least.  Random numbers differ, so each side has data of its own with the same distribution; the number of iterations is
fixed where a stopping rule could make one side work longer.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import processes

# name: (call, what is printed at the end)
CALLS = {
    "lm": ("B = lm(X=X, y=y, icpt=1, reg=0.001, verbose=FALSE)", "sum(B)"),
    "lmCG": ("B = lmCG(X=X, y=y, icpt=0, reg=0.001, tol=1e-12, maxi=20, verbose=FALSE)", "sum(B)"),
    "glm": ("B = glm(X=X, Y=c - 1, dfam=2, icpt=1, reg=1, moi=5, mii=5, verbose=FALSE)", "sum(B)"),
    "multiLogReg": ("B = multiLogReg(X=X, Y=c3, icpt=1, reg=1, maxi=5, maxii=5, verbose=FALSE)", "sum(B)"),
    "l2svm": ("B = l2svm(X=X, Y=2 * c - 3, reg=1, epsilon=1e-12, maxIterations=10)", "sum(B)"),
    "kmeans": ("[B, Y] = kmeans(X=X, k=10, runs=1, max_iter=10, eps=1e-3, seed=7)", "sum(B)"),
    "pca": ("[R, B, m, s] = pca(X=X, K=10)", "sum(R ^ 2)"),
    "als": ("[U, B] = als(X=X, rank=10, maxi=2, check=FALSE, verbose=FALSE)", "sum(B)"),
    "naiveBayes": ("[p, B] = naiveBayes(D=abs(X), C=c3, verbose=FALSE)", "sum(B)"),
}


def script(call: str, result: str, rows: int, cols: int, share: float) -> str:
    sparsity = f", sparsity={share}" if share < 1 else ""
    return f"""X = rand(rows={rows}, cols={cols}, min=-1, max=1{sparsity}, seed=1)
w = rand(rows={cols}, cols=1, min=-1, max=1, seed=2)
y = X %*% w + 0.1 * rand(rows={rows}, cols=1, min=-1, max=1, seed=3)
c = (y > 0) + 1
c3 = (y > -0.2) + (y > 0.2) + 1
t0 = time()
if (nrow(X) > 0) {{
  {call}
}}
t1 = time()
print("seconds " + (t1 - t0) / 1000000000.0)
print("result " + {result})
"""


def main(arguments: list[str] | None = None) -> None:
    options = processes.arguments(__doc__).parse_args(arguments)
    data = {
        "dense, 1000 x 20": (1000, 20, 1.0),
        "sparse, 2000 x 50": (2000, 50, 0.05),
    } if options.quick else {
        "dense, 10^5 x 100": (100_000, 100, 1.0),
        "sparse, 10^6 x 1000 at 1 %": (1_000_000, 1000, 0.01),
    }  # fmt: skip
    rows = []
    print(processes.HEADER)
    with tempfile.TemporaryDirectory() as own:
        for kind, (n, m, share) in data.items():
            for name, (call, result) in CALLS.items():
                case = f"{kind}, {name}"
                if not processes.chosen(case.replace(", ", " "), options) and not processes.chosen(case, options):
                    continue
                text = script(call, result, n, m, share)
                ours, theirs = processes.in_turn(text, options, Path(own))
                if theirs is None:
                    print(f"| {case} | {min(ours.wall):.3g} | | | |", flush=True)
                    continue
                found = processes.row(
                    "algorithms", case, "SystemDS", min(ours.wall), min(theirs.wall),
                    ours_call_s=ours.best(), peer_call_s=theirs.best(),
                    cpu_ratio=min(theirs.cpu) / min(ours.cpu), ours_cpu_s=min(ours.cpu), peer_cpu_s=min(theirs.cpu),
                )  # fmt: skip
                rows.append(found)
                processes.save(rows, options)
                print(processes.line(found), flush=True)
    processes.finish(rows, options)


if __name__ == "__main__":
    main()
