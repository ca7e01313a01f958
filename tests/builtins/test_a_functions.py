"""Properties of the elementwise, aggregate, statistical, tabular and algebraic builtins that single cases do not show."""

import numpy as np
import pytest

from pydml.builtins import registry
from pydml.diagnostics import DMLError
from pydml.values import is_matrix, to_dense

FAMILIES = "operators elementwise aggregate statistics tables linalg fourier".split()
OF_ONE_MATRIX = [
    b
    for b in registry.all_builtins()
    if b.module.rsplit(".", 1)[1] in FAMILIES
    and len(b.signature.params) >= 1
    and all(p.default is None or isinstance(p.default, str) for p in b.signature.params[1:])
    and b.name not in ("table", "list", "einsum")
]


def arguments(b, X):
    rest = [p.default for p in b.signature.params[1:] if p.kind == "one"]
    return [X, *rest]


def run(b, X):
    with np.errstate(all="ignore"):
        result = b(*arguments(b, X))
    return result if isinstance(result, tuple) else (result,)


def positive_definite():
    X = np.random.default_rng(3).normal(size=(4, 4))
    return X @ X.T + np.eye(4)


def sample(b):
    if b.name in ("moment", "quantile", "aggregate", "cov"):
        pytest.skip("needs more arguments")
    if b.name in ("median", "interQuartileMean"):
        return positive_definite()[:, :1]
    if b.name == "cumsumprod":
        return positive_definite()[:, :2]
    if b.name in ("acos", "asin"):
        return positive_definite() / 20
    return positive_definite()


@pytest.mark.parametrize("b", OF_ONE_MATRIX, ids=lambda b: b.name)
def test_single_precision_is_kept(b):
    X = sample(b)
    for double, single in zip(run(b, X), run(b, X.astype(np.float32)), strict=True):
        assert type(double) is type(single)
        if is_matrix(single):
            assert single.dtype == np.float32
        if b.name not in ("eigen", "svd"):  # signs of vectors are not specified
            np.testing.assert_allclose(single, double, rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize("b", OF_ONE_MATRIX, ids=lambda b: b.name)
def test_views_give_what_copies_give(b):
    X = sample(b)
    wide = np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)
    for view in (wide[::2, ::3], np.asfortranarray(X), X[::-1][::-1]):
        for one, other in zip(run(b, X), run(b, view), strict=True):
            np.testing.assert_allclose(
                to_dense(one) if is_matrix(one) else one, to_dense(other) if is_matrix(other) else other, atol=1e-12
            )


@pytest.mark.parametrize("b", OF_ONE_MATRIX, ids=lambda b: b.name)
def test_arguments_are_not_written(b):
    X = sample(b)
    before = X.copy()
    X.flags.writeable = False
    for result in run(b, X):
        assert not (is_matrix(result) and np.shares_memory(to_dense(result), X))
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("b", OF_ONE_MATRIX, ids=lambda b: b.name)
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0), (0, 1), (1, 1)])
def test_empty_matrices_give_a_result_or_a_clear_error(b, shape):
    if b.name in ("moment", "quantile", "aggregate", "cov"):
        pytest.skip("needs more arguments")
    X = np.ones(shape)
    try:
        results = run(b, X)
    except DMLError as error:
        assert error.id in ("shape-mismatch", "value")
        return
    for told, result in zip(b.infer(tuple(map(registry.type_of, arguments(b, X)))), results, strict=True):
        if is_matrix(result):
            assert told.rows in (None, result.shape[0]) and told.cols in (None, result.shape[1])


# ---- decompositions give back the matrix


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (5, 5), (6, 3), (3, 6), (4, 1), (1, 4)])
def test_householder_vectors_of_qr_give_back_the_matrix(shape):
    A = np.random.default_rng(5).normal(size=shape)
    H, R = registry.get("qr")(A)
    Q = np.eye(shape[0])
    for j in range(min(shape)):
        h = H[:, j : j + 1]
        Q = Q @ (np.eye(shape[0]) - h @ h.T / h[j, 0])
    np.testing.assert_allclose(Q @ R, A, atol=1e-12)
    np.testing.assert_allclose(np.tril(R, -1), 0, atol=0)


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (3, 5)])
def test_singular_values_give_back_the_matrix(shape):
    A = np.random.default_rng(5).normal(size=shape)
    U, S, V = registry.get("svd")(A)
    np.testing.assert_allclose(U @ S @ V.T, A, atol=1e-12)
    assert (np.diff(np.diag(S)) <= 0).all()


def test_eigenvalues_ascend_and_vectors_have_length_one():
    A = positive_definite()
    w, V = registry.get("eigen")(A)
    np.testing.assert_allclose(A @ V, V * w.T, atol=1e-12)
    np.testing.assert_allclose((V**2).sum(axis=0), 1)
    assert (np.diff(w[:, 0]) > 0).all()


@pytest.mark.parametrize("n", [1, 2, 7])
def test_lu_gives_back_the_permuted_matrix(n):
    A = np.random.default_rng(5).normal(size=(n, n))
    P, L, U = registry.get("lu")(A)
    np.testing.assert_allclose(P @ A, L @ U, atol=1e-12)


def test_fourier_transforms_are_inverse_to_each_other():
    X = np.random.default_rng(5).normal(size=(4, 8))
    for name in ("fft", "fft_linearized"):
        real, imaginary = registry.get(name)(X)
        back, nothing = registry.get("i" + name)(real, imaginary)
        np.testing.assert_allclose(back, X, atol=1e-14)
        np.testing.assert_allclose(nothing, 0, atol=1e-14)


# ---- distributions


@pytest.mark.parametrize(
    "name, parameters",
    [("norm", (1.0, 2.0)), ("exp", (2.0,)), ("chisq", (3,)), ("t", (3,)), ("f", (3, 4))],
)
def test_quantiles_invert_the_distribution_function(name, parameters):
    p, q = registry.get(f"p{name}"), registry.get(f"q{name}")
    for probability in (1e-6, 0.01, 0.3, 0.5, 0.9, 0.999):
        x = q(probability, *parameters)
        np.testing.assert_allclose(p(x, *parameters, True), probability, rtol=1e-9)
        np.testing.assert_allclose(p(x, *parameters, False), 1 - probability, rtol=1e-9)


# ---- statistics


def test_weights_count_repetitions():
    rng = np.random.default_rng(7)
    x, w = rng.integers(0, 9, (12, 1)).astype(float), rng.integers(1, 4, (12, 1)).astype(float)
    repeated = np.repeat(x[:, 0], w[:, 0].astype(int)).reshape(-1, 1)
    for name, rest in (
        ("median", ()),
        ("interQuartileMean", ()),
        ("quantile", (0.3,)),
        ("quantile", (np.array([[0.3], [0.9]]),)),
        ("moment", (3,)),
    ):
        b = registry.get(name)
        if rest:
            expected, result = b(repeated, *rest, None), b(x, w, *rest)
        else:
            expected, result = b(repeated, None), b(x, w)
        np.testing.assert_allclose(result, expected, rtol=1e-12)


@pytest.mark.parametrize("fn", ["sum", "count", "mean", "variance", "min", "max", "centralmoment"])
def test_aggregate_is_the_function_of_each_group(fn):
    rng = np.random.default_rng(8)
    x, g = rng.normal(size=(50, 1)), rng.integers(1, 6, (50, 1)).astype(float)
    functions = {
        "sum": np.sum,
        "count": np.size,
        "mean": np.mean,
        "variance": lambda v: v.var(ddof=1),
        "min": np.min,
        "max": np.max,
        "centralmoment": lambda v: ((v - v.mean()) ** 3).mean(),
    }
    result = registry.get("aggregate")(x, g, fn, None, None, 3 if fn == "centralmoment" else None)
    np.testing.assert_allclose(result[:, 0], [functions[fn](x[g == k]) for k in range(1, 6)], rtol=1e-12)
