"""Gradients of DML layers against central differences.

    affine = pydml.source("nn/layers/affine.dml")
    gradcheck(affine.forward, affine.backward, X=X, W=W, b=b)

The layers of the nn library tell by their names what belongs together.  `backward` takes inputs of `forward`, its outputs
(caches), and for an output `out` the gradient `dout` of some loss with respect to it; its result `dX` is the gradient with
respect to the input `X`.  The check draws the gradients of the outputs at random, which makes the loss sum(dout * out), and
compares each `dX` with (loss(X + h) - loss(X - h)) / 2h, cell by cell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

# Double precision, central differences: the truncation error grows with h^2, the rounding error with 1/h.  They are about
# equal at the cube root of the rounding unit; 1e-5 leaves room for functions that bend strongly.
STEP = 1e-5
TOLERANCE = 1e-6


class GradientError(AssertionError):
    """A gradient is not that of the function; the message names the cell."""


def gradcheck(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    /,
    *,
    wrt: Sequence[str] | None = None,
    tolerance: float = TOLERANCE,
    step: float = STEP,
    cells: int = 200,
    seed: int = 0,
    constant: Sequence[str] = (),
    **inputs: Any,
) -> dict[str, float]:
    """Compare all gradients that `backward` returns with central differences of `forward`.

    forward, backward: functions of `pydml.source(...)`.  inputs: arguments of forward, and of backward where it has more.
    wrt: inputs to check; default: every `dX` among the results of backward with an input `X`.  cells: at most so many
    cells of an input, drawn at random.  constant: outputs of forward (caches) that do not count in the loss although
    backward takes a gradient `dNAME` for them; that is 0 then.

    Returns the relative error for each input: the largest difference of a cell over the largest gradient.  Raises
    GradientError where it exceeds `tolerance`, ValueError where there is nothing to compare.
    """
    rng = np.random.default_rng(seed)
    outputs = _call(forward, inputs)
    values: dict[str, Any] = {**inputs, **outputs}
    weights: dict[str, Any] = {}
    for p in backward.dml_signature.params:  # type: ignore[attr-defined]
        output = p.name[1:]
        if p.name[0] == "d" and output in outputs and p.name not in inputs:
            shape = np.shape(outputs[output])
            weights[output] = np.zeros(shape) if output in constant else rng.standard_normal(shape)
            values[p.name] = weights[output]
    if not weights:  # the output is the loss itself, as in a loss layer: forward returns a number
        weights = {name: 1.0 for name, value in outputs.items() if np.ndim(value) == 0}
        weights = dict(list(weights.items())[:1])
    if not weights:
        raise ValueError(f"{backward.__name__} takes no gradient of an output of {forward.__name__}")
    gradients = _call(backward, {p.name: values[p.name] for p in backward.dml_signature.params if p.name in values})  # type: ignore[attr-defined]

    def loss(name: str, value: Any) -> float:
        result = _call(forward, {**inputs, name: value})
        return sum(float(np.sum(weight * _dense(result[output]))) for output, weight in weights.items())

    if wrt is None:
        wrt = [name[1:] for name in gradients if name[0] == "d" and name[1:] in inputs]
    if not wrt:
        raise ValueError(f"{backward.__name__} returns no gradient dX for an input X of {forward.__name__}")
    errors = {}
    for name in wrt:
        difference = numeric_gradient(lambda value, name=name: loss(name, value), inputs[name], step, cells, rng)  # type: ignore[misc]
        errors[name] = _compare(name, _dense(gradients["d" + name]), inputs[name], difference, tolerance, seed)
    return errors


def numeric_gradient(
    loss: Callable[[Any], float],
    X: Any,
    step: float = STEP,
    cells: int | None = None,
    rng: np.random.Generator | None = None,
) -> dict[tuple[int, int], float]:
    """Central differences of a function of a matrix, for all cells or `cells` of them: {(row, column): derivative}."""
    X = np.array(X, dtype=np.float64, ndmin=2)
    chosen = list(np.ndindex(X.shape))
    if cells is not None and len(chosen) > cells:
        rng = rng or np.random.default_rng(0)
        chosen = [chosen[i] for i in rng.choice(len(chosen), cells, replace=False)]
    result = {}
    for cell in chosen:
        h = step * max(1.0, abs(X[cell]))
        upper, lower = X.copy(), X.copy()
        upper[cell] += h
        lower[cell] -= h
        # the step that was really taken, after rounding
        result[cell] = (loss(upper) - loss(lower)) / (upper[cell] - lower[cell])
    return result


def _compare(
    name: str, gradient: np.ndarray, X: Any, difference: Mapping[tuple[int, int], float], tolerance: float, seed: int
) -> float:
    shape = np.shape(X)
    if gradient.shape != shape:
        raise GradientError(f"d{name} is {_size(gradient.shape)}, but {name} is {_size(shape)}")
    scale = max([abs(d) for d in difference.values()] + [float(np.abs(gradient).max(initial=0.0)), 1e-10])
    worst, error = None, 0.0
    for cell, d in difference.items():
        relative = float(abs(gradient[cell] - d) / scale)
        if not relative <= error:  # NaN counts as worst
            worst, error = cell, relative
    if worst is not None and not error <= tolerance:
        row, column = worst
        raise GradientError(
            f"d{name}[{row + 1},{column + 1}] is {gradient[worst]:.10g}, central differences give {difference[worst]:.10g}: "
            f"relative error {error:.2g} > {tolerance:g} (seed={seed})"
        )
    return error


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a scalar"


def _dense(value: Any) -> np.ndarray:
    return value.toarray() if hasattr(value, "toarray") else np.asarray(value, dtype=np.float64)


def _call(function: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Call a DML function with those of the arguments that it has; its results by name."""
    signature = function.dml_signature
    known = {p.name for p in signature.params}
    result = function(**{name: value for name, value in arguments.items() if name in known})
    names = [name for name, _ in signature.results]
    if len(names) == 1:
        return {names[0]: result}
    return dict(zip(names, result, strict=True))
