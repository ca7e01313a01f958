"""Adagrad, RMSprop, AdamW, scaled gradient descent and Shampoo against PyTorch's optimizers and their formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from torch_optional import torch

import pydml

RNG = np.random.default_rng(5)
X0 = RNG.normal(size=(4, 3))
A = RNG.normal(size=(6, 4))
B = RNG.normal(size=(6, 3))
STEPS = 50


def descend(update: str, init: str, **inputs: Any) -> np.ndarray:
    """50 steps on half the squared error of A X = B; G is the gradient, t counts from 1."""
    name = update.split("::")[0].split("=")[1].strip()
    script = f"""
source("nn/optim/{name}.dml") as {name}
{init}
for (t in 1:{STEPS}) {{
  G = t(A) %*% (A %*% X - B)
  {update}
}}
"""
    return np.asarray(pydml.run(script, X=X0, A=A, B=B, outputs=["X"], **inputs)["X"])


def torch_descend(build: Any) -> np.ndarray:
    X, a, b = torch.tensor(X0, requires_grad=True), torch.tensor(A), torch.tensor(B)
    optimizer = build([X])
    for _ in range(STEPS):
        optimizer.zero_grad()
        (0.5 * ((a @ X - b) ** 2).sum()).backward()
        optimizer.step()
    return X.detach().numpy()


def test_adagrad_is_pytorchs():
    actual = descend("[X, c] = adagrad::update(X, G, 0.05, 1e-8, c)", "c = adagrad::init(X)")
    np.testing.assert_allclose(actual, torch_descend(lambda p: torch.optim.Adagrad(p, 0.05, eps=1e-8)), rtol=1e-10)


def test_rmsprop_is_pytorchs():
    # a small rate: close to the optimum rounding errors of the gradient would decide about the steps
    actual = descend("[X, c] = rmsprop::update(X, G, 0.002, 0.9, 1e-8, c)", "c = rmsprop::init(X)")
    expected = torch_descend(lambda p: torch.optim.RMSprop(p, 0.002, alpha=0.9, eps=1e-8))
    np.testing.assert_allclose(actual, expected, rtol=1e-10)


def test_adamw_is_pytorchs():
    actual = descend(
        "[X, m, v] = adamw::update(X, G, 0.02, 0.9, 0.99, 1e-8, 0.03, t - 1, m, v)", "[m, v] = adamw::init(X)"
    )
    expected = torch_descend(lambda p: torch.optim.AdamW(p, 0.02, (0.9, 0.99), eps=1e-8, weight_decay=0.03))
    np.testing.assert_allclose(actual, expected, rtol=1e-10)


def root(M: np.ndarray) -> np.ndarray:
    """M^(-1/4) of a symmetric matrix, or of each entry of a row or column."""
    if 1 in M.shape:
        return M**-0.25
    values, vectors = np.linalg.eigh(M)
    return vectors @ np.diag(values**-0.25) @ vectors.T


def shampoo(momentum: bool, diagonal: bool, root_every: int = 1, precon_every: int = 1) -> np.ndarray:
    """The rule in NumPy; L and R as they are used in step s hold the gradients up to the last renewal."""
    X, m = X0.copy(), np.zeros_like(X0)
    L, R = (np.full((4, 1), 0.01), np.full((1, 3), 0.01)) if diagonal else (0.01 * np.eye(4), 0.01 * np.eye(3))
    new_L, new_R = np.zeros_like(L), np.zeros_like(R)
    root_L, root_R = root(L), root(R)
    for s in range(STEPS):
        G = A.T @ (A @ X - B)
        new_L = new_L + ((G**2).sum(1, keepdims=True) if diagonal else G @ G.T)
        new_R = new_R + ((G**2).sum(0, keepdims=True) if diagonal else G.T @ G)
        m = 0.9 * m + 0.1 * G if momentum else G
        first = s > 0 or root_every == precon_every == 1
        if first and s % precon_every == 0:
            L, R, new_L, new_R = L + new_L, R + new_R, 0 * new_L, 0 * new_R
        if first and s % root_every == 0:
            root_L, root_R = root(L), root(R)
        X = X - 0.05 * (root_L * m * root_R if diagonal else root_L @ m @ root_R)
    return X


@pytest.mark.parametrize("diagonal", [False, True])
def test_shampoo(diagonal):
    threshold = 3 if diagonal else 4
    actual = descend(
        "[X, L, R] = shampoo::update(X, G, 0.05, L, R, d)", f"[L, R, d] = shampoo::init(X, 0.01, {threshold})"
    )
    np.testing.assert_allclose(actual, shampoo(False, diagonal), rtol=1e-10, atol=1e-12)
    actual = descend(
        "[X, L, R, m] = shampoo::update_momentum(X, G, 0.05, L, R, m, d)",
        f"[L, R, m, d] = shampoo::init_momentum(X, 0.01, {threshold})",
    )
    np.testing.assert_allclose(actual, shampoo(True, diagonal), rtol=1e-10, atol=1e-12)
    actual = descend(
        "[X, L, R, m, s, bL, bR, rL, rR] = shampoo::update_heuristic(X, G, 0.05, L, R, m, s, 3, 2, bL, bR, rL, rR, d)",
        f"[L, R, s, bL, bR, m, rL, rR, d] = shampoo::init_heuristic(X, 0.01, {threshold})",
    )
    np.testing.assert_allclose(actual, shampoo(True, diagonal, 3, 2), rtol=1e-10, atol=1e-12)


def test_scaled_gradient_descent_does_not_mind_a_bad_condition():
    rng = np.random.default_rng(6)
    U, V = (np.linalg.qr(rng.normal(size=(n, 2)))[0] for n in (8, 6))
    library = pydml.source("nn/optim/scaled_gd.dml")
    for condition in (1.0, 1e3, 1e6):
        root_S = np.diag([1.0, condition**-0.5])
        M = U @ root_S**2 @ V.T
        # factors off by a fifth, and their scale shared out unevenly
        X, Y = 12 * U @ root_S, 0.1 * V @ root_S
        r = library.init(X, Y)
        assert r == 2
        for _ in range(40):
            E = X @ Y.T - M
            X, Y = map(np.asarray, library.update(X, Y, E @ Y, E.T @ X, 0.5, r))
        # a thousandth of the small singular value, which plain descent would not have touched
        assert np.abs(X @ Y.T - M).max() < 1e-3 / condition


def test_scaled_gradient_descent_is_the_papers_step():
    rng = np.random.default_rng(7)
    X, dX, Y, dY = (rng.normal(size=(n, 2)) for n in (5, 5, 4, 4))
    library = pydml.source("nn/optim/scaled_gd.dml")
    X_new, Y_new = library.update(X, Y, dX, dY, 0.1, 2)
    np.testing.assert_allclose(X_new, X - 0.1 * dX @ np.linalg.inv(Y.T @ Y), rtol=1e-10)
    np.testing.assert_allclose(Y_new, Y - 0.1 * dY @ np.linalg.inv(X.T @ X), rtol=1e-10)
    with pytest.raises(pydml.DMLError, match="must have r = 3 columns"):
        library.update(X, Y, dX, dY, 0.1, 3)
