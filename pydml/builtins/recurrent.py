"""Recurrent networks: `lstm` and its gradient.

A sequence of T steps is one row: X is (N, T*D), the D inputs of the first step first.  Source: Hochreiter and Schmidhuber, 1997,
with the forget gate of Gers, Schmidhuber and Cummins, 2000.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pydml.builtins.registry import builtin
from pydml.diagnostics import fail
from pydml.types import Type, matrix_type


def _check(name: str, X: Type, W: Type, b: Type, out0: Type, c0: Type) -> tuple[int | None, int | None, int | None]:
    """Images, cells and steps, as far as they are known; the sizes of the parameters must agree."""
    cells = None
    for what, cols, factor in (("W", W.cols, 4), ("b", b.cols, 4), ("out0", out0.cols, 1), ("c0", c0.cols, 1)):
        if cols is None:
            continue
        if cols % factor:
            fail("shape-mismatch", f"{name}: the columns of {what} must be a multiple of {factor}, got {cols}")
        if cells is not None and cols // factor != cells:
            fail("shape-mismatch", f"{name}: {what} has {cols} columns for {cells} cells, expected {factor * cells}")
        cells = cols // factor
    if b.rows not in (1, None):
        fail("shape-mismatch", f"{name}: b must be a row vector, got {b.size_text()}")
    for what, rows in (("out0", out0.rows), ("c0", c0.rows)):
        if None not in (rows, X.rows) and rows != X.rows:
            fail("shape-mismatch", f"{name}: {what} has {rows} rows for {X.rows} sequences")
    steps = None
    if cells is not None and W.rows is not None:
        inputs = W.rows - cells
        if inputs < 1:
            fail("shape-mismatch", f"{name}: W needs more than {cells} rows: those of the inputs and of {cells} cells")
        if X.cols is not None:
            steps, rest = divmod(X.cols, inputs)
            if rest:
                fail("shape-mismatch", f"{name}: {X.cols} columns of X are not a multiple of {inputs} inputs")
    return X.rows, cells, steps


def _times(*sizes: int | None) -> int | None:
    product = 1
    for size in sizes:
        if size is None:
            return None
        product *= size
    return product


def _forward_types(X: Type, W: Type, b: Type, out0: Type, c0: Type, return_sequences: Type) -> Any:
    n, m, t = _check("lstm", X, W, b, out0, c0)
    width = None if return_sequences.const is None else _times(t, m) if return_sequences.const else m
    caches = (matrix_type(t, _times(n, m)), matrix_type(t, _times(n, m)), matrix_type(t, _times(n, m, 4)))
    return (matrix_type(n, width), matrix_type(n, m), *caches)


@builtin(
    "lstm(X: matrix, W: matrix, b: matrix, out0: matrix, c0: matrix, return_sequences: boolean) -> "
    "out: matrix, c: matrix, cache_out: matrix, cache_c: matrix, cache_ifog: matrix",
    infer=_forward_types,
)
def lstm(X: Any, W: Any, b: Any, out0: Any, c0: Any, return_sequences: bool) -> Any:
    """One layer of M long short-term memory cells over T steps of D inputs.

    X: (N, T*D).  W: (D+M, 4M), b: (1, 4M), their columns for the gates i, f, o and for g.  out0, c0: (N, M).
    At each step [i f o g] = [x out] W + b, through the logistic function (i, f, o) and tanh (g);
    c = f * c + i * g;  out = o * tanh(c).
    Returns out of all steps (N, T*M), or of the last one (N, M); the last c; and for `lstm_backward` out and c of each step
    (T, N*M) and the gates (T, N*4M).  Same as SystemDS `lstm`.
    """
    N, M = out0.shape
    D = W.shape[0] - M
    T = X.shape[1] // D
    outs, cache_out, cache_c, cache_ifog = (np.empty((T, N, k), X.dtype) for k in (M, M, M, 4 * M))
    out, c = out0, c0
    for t in range(T):
        ifog = np.hstack([X[:, t * D : (t + 1) * D], out]) @ W + b
        ifog[:, : 3 * M] = 1 / (1 + np.exp(-ifog[:, : 3 * M]))
        ifog[:, 3 * M :] = np.tanh(ifog[:, 3 * M :])
        i, f, o, g = np.split(ifog, 4, axis=1)
        c = f * c + i * g
        out = o * np.tanh(c)
        outs[t] = cache_out[t] = out
        cache_c[t], cache_ifog[t] = c, ifog
    if return_sequences:
        out = outs.transpose(1, 0, 2).reshape(N, T * M)
    return out, c, cache_out.reshape(T, -1), cache_c.reshape(T, -1), cache_ifog.reshape(T, -1)


# all gates are 1/2, g is 0: c = 1/2, out = tanh(1/2) / 2
lstm.case(
    "z = matrix(0, 1, 1); [RESULT, c, d, e, g] = "
    'lstm(matrix("1 2", 1, 2), matrix(0, 3, 4), matrix(0, 1, 4), z, matrix(1, 1, 1), FALSE); RESULT = RESULT',
    "0.23105857863000487",
)
lstm.fails(
    "[a, b, c, d, e] = lstm(matrix(1, 2, 6), matrix(1, 4, 8), matrix(0, 1, 4), matrix(0, 2, 2), matrix(0, 2, 2), TRUE)",
    "shape-mismatch",
    "b has 4 columns for 2 cells",
)


def _backward_types(X: Type, W: Type, b: Type, out0: Type, c0: Type, *rest: Type) -> Any:
    n, m, _ = _check("lstm_backward", X, W, b, out0, c0)
    return (
        matrix_type(n, X.cols),
        matrix_type(W.rows, _times(4, m)),
        matrix_type(1, _times(4, m)),
        matrix_type(n, m),
        matrix_type(n, m),
    )


@builtin(
    "lstm_backward(X: matrix, W: matrix, b: matrix, out0: matrix, c0: matrix, return_sequences: boolean, "
    "dout: matrix, dc: matrix, cache_out: matrix = NULL, cache_c: matrix = NULL, cache_ifog: matrix = NULL) -> "
    "dX: matrix, dW: matrix, db: matrix, dout0: matrix, dc0: matrix",
    infer=_backward_types,
)
def lstm_backward(
    X: Any,
    W: Any,
    b: Any,
    out0: Any,
    c0: Any,
    return_sequences: bool,
    dout: Any,
    dc: Any,
    cache_out: Any,
    cache_c: Any,
    cache_ifog: Any,
) -> Any:
    """Gradient of `lstm`.  The first six arguments are its arguments, the last three its caches; they are computed if missing.

    dout: gradient wrt the outputs, (N, T*M), or (N, M) without return_sequences.  dc: wrt the last c, (N, M).
    Returns the gradients wrt X, W, b, out0 and c0.  Same as SystemDS `lstm_backward`.
    """
    N, M = out0.shape
    D = W.shape[0] - M
    T = X.shape[1] // D
    expected = (N, T * M if return_sequences else M)
    if dout.shape != expected:
        fail(
            "shape-mismatch",
            f"lstm_backward: dout must be {expected[0]} x {expected[1]}, got {dout.shape[0]} x {dout.shape[1]}",
        )
    if cache_out is None or cache_c is None or cache_ifog is None:
        cache_out, cache_c, cache_ifog = lstm.meaning(X, W, b, out0, c0, return_sequences)[2:]
    if cache_out.shape != (T, N * M) or cache_c.shape != (T, N * M) or cache_ifog.shape != (T, N * 4 * M):
        fail("shape-mismatch", "lstm_backward: the caches are not those that lstm returns for these arguments")
    dX, dW, db = np.zeros_like(X), np.zeros_like(W), np.zeros((1, 4 * M), X.dtype)
    dout_next = np.zeros((N, M), X.dtype)
    for t in reversed(range(T)):
        if return_sequences:
            dout_t = dout[:, t * M : (t + 1) * M] + dout_next
        else:
            dout_t = dout if t == T - 1 else dout_next
        out_before = cache_out[t - 1].reshape(N, M) if t else out0
        c_before = cache_c[t - 1].reshape(N, M) if t else c0
        i, f, o, g = np.split(cache_ifog[t].reshape(N, 4 * M), 4, axis=1)
        tanh_c = np.tanh(cache_c[t].reshape(N, M))
        dc = dc + o * (1 - tanh_c**2) * dout_t
        d_ifog = np.hstack(
            [
                dc * g * i * (1 - i),
                dc * c_before * f * (1 - f),
                tanh_c * dout_t * o * (1 - o),
                dc * i * (1 - g**2),
            ]
        )
        dc = dc * f
        dW += np.hstack([X[:, t * D : (t + 1) * D], out_before]).T @ d_ifog
        db += d_ifog.sum(axis=0, keepdims=True)
        d_input = d_ifog @ W.T
        dX[:, t * D : (t + 1) * D] = d_input[:, :D]
        dout_next = d_input[:, D:]
    return dX, dW, db, np.ascontiguousarray(dout_next), dc


# dc = (1 - tanh(1/2)^2) / 2; each gate passes a quarter of its gradient
lstm_backward.case(
    'z = matrix(0, 1, 1); X = matrix("1 2", 1, 2); W = matrix(0, 3, 4); b = matrix(0, 1, 4); '
    "[out, c, d, e, g] = lstm(X, W, b, z, matrix(1, 1, 1), FALSE); "
    "[dX, dW, RESULT, do, dc] = lstm_backward(X, W, b, z, matrix(1, 1, 1), FALSE, matrix(1, 1, 1), z, d, e, g); RESULT = RESULT",
    "0 0.09830596662074093 0.11552928931500244 0.1966119332414819",
)
