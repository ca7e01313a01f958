"""Arithmetic of DML scalars (Python int, float, bool, str), for the operators' meaning and for emitted code.

Emitted code writes plain Python where that means the same (`a + b` of two doubles) and calls these functions elsewhere, so
they check nothing that the type rules have proved.  Ints are 64 bits wide as in SystemDS.

Where we differ from SystemDS: it computes int `*`, `%%` and `%/%` in doubles, so that results beyond 2^53 lose digits; here they
are exact.
"""

from __future__ import annotations

import builtins
import math
from typing import Any, NoReturn

from pydml.diagnostics import fail
from pydml.signature import article
from pydml.values.storage import is_matrix, to_dense
from pydml.values.text import parse_double, scalar_text
from pydml.values.typing import type_of

INT_MAX = 2**63 - 1
INT_MIN = -(2**63)
_TWO_64 = 2**64

inf = math.inf
nan = math.nan


# ---- int


def int_add(a: int, b: int) -> int:
    """a + b, wrapping around at 64 bits."""
    r = a + b
    return r if INT_MIN <= r <= INT_MAX else _wrap(r)


def int_sub(a: int, b: int) -> int:
    """a - b, wrapping around at 64 bits."""
    r = a - b
    return r if INT_MIN <= r <= INT_MAX else _wrap(r)


def int_mul(a: int, b: int) -> int:
    """a * b.  Raises DMLError "overflow" beyond 64 bits."""
    r = a * b
    if INT_MIN <= r <= INT_MAX:
        return r
    _overflow("*", a, b)


def int_mod(a: int, b: int) -> int:
    """Remainder with the sign of the dividend; 0 for a divisor of 0, as in SystemDS."""
    if b == 0:
        return 0
    r = abs(a) % abs(b)
    return -r if a < 0 else r


def int_idiv(a: int, b: int) -> int:
    """Quotient truncated toward zero.  Raises DMLError "overflow" for a divisor of 0."""
    if b == 0:
        fail("overflow", f"%/%: integer division of {a} by 0", help="as.double() of an operand gives Infinity instead")
    q = abs(a) // abs(b)
    if (a < 0) != (b < 0):
        return -q
    return q if q <= INT_MAX else _overflow("%/%", a, b)


def int_neg(a: int) -> int:
    """-a, wrapping around at 64 bits."""
    return -a if a != INT_MIN else a


def _wrap(r: int) -> int:
    return (r - INT_MIN) % _TWO_64 + INT_MIN


def _overflow(operator: str, a: int, b: int) -> NoReturn:
    fail(
        "overflow",
        f"{operator}: numerical result overflow: {a} {operator} {b} does not fit in a 64-bit int",
        help="use doubles, for example as.double(x) or a factor such as 2.0",
    )


# ---- double


def divide(a: float, b: float) -> float:
    """a / b as a double; x / 0 is an infinity, 0 / 0 is NaN, for ints too."""
    try:
        return a / b
    except ZeroDivisionError:
        if a > 0 or a < 0:
            return math.copysign(inf, a) * math.copysign(1.0, b)
        return nan


def power(a: float, b: float) -> float:
    """a ^ b as a double, as Java's Math.pow: never complex, overflow is an infinity, 1 ^ NaN is NaN; x ^ 2 is x * x."""
    if b == 2:
        a = float(a)
        return a * a
    try:
        r = math.pow(a, b)
    except ValueError:
        if a != 0:
            return nan  # negative base, fractional exponent
        return -inf if math.copysign(1.0, a) < 0 and b % 2 == 1 else inf
    except OverflowError:
        return -inf if a < 0 and b % 2 == 1 else inf
    if r == 1.0 and b - b != 0:  # C: 1 ^ NaN = 1, (-1) ^ Inf = 1
        return nan
    return r


def mod(a: float, b: float) -> float:
    """a - trunc(a / b) * b: the sign of the dividend; NaN for b = 0 and b = Inf."""
    q = divide(a, b)
    if q - q != 0:
        return nan
    return a - float(math.trunc(q)) * b


def idiv(a: float, b: float) -> float:
    """a / b truncated toward zero, within the range of a 64-bit int as in SystemDS; an infinite or NaN quotient stays."""
    q = divide(a, b)
    if q - q != 0:
        return q
    if -9.2e18 < q < 9.2e18:
        return float(math.trunc(q))
    return max(-9223372036854775808.0, min(9223372036854775808.0, q))


def round(x: float) -> float:
    """The nearest integer as a double, halves upward: -1.5 gives -1.0.  NaN and infinities stay."""
    if x - x != 0:
        return float(x)
    f = math.floor(x)
    return float(f + 1 if x - f >= 0.5 else f)


# ---- strings and comparison


def concat(a: Any, b: Any) -> str:
    """The texts of two scalars joined: `"x" + 3.0` is `x3.0`.  A 1 x 1 matrix stands for its cell."""
    return (a if type(a) is str else text(a)) + (b if type(b) is str else text(b))


def text(value: Any) -> str:
    """A scalar, or the cell of a 1 x 1 matrix, as `+` joins it to a text."""
    if type(value) in (int, float, bool, str):
        return scalar_text(value)
    if is_matrix(value) and value.shape == (1, 1):
        return scalar_text(float(to_dense(value)[0, 0]))
    fail(
        "type",
        f"+: a string can only be joined with a scalar, got {article(str(type_of(value)))}",
        help="use toString(X), or as.scalar(X) for a 1 x 1 matrix",
    )


_COMPARE = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def compare(op: str, a: Any, b: Any) -> bool:
    """Compare two scalars.  With a string, the other operand is rendered first, and the order is that of UTF-16 code units."""
    if type(a) is str or type(b) is str:
        a = a if type(a) is str else scalar_text(a)
        b = b if type(b) is str else scalar_text(b)
        if not (a.isascii() and b.isascii()):
            a, b = a.encode("utf-16-be", "surrogatepass"), b.encode("utf-16-be", "surrogatepass")
    return _COMPARE[op](a, b)


def truth(x: Any) -> bool:
    """The value of a predicate: a number is true unless it is 0 (NaN is true)."""
    cls = type(x)
    if cls is bool:
        return x
    if cls is int or cls is float:
        return x != 0
    if cls is str:
        fail("type", "a condition must be a boolean or a number, got a string", help="compare it, or use as.logical()")
    shape = getattr(x, "shape", None)
    if shape is not None:
        fail(
            "type",
            f"a condition must be a scalar, got a {shape[0]} x {shape[1]} matrix",
            help="use as.scalar() for a 1 x 1 matrix, or sum(...) > 0",
        )
    fail("type", "a condition must be a boolean or a number")


# ---- conversion


def to_int(x: Any) -> int:
    """A number as an index or a size: truncated toward zero; NaN gives 0, infinities the ends of the 64-bit range.

    The magnitude is first increased by 2^-53 as in SystemDS, which matters for the double just below 1 only.
    """
    if type(x) is int:
        return x
    if isinstance(x, float):
        if -9223372036854775808.0 < x < 9223372036854775808.0:
            return int(x + 1.1102230246251565e-16) if x >= 0 else int(x - 1.1102230246251565e-16)
        return INT_MAX if x > 0 else INT_MIN if x < 0 else 0
    if isinstance(x, (bool, int)):
        return int(x)
    if hasattr(x, "shape"):
        fail("type", "a number is needed here, got a matrix", help="use as.scalar() for a 1 x 1 matrix")
    fail("type", f"a number is needed here, got {_described(x)}")


def _parsed(function: str, text: str) -> float:
    value = parse_double(text)
    if value is None:
        fail("value", f'{function}: "{text}" is not a number')
    return value


def cast_int(x: Any) -> int:
    """`as.integer(x)`: truncates; TRUE is 1; a string is read as a number first."""
    return to_int(_parsed("as.integer", x)) if type(x) is str else to_int(x)


def cast_double(x: Any) -> float:
    """`as.double(x)`: TRUE is 1.0; a string is read as a number."""
    if type(x) is str:
        return _parsed("as.double", x)
    if isinstance(x, (int, float)):
        return float(x)
    fail("type", f"as.double: a scalar is needed, got {_described(x)}")


def cast_boolean(x: Any) -> bool:
    """`as.logical(x)`: a number is true unless it is 0 (NaN is true); of the texts, `TRUE` and `true` are true."""
    if type(x) is str:
        return x in ("TRUE", "true")
    if isinstance(x, (int, float)):
        return bool(x != 0)
    fail("type", f"as.logical: a scalar is needed, got {_described(x)}")


def _described(x: Any) -> str:
    if type(x) is str:
        return f'the string "{x}"'
    shape = getattr(x, "shape", None)
    return "a matrix" if shape is not None else builtins.type(x).__name__.lower()
