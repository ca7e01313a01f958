"""The algorithms in scripts/builtin mean what they say: conditions that their results must meet, computed with NumPy.

Where SystemDS's numbers cannot be compared (random starts, its faults), these tests stand alone.
"""

from __future__ import annotations

import io

import numpy as np
import pytest

import pydml


@pytest.fixture(scope="module")
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def results(program: str, outputs: list[str], **inputs: np.ndarray) -> list[np.ndarray]:
    got = pydml.run(program, outputs=outputs, stdout=io.StringIO(), seed=1, **inputs)
    return [np.asarray(got[name]) for name in outputs]


def test_lm_is_least_squares(rng):
    X, y = rng.normal(size=(80, 5)), rng.normal(size=(80, 1))
    (B,) = results("B = lm(X=X, y=y, reg=0, verbose=FALSE)", ["B"], X=X, y=y)
    np.testing.assert_allclose(B, np.linalg.lstsq(X, y, rcond=None)[0], rtol=1e-10)
    (B,) = results("B = lmCG(X=X, y=y, icpt=1, reg=0, tol=1e-13, maxi=20, verbose=FALSE)", ["B"], X=X, y=y)
    ones = np.hstack([X, np.ones((80, 1))])
    np.testing.assert_allclose(B, np.linalg.lstsq(ones, y, rcond=None)[0], rtol=1e-8)


def test_penalties_apply_to_standardised_columns(rng):
    X, y = rng.normal(size=(80, 3)) * [1, 10, 100] + 5, rng.normal(size=(80, 1))
    (B,) = results("B = lm(X=X, y=y, icpt=2, reg=3, verbose=FALSE)", ["B"], X=X, y=y)
    Z = (X - X.mean(0)) / X.std(0, ddof=1)
    b = np.linalg.solve(Z.T @ Z + 3 * np.eye(3), Z.T @ (y - y.mean()))
    np.testing.assert_allclose(B[:3], b / X.std(0, ddof=1)[:, None], rtol=1e-9)


def test_multiLogReg_has_no_gradient(rng):
    X, y = rng.normal(size=(120, 3)), rng.integers(1, 4, size=(120, 1)).astype(float)
    (B,) = results("B = multiLogReg(X=X, Y=y, icpt=1, reg=0.5, tol=1e-10, verbose=FALSE)", ["B"], X=X, y=y)
    Z = np.hstack([X, np.ones((120, 1))])
    E = np.hstack([np.exp(Z @ B), np.ones((120, 1))])
    gradient = Z.T @ (E / E.sum(1, keepdims=True) - (y == [1, 2, 3]))[:, :2] + 0.5 * B * [[1], [1], [1], [0]]
    np.testing.assert_allclose(gradient, 0, atol=1e-6)


@pytest.mark.parametrize(
    "arguments, mean",
    [
        ("vpow=1.0", lambda eta: (np.exp(eta), 1)),
        ("vpow=2.0, link=1, lpow=0.0", lambda eta: (np.exp(eta), np.exp(-eta))),
        ("vpow=1.0, link=1, lpow=0.5", lambda eta: (eta**2, 2 / eta)),
    ],
    ids=["Poisson", "Gamma with log link", "Poisson with square root"],
)
def test_glm_solves_the_score_equations(rng, arguments, mean):
    X = np.abs(rng.normal(size=(150, 3))) / 3 + 0.2
    y = rng.poisson(np.exp(X @ [[0.5], [0.2], [0.4]])) + 1.0
    (B,) = results(f"B = glm(X=X, Y=y, {arguments}, tol=1e-14, verbose=FALSE)", ["B"], X=X, y=y)
    mu, slope_by_variance = mean(X @ B)  # d mu / d eta / V(mu)
    np.testing.assert_allclose(X.T @ ((y - mu) * slope_by_variance), 0, atol=1e-5)


def test_l2svm_has_no_gradient(rng):
    X = rng.normal(size=(100, 4))
    y = np.sign(X @ [[1.0], [2], [-1], [0]] + 0.5 * rng.normal(size=(100, 1)))
    (w,) = results("w = l2svm(X=X, Y=y, epsilon=1e-14, reg=2)", ["w"], X=X, y=y)
    slack = np.maximum(1 - y * (X @ w), 0)
    np.testing.assert_allclose(X.T @ (slack * y) - 2 * w, 0, atol=1e-4)


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("offset", [0.5, 1000.0])
def test_pca_gives_the_largest_variances(rng, center, scale, offset):
    X = rng.normal(size=(200, 5)) @ rng.normal(size=(5, 5)) + offset
    arguments = f"K=2, center={str(center).upper()}, scale={str(scale).upper()}"
    R, C = results(f"[R, C] = pca(X=X, {arguments})", ["R", "C"], X=X)
    Z = X - X.mean(0) if center else X
    if scale:
        Z = Z / np.sqrt((Z**2).sum(0) / 199)
    values = np.linalg.eigvalsh(np.cov(Z.T))[::-1][:2]
    np.testing.assert_allclose(np.var(Z @ C, axis=0, ddof=1), values, rtol=1e-7)
    np.testing.assert_allclose(R, Z @ C, rtol=1e-6, atol=1e-8)


def test_pca_of_a_sparse_matrix(rng):
    X = rng.normal(size=(300, 40)) * (rng.random(size=(300, 40)) < 0.05)
    R, C = results("[R, C] = pca(X=X, K=3, scale=FALSE)", ["R", "C"], X=X)
    Z = X - X.mean(0)
    np.testing.assert_allclose(np.var(Z @ C, axis=0, ddof=1), np.linalg.eigvalsh(np.cov(Z.T))[::-1][:3], rtol=1e-9)
    np.testing.assert_allclose(R, Z @ C, atol=1e-12)


def test_kmeans_finds_clusters_and_a_local_minimum(rng):
    centers = rng.normal(size=(6, 3)) * 10
    labels = rng.integers(0, 6, size=400)
    X = centers[labels] + rng.normal(size=(400, 3))
    C, Y = results("[C, Y] = kmeans(X=X, k=6, runs=8, seed=3)", ["C", "Y"], X=X)
    distances = ((X[:, None] - C[None]) ** 2).sum(2)
    np.testing.assert_array_equal(Y.ravel(), distances.argmin(1) + 1)
    ideal = sum(((X[labels == c] - X[labels == c].mean(0)) ** 2).sum() for c in range(6))
    assert distances.min(1).sum() <= 1.01 * ideal
    means = np.stack([X[Y.ravel() == c + 1].mean(0) for c in range(6)])
    np.testing.assert_allclose(C, means, rtol=1e-2, atol=0.1)


@pytest.mark.parametrize("call", ["als(X=X, rank=4, maxi=60, thr=1e-9", "alsDS(X=X, rank=4, maxi=20"])
def test_als_fills_in_missing_cells(rng, call):
    full = rng.random(size=(60, 3)) @ rng.random(size=(3, 40)) + 0.5
    X = full * (rng.random(size=full.shape) < 0.6)
    U, V = results(f"[U, V] = {call}, reg=0.0001, verbose=FALSE)", ["U", "V"], X=X)
    known = X != 0
    assert np.sqrt(np.mean((U @ V - full)[known] ** 2)) < 0.005
    assert np.sqrt(np.mean((U @ V - full)[~known] ** 2)) < 0.05


def test_naiveBayes_of_a_sparse_matrix(rng):
    D = rng.poisson(0.05, size=(500, 30)).astype(float)
    c = rng.integers(1, 4, size=(500, 1)).astype(float)
    p, P = results("[p, P] = naiveBayes(D=D, C=c, verbose=FALSE)", ["p", "P"], D=D, c=c)
    counts = np.stack([D[c.ravel() == k].sum(0) for k in (1, 2, 3)]) + 1
    np.testing.assert_allclose(P, counts / counts.sum(1, keepdims=True), rtol=1e-12)
    np.testing.assert_allclose(p.ravel(), [np.mean(c == k) for k in (1, 2, 3)])
