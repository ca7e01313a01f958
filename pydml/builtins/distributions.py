"""Distribution functions of the normal, exponential, chi-squared, F and Student's t distribution, and their inverses.

The target is a number.  SciPy's special functions are imported by the first call.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from pydml.builtins.registry import Builtin, builtin
from pydml.diagnostics import fail
from pydml.types import DOUBLE_SCALAR, Type

_PARAMETERS = {"normal": ("mean", "sd"), "exp": ("rate",), "chisq": ("df",), "f": ("df1", "df2"), "t": ("df",)}
_NAMES = ("mean", "sd", "rate", "df", "df1", "df2")
_DEFAULTS = {"mean": 0.0, "sd": 1.0, "rate": 1.0}


def _parameters(function: str, dist: str, given: dict[str, float | None]) -> list[float]:
    """The values of the parameters that the distribution has, checked."""
    values = []
    for name in _PARAMETERS[dist]:
        value = given.get(name)
        value = _DEFAULTS.get(name) if value is None else float(value)
        if value is None:
            fail("call", f"{function}: the argument {name} is missing", help=f"the {dist} distribution needs it")
        if name != "mean" and not value > 0:
            fail("value", f"{function}: {name} must be positive, got {value:g}")
        values.append(value)
    return values


def _cumulative(dist: str, x: float, p: list[float], lower: bool) -> float:
    """P(X <= x), or P(X > x) if not lower."""
    from scipy import special

    if dist == "normal":
        z = (x - p[0]) / p[1]
        return float(special.ndtr(z if lower else -z))
    if dist == "t":
        return float(special.stdtr(p[0], x if lower else -x))
    if not x > 0:
        return x if math.isnan(x) else float(not lower)
    if dist == "exp":
        return -math.expm1(-p[0] * x) if lower else math.exp(-p[0] * x)
    if dist == "chisq":
        return float((special.chdtr if lower else special.chdtrc)(p[0], x))
    return float((special.fdtr if lower else special.fdtrc)(p[0], p[1], x))


def _inverse(dist: str, q: float, p: list[float]) -> float:
    """x with P(X <= x) = q."""
    from scipy import special

    if dist == "normal":
        return float(p[0] + p[1] * special.ndtri(q))
    if dist == "t":
        return float(special.stdtrit(p[0], q)) if 0 < q < 1 else math.copysign(math.inf, q - 0.5)
    if q in (0, 1):
        return math.inf if q else 0.0
    if dist == "exp":
        return -math.log1p(-q) / p[0]
    if dist == "chisq":
        return float(2 * special.gammaincinv(p[0] / 2, q))
    return float(special.fdtri(p[0], p[1], q))


def _run(function: str, dist: str, inverse: bool, target: float, given: dict[str, float | None], lower: bool) -> float:
    values = _parameters(function, dist, given)
    if not inverse:
        return _cumulative(dist, float(target), values, lower)
    if not 0 <= target <= 1:
        fail("value", f"{function}: a probability must be from 0 to 1, got {target:g}")
    return _inverse(dist, float(target), values)


def _distribution(function: str, dist: str) -> None:
    if dist not in _PARAMETERS:
        fail("value", f'{function}: there is no distribution "{dist}"', help=f"use one of {', '.join(_PARAMETERS)}")


def _any_type(function: str) -> Callable[..., Type]:
    def rule(target: Type, dist: Type, *parameters: Type) -> Type:
        if isinstance(dist.const, str):
            _distribution(function, dist.const)
            for name in _PARAMETERS[dist.const]:
                if name not in _DEFAULTS and parameters[_NAMES.index(name)].data == "null":
                    fail(
                        "call",
                        f"{function}: the argument {name} is missing",
                        help=f"the {dist.const} distribution needs it",
                    )
        return DOUBLE_SCALAR

    return rule


_ALL = ", ".join(f"{name}: number = NULL" for name in _NAMES)


@builtin(f"cdf(target: number, dist: string, {_ALL}, lower.tail: boolean = TRUE) -> double", infer=_any_type("cdf"))
def cdf(target, dist, mean, sd, rate, df, df1, df2, lower_tail):
    """P(X <= target) for a random variable with distribution `dist`; P(X > target) with lower.tail=FALSE.

    dist: normal (mean=0, sd=1), exp (rate=1), chisq (df), f (df1, df2) or t (df).
    """
    given = dict(zip(_NAMES, (mean, sd, rate, df, df1, df2), strict=True))
    return _run("cdf", dist, False, target, given, lower_tail)


cdf.case('cdf(target=0, dist="normal")', "0.5")
cdf.case('round(10000 * cdf(target=1.5, dist="exp", rate=2))', "9502.0")
cdf.case('round(10000 * cdf(target=1.5, dist="f", df1=3, df2=4, lower.tail=FALSE))', "3429.0")
cdf.fails('cdf(target=1.5, dist="gamma")', "value", "there is no distribution")
cdf.fails('cdf(target=1.5, dist="chisq")', "call", "the argument df is missing")


@builtin(f"icdf(target: number, dist: string, {_ALL}) -> double", infer=_any_type("icdf"), aliases=["invcdf"])
def icdf(target, dist, mean, sd, rate, df, df1, df2):
    """The quantile: x with P(X <= x) = target, 0 <= target <= 1.  Distributions and parameters as of cdf."""
    given = dict(zip(_NAMES, (mean, sd, rate, df, df1, df2), strict=True))
    return _run("icdf", dist, True, target, given, True)


icdf.case('icdf(target=0.5, dist="normal", mean=3)', "3.0")
icdf.case('round(10000 * icdf(target=0.3, dist="chisq", df=3))', "14237.0")
icdf.fails('icdf(target=1.5, dist="normal")', "value", "from 0 to 1, got 1.5")
icdf.fails('icdf(target=0.5, dist="normal", sd=-1)', "value", "sd must be positive, got -1")


def _declare(name: str, dist: str, inverse: bool, doc: str) -> Builtin:
    """Declare the shorthand for one distribution."""
    parameters = _PARAMETERS[dist]

    def meaning(target: float, *values: float) -> float:
        lower = True if inverse else bool(values[-1])
        return _run(name, dist, inverse, target, dict(zip(parameters, values, strict=False)), lower)

    meaning.__doc__ = doc
    texts = [f"{p}: number" + (f" = {_DEFAULTS[p]:g}" if p in _DEFAULTS else "") for p in parameters]
    if not inverse:
        texts.append("lower.tail: boolean = TRUE")
    declared = builtin(f"{name}(target: number, {', '.join(texts)}) -> double")(meaning)
    wrong = ", ".join(f"{p}=0" for p in parameters)
    declared.fails(f"{name}(target=0.5, {wrong})", "value", "must be positive, got 0")
    return declared


pnorm = _declare(
    "pnorm", "normal", False, "P(X <= target), X normal with this mean and sd; P(X > target) with lower.tail=FALSE."
)
pnorm.case("pnorm(target=0)", "0.5")
pnorm.case("round(10000 * pnorm(target=1.5, mean=1, sd=2, lower.tail=FALSE))", "4013.0")

qnorm = _declare("qnorm", "normal", True, "x with P(X <= x) = target, X normal with this mean and sd.")
qnorm.case("qnorm(target=0.5, mean=2)", "2.0")
qnorm.case("qnorm(target=0)", "-Infinity")

pexp = _declare(
    "pexp", "exp", False, "P(X <= target), X exponential with this rate; P(X > target) with lower.tail=FALSE."
)
pexp.case("round(10000 * pexp(target=1.5))", "7769.0")
pexp.case("pexp(target=-1)", "0.0")

qexp = _declare("qexp", "exp", True, "x with P(X <= x) = target, X exponential with this rate.")
qexp.case("round(10000 * qexp(target=0.3, rate=2))", "1783.0")
qexp.case("qexp(target=1)", "Infinity")

pchisq = _declare("pchisq", "chisq", False, "P(X <= target), X chi-squared with df degrees of freedom.")
pchisq.case("round(10000 * pchisq(target=1.5, df=3))", "3177.0")
pchisq.case("pchisq(target=-1, df=3)", "0.0")

qchisq = _declare("qchisq", "chisq", True, "x with P(X <= x) = target, X chi-squared with df degrees of freedom.")
qchisq.case("round(10000 * qchisq(target=0.3, df=3))", "14237.0")
qchisq.case("qchisq(target=0, df=3)", "0.0")

pf = _declare("pf", "f", False, "P(X <= target), X with the F distribution of df1 and df2 degrees of freedom.")
pf.case("round(10000 * pf(target=1.5, df1=3, df2=4))", "6571.0")
pf.case("pf(target=0, df1=3, df2=4, lower.tail=FALSE)", "1.0")

qf = _declare(
    "qf", "f", True, "x with P(X <= x) = target, X with the F distribution of df1 and df2 degrees of freedom."
)
qf.case("round(10000 * qf(target=0.3, df1=3, df2=4))", "5039.0")
qf.case("qf(target=0, df1=3, df2=4)", "0.0")

pt = _declare("pt", "t", False, "P(X <= target), X with Student's t distribution of df degrees of freedom.")
pt.case("pt(target=0, df=3)", "0.5")
pt.case("round(10000 * pt(target=-1.5, df=3, lower.tail=FALSE))", "8847.0")

qt = _declare("qt", "t", True, "x with P(X <= x) = target, X with Student's t distribution of df degrees of freedom.")
qt.case("round(10000 * qt(target=0.3, df=3))", "-5844.0")
qt.case("qt(target=1, df=3)", "Infinity")
