"""Single operations of linear algebra: pydml against SystemDS, both running the same DML script.  See README.md.

    python benchmarks/linear_algebra/run.py --systemds FOLDER
    python benchmarks/linear_algebra/run.py --quick
    python benchmarks/linear_algebra/run.py --systemds FOLDER --only sparse

Each case runs in a process of its own, in turns.  In it the operation runs `repeats` times, timed by DML's time(); what counts is the
shortest time of the second half, when the JVM has compiled its code.  Before each repetition an input changes, so that neither side
may keep the result.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import processes


@dataclass(frozen=True)
class Case:
    """body: what is timed; it assigns Z.  setup: what comes before.  vary: changes an input before each repetition."""

    body: str
    setup: str
    vary: str = "X[1,1] = r"
    repeats: int = 16


def dense(rows: int, cols: int, name: str = "X") -> str:
    return f"{name} = rand(rows={rows}, cols={cols}, min=-1, max=1, seed=7)\n"


def sparse(rows: int, cols: int, share: float, name: str = "S") -> str:
    return f"{name} = rand(rows={rows}, cols={cols}, sparsity={share}, seed=7)\n"


def cases(q: bool) -> dict[str, Case]:
    """q: for --quick, with a hundredth of the cells."""
    m, n = (300, 100) if q else (5000, 1000)  # 5 million cells
    tall = 1000 if q else 100_000
    k = 60 if q else 1000
    rows, cols = (2000, 100) if q else (100_000, 1000)
    few = 20 if q else 2000
    text = 50 if q else 2000
    X = dense(m, n)
    T = dense(tall, 100)
    K = dense(k, k)
    S = sparse(rows, cols, 0.01)
    v = dense(cols, 1, "v")
    vary_v = "v[1,1] = r"
    L = dense(100 * tall // 10, 1)
    factors = (
        sparse(rows // 5, cols, 0.01)
        + f"U = rand(rows={rows // 5}, cols=10, seed=1)\nV = rand(rows={cols}, cols=10, seed=2)\n"
    )
    return {
        "elementwise chain: X / (1 + exp(-(2X + 3)))": Case("Z = 1 / (1 + exp(-(X * 2 + 3))) * X", X),
        "elementwise, two matrices: (X + Y) * X - Y": Case("Z = (X + Y) * X - Y", X + dense(m, n, "Y")),
        "one operation: X + Y": Case("Z = X + Y", X + dense(m, n, "Y")),
        "row and column vectors: (X - colMeans) / rowSds": Case("Z = (X - u) / w", X + "u = colMeans(X)\nw = rowSds(X)\n"),
        "comparison and choice: ifelse(X > 0, X, 0.1 X)": Case("Z = ifelse(X > 0, X, 0.1 * X)", X),
        "max(X, 0)": Case("Z = max(X, 0)", X),
        "X ^ 2": Case("Z = X ^ 2", X),
        "sqrt(abs(X))": Case("Z = sqrt(abs(X))", X),
        "sum(X)": Case("Z = as.matrix(sum(X))", X),
        "sum(X * Y)": Case("Z = as.matrix(sum(X * Y))", X + dense(m, n, "Y")),
        "sum(X ^ 2)": Case("Z = as.matrix(sum(X ^ 2))", X),
        "max(X) - min(X)": Case("Z = as.matrix(max(X) - min(X))", X),
        "rowSums(X)": Case("Z = rowSums(X)", X),
        "rowSums of a narrow X": Case("Z = rowSums(X)", dense(10 * tall, 5)),
        "rowMaxs(X)": Case("Z = rowMaxs(X)", X),
        "rowIndexMax(X)": Case("Z = rowIndexMax(X)", X),
        "colSums(X)": Case("Z = colSums(X)", X),
        "colMeans of a narrow X": Case("Z = colMeans(X)", dense(10 * tall, 5)),
        "colSds(X)": Case("Z = colSds(X)", X),
        "colMaxs(X)": Case("Z = colMaxs(X)", X),
        "t(X) %*% X, tall": Case("Z = t(X) %*% X", T),
        "X %*% t(X)": Case("Z = X %*% t(X)", dense(k, 2 * k)),
        "t(X) %*% (X %*% v)": Case("Z = t(X) %*% (X %*% v)", T + dense(100, 1, "v"), "v[1,1] = r"),
        "t(X) %*% (w * (X %*% v))": Case(
            "Z = t(X) %*% (w * (X %*% v))", T + dense(100, 1, "v") + dense(tall, 1, "w"), "v[1,1] = r"
        ),
        "X %*% v": Case("Z = X %*% v", X + dense(n, 1, "v"), "v[1,1] = r"),
        "X %*% Y, square": Case("Z = X %*% Y", K + dense(k, k, "Y")),
        "t(X) %*% Y, tall": Case("Z = t(X) %*% Y", T + dense(tall, 10, "Y")),
        "sum(X %*% Y)": Case("Z = as.matrix(sum(X %*% Y))", K + dense(k, k, "Y")),
        "X %*% diag(v)": Case("Z = X %*% diag(v)", dense(2 * k, k) + dense(k, 1, "v"), "v[1,1] = r"),
        "trace(X %*% Y)": Case("Z = as.matrix(trace(X %*% Y))", K + dense(k, k, "Y")),
        "chain A %*% B %*% v": Case("Z = X %*% Y %*% v", K + dense(k, k, "Y") + dense(k, 1, "v")),
        "t(X), then + 1": Case("Z = t(X) + 1", X),
        "solve(A, b)": Case("Z = solve(X, y)", K + dense(k, 1, "y"), repeats=10),
        "inv(A)": Case("Z = inv(X)", dense(k // 2, k // 2), repeats=10),
        "cholesky(A)": Case("Z = cholesky(A)", K + "A = t(X) %*% X\n", "A[1,1] = A[1,1] + r", repeats=10),
        "eigen(A)": Case("[w, Z] = eigen(A)", dense(k // 5, k // 5) + "A = t(X) %*% X\n", "A[1,1] = A[1,1] + r", repeats=8),
        "sparse S %*% X": Case("Z = S %*% X", S + dense(cols, 10), repeats=20),
        "sparse S %*% v": Case("Z = S %*% v", S + v, vary_v, repeats=20),
        "sparse t(S) %*% w": Case("Z = t(S) %*% w", S + dense(rows, 1, "w"), "w[1,1] = r", repeats=20),
        "sparse t(S) %*% (S %*% v)": Case("Z = t(S) %*% (S %*% v)", S + v, vary_v, repeats=20),
        "sparse t(S) %*% (w * (S %*% v))": Case(
            "Z = t(S) %*% (w * (S %*% v))", S + v + dense(rows, 1, "w"), vary_v, repeats=20
        ),
        "sparse t(S) %*% S": Case("Z = t(S) %*% S", S, "S = S * 1.01", repeats=8),
        "sparse S * 2 and S ^ 2": Case("Z = (S * 2) ^ 2", S, "S = S * 1.01"),
        "sparse S * X": Case("Z = S * X", sparse(m, n, 0.01) + X),
        "sparse S + S": Case("Z = S + R", S + sparse(rows, cols, 0.01, "R").replace("seed=7", "seed=8"), "S = S * 1.01"),
        "sparse rowSums(S)": Case("Z = rowSums(S)", S, "S = S * 1.01"),
        "sparse colSums(S)": Case("Z = colSums(S)", S, "S = S * 1.01"),
        "sparse S != 0": Case("Z = S != 0", S, "S = S * 1.01"),
        "sparse cbind(S, ones)": Case("Z = cbind(S, o)", S + f"o = matrix(1, {rows}, 1)\n", "S = S * 1.01"),
        "sparse rows S[a:b,]": Case(f"Z = S[{rows // 4}:{rows // 2},]", S, "S = S * 1.01"),
        "round(X)": Case("Z = round(X * 10)", X),
        "xor of two conditions": Case("Z = xor(X > 0, Y > 0)", X + dense(m, n, "Y")),
        "sum(is.na(X))": Case("Z = as.matrix(sum(is.na(X)))", X),
        "prod(X)": Case("Z = as.matrix(prod(X))", X),
        "rowProds(X)": Case("Z = rowProds(X)", X),
        "diag(X %*% t(Y))": Case("Z = diag(X %*% t(Y))", K + dense(k, k, "Y")),
        "columns selected by a product": Case(
            f"Z = X %*% t(table(seq(1, {n // 2}), seq(2, {n}, 2), {n // 2}, {n}))", X
        ),
        "lower.tri with values": Case("Z = lower.tri(target=X, values=TRUE)", dense(2 * k, 2 * k)),
        "upper.tri with values": Case("Z = upper.tri(target=X, diag=TRUE, values=TRUE)", dense(2 * k, 2 * k)),
        "replace of a value that is not there": Case("Z = replace(target=X, pattern=0, replacement=5)", X),
        "seq of many values": Case(f"Z = seq(1, {m * n})", "X = matrix(0, 1, 1)\n"),
        "colProds of a narrow X": Case("Z = colProds(X)", dense(10 * tall, 5)),
        "cumsumprod": Case("Z = cumsumprod(X)", dense(10 * tall, 2)),
        "sparse S %*% t(S)": Case("Z = S %*% t(S)", sparse(few, 5 * k, 0.01), "S = S * 1.01"),
        "sparse colMaxs(S)": Case("Z = colMaxs(S)", S, "S = S * 1.01"),
        "sparse rowIndexMax(S)": Case("Z = rowIndexMax(S)", S, "S = S * 1.01"),
        "sparse cumsum(S)": Case("Z = cumsum(S)", sparse(rows // 5, cols // 2, 0.01), "S = S * 1.01"),
        "sparse sum((S != 0) * (S - U %*% t(V))^2)": Case(
            "Z = as.matrix(sum((S != 0) * (S - U %*% t(V))^2))", factors, "U[1,1] = r"
        ),
        "sparse sum(S * log(U %*% t(V) + 1))": Case(
            "Z = as.matrix(sum(S * log(U %*% t(V) + 1)))", factors, "U[1,1] = r"
        ),
        "sparse (S / (U %*% t(V) + 0.1)) %*% V": Case("Z = (S / (U %*% t(V) + 0.1)) %*% V", factors, "U[1,1] = r"),
        "cumsum(X)": Case("Z = cumsum(X)", X),
        "cumsum of a vector": Case("Z = cumsum(X)", L),
        "order by a column": Case("Z = order(target=X, by=1)", dense(tall, 10)),
        "order of a vector, index.return": Case("Z = order(target=X, by=1, index.return=TRUE)", dense(10 * tall, 1), repeats=8),
        "median of a vector": Case("Z = as.matrix(median(X))", dense(10 * tall, 1), repeats=8),
        "quantiles of a vector": Case(
            'Z = quantile(X, p)', dense(10 * tall, 1) + 'p = matrix("0.1 0.5 0.9", 3, 1)\n', repeats=8
        ),
        "table of two vectors": Case(
            "Z = table(a, b)",
            f"a = round(rand(rows={10 * tall}, cols=1, min=1, max=100, seed=3))\n"
            f"b = round(rand(rows={10 * tall}, cols=1, min=1, max=50, seed=4))\n",
            "a[1,1] = 1 + r %% 3",
        ),
        "table to one-hot": Case(
            f"Z = table(seq(1, {10 * tall}), a)",
            f"a = round(rand(rows={10 * tall}, cols=1, min=1, max=100, seed=3))\n",
            "a[1,1] = 1 + r %% 3",
        ),
        "aggregate by groups": Case(
            'Z = aggregate(target=X, groups=a, fn="sum", ngroups=100)',
            dense(tall, 20) + f"a = round(rand(rows={tall}, cols=1, min=1, max=100, seed=3))\n",
        ),
        "removeEmpty of rows": Case('Z = removeEmpty(target=X, margin="rows")', X + "X = X * (rowMaxs(X) > 0.998)\n"),
        "removeEmpty with select": Case(
            'Z = removeEmpty(target=X, margin="rows", select=a)', X + "a = rowMaxs(X) > 0.999\n"
        ),
        "replace NaN": Case("Z = replace(target=X, pattern=NaN, replacement=0)", X + "X = X / (X > -0.9)\n"),
        "unique of a vector": Case(
            "Z = unique(a)", f"a = round(rand(rows={10 * tall}, cols=1, min=1, max=1000, seed=3))\n", "a[1,1] = r"
        ),
        "loop of right indexing X[i,]": Case(
            f"Z = matrix(0, 1, {n})\nfor (i in 1:{few}) {{ Z = Z + X[i,] }}", X
        ),
        "loop of cells X[i,j]": Case(
            f"s = 0.0\nfor (i in 1:{few}) {{ s = s + as.scalar(X[i,2]) }}\nZ = as.matrix(s)", X
        ),
        "loop of left indexing of cells": Case(
            f"Z = Y\nfor (i in 1:{few}) {{ Z[i,3] = i * r }}", dense(m, n, "Y"), "q = r"
        ),
        "loop of left indexing of rows": Case(
            f"Z = Y\nfor (i in 1:{few}) {{ Z[i,] = X[{few} - i + 1,] }}", X + dense(m, n, "Y")
        ),
        "cbind(X, Y)": Case("Z = cbind(X, Y)", X + dense(m, n, "Y")),
        "rbind(X, Y)": Case("Z = rbind(X, Y)", X + dense(m, n, "Y")),
        "outer product and outer": Case('Z = outer(a, b, "*") + a %*% b', dense(2 * k, 1, "a") + dense(1, k, "b"), "a[1,1] = r"),
        "reshape": Case(f"Z = matrix(X, rows={n}, cols={m}) + 0", X),
        "rev(X)": Case("Z = rev(X)", X),
        "rand, uniform": Case(f"Z = rand(rows={m}, cols={n}, seed=r)", "X = matrix(0, 1, 1)\n"),
        "rand, normal": Case(f'Z = rand(rows={m}, cols={n}, pdf="normal", seed=r)', "X = matrix(0, 1, 1)\n"),
        "rand, sparse": Case(f"Z = rand(rows={rows}, cols={cols}, sparsity=0.01, seed=r)", "X = matrix(0, 1, 1)\n"),
        "matrix(0) and seq": Case(f"Z = matrix(r, {m}, {n}) + seq(1, {m})", "X = matrix(0, 1, 1)\n"),
        "write csv": Case("write(X, folder + 'written.csv', format='csv')\nZ = X", dense(text, 50), repeats=8),
        "read csv": Case("Z = read($folder + 'read.csv', format='csv')\nZ[1,1] = r", "X = matrix(0, 1, 1)\n", repeats=8),
        "write binary": Case("write(X, folder + 'written.bin', format='binary')\nZ = X", dense(m // 2, n), repeats=8),
        "read binary": Case("Z = read($folder + 'read.bin')\nZ[1,1] = r", "X = matrix(0, 1, 1)\n", repeats=8),
    }  # fmt: skip


def script(case: Case, quick: bool) -> str:
    """Blocks of their own around the operation, so that SystemDS does not merge it with what uses the result."""
    return f"""folder = $folder
{case.setup}
check = 0.0
for (r in 1:{3 if quick else case.repeats}) {{
  {case.vary}
  if (r > 0) {{
    t0 = time()
  }}
  if (r > 0) {{
    {case.body}
  }}
  if (r > 0) {{
    t1 = time()
    print("seconds " + (t1 - t0) / 1000000000.0)
  }}
  if (r > 0) {{
    check = check + as.scalar(Z[1,1])
  }}
}}
print("check " + check)
"""


def main(arguments: list[str] | None = None) -> None:
    options = processes.arguments(__doc__).parse_args(arguments)
    rows = []
    print(processes.HEADER)
    with tempfile.TemporaryDirectory() as own:
        folder = Path(own)
        prepare(folder, options.quick)
        for name, case in cases(options.quick).items():
            if not processes.chosen(name, options):
                continue
            ours, theirs = processes.in_turn(script(case, options.quick), options, folder, f"folder={folder}/")
            if theirs is None:
                print(f"| {name} | {ours.best():.3g} | | | |", flush=True)
                continue
            found = processes.row(
                "linear_algebra", name, "SystemDS", ours.best(), theirs.best(),
                ours_first_s=ours.first(), peer_first_s=theirs.first(),
            )  # fmt: skip
            rows.append(found)
            processes.save(rows, options)
            print(processes.line(found), flush=True)
    processes.finish(rows, options)


def prepare(folder: Path, quick: bool) -> None:
    """The files that are read."""
    sys.path.insert(0, str(processes.ROOT))
    import pydml

    rows = 50 if quick else 2000
    pydml.run(
        "X = rand(rows=a, cols=50, min=-1, max=1)\nY = rand(rows=b, cols=c, min=-1, max=1)\n"
        "write(X, folder + 'read.csv', format='csv')\nwrite(Y, folder + 'read.bin', format='binary')",
        outputs=[],
        inputs={"a": rows, "b": 150 if quick else 2500, "c": 100 if quick else 1000, "folder": f"{folder}/"},
        seed=1,
    )


if __name__ == "__main__":
    main()
