"""Large products in tiles equal NumPy's, and do not depend on the number of threads; decompositions neither, if asked."""

import numpy as np
import pytest

import pydml
from pydml.backends.cpu import gemm, threads

SIZES = [
    (700, 90, 80),
    (80, 90, 700),
    (300, 300, 300),
    (1, 60_000, 30),
    (1, 1500, 900),
    (40, 30_000, 1),
    (20, 20_000, 30),
    (65, 65, 4000),
]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("m", "k", "n"), SIZES)
@pytest.mark.parametrize("layout", ["rows", "columns", "part"])
def test_product(dtype, m, k, n, layout):
    rng = np.random.default_rng(m + k + n)
    if layout == "rows":
        A, B = rng.standard_normal((m, k)), rng.standard_normal((k, n))
    elif layout == "columns":
        A, B = rng.standard_normal((k, m)).T, rng.standard_normal((n, k)).T
    else:
        A, B = rng.standard_normal((m + 3, k + 5))[2:-1, 4:-1], rng.standard_normal((2 * k, n + 1))[::2, 1:]
    A, B = A.astype(dtype, order="K"), B.astype(dtype, order="K")
    check(A, B)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("k", "n"), [(5000, 40), (900, 300), (400, 700), (100, 1100)])
def test_matrix_times_its_transpose(dtype, k, n):
    X = np.random.default_rng(k).standard_normal((k, n)).astype(dtype)
    found = check(X.T, X)
    np.testing.assert_array_equal(found, found.T)
    check(X, X.T) if k < 1000 else None


def check(A, B):
    with threads.one_blas_thread():
        found = gemm.large_product(A, B)
        with threads.limit(1):
            np.testing.assert_array_equal(gemm.large_product(A, B), found)
    expected = np.matmul(A.astype(np.float64), B.astype(np.float64))
    assert found.dtype == A.dtype and found.flags.c_contiguous
    tolerance = (1e-13 if A.dtype == np.float64 else 1e-5) * np.sqrt(A.shape[1]) * 10
    np.testing.assert_allclose(found, expected.astype(A.dtype), atol=tolerance)
    return found


SCRIPT = """
A = rand(rows=400, cols=400, seed=1) + diag(matrix(9, 400, 1))
B = rand(rows=900, cols=300, seed=2)
s = solve(A, B[1:400, ])
[H, R] = qr(B)
[U, S, V] = svd(B)
x = sum(s) + sum(R) + sum(S) + det(A / 10) + sum(cholesky(t(B) %*% B))
"""


def test_a_deterministic_run_does_not_depend_on_threads():
    results = [pydml.Script(SCRIPT, threads=n, deterministic=True).run(outputs=["s", "R", "S", "x"]) for n in (1, 2, 3)]
    for result in results[1:]:
        for name in ("s", "R", "S"):
            np.testing.assert_array_equal(result[name], results[0][name])
        assert result["x"] == results[0]["x"]


def test_decompositions_use_threads_of_blas_otherwise(monkeypatch):
    seen = []
    monkeypatch.setattr(threads._blas, "raised", lambda n: seen.append(n) or threads._blas.limited(n))
    pydml.Script(SCRIPT, threads=2).run(outputs=["x"])
    assert seen and set(seen) == {2}
