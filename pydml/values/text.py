"""Text of values and values of text: what `print`, `toString`, string concatenation, casts and files agree on.

`scalar_text` and `matrix_text` render values as SystemDS 3.4.0 on Java 17 does; `format_string` is the part of Java's
`String.format` that scripts use; `parse_double` reads numbers as Java does.  A value of another module (a frame) takes
part by a method `to_text(rows, cols, decimal, sparse, sep, linesep)`.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from pydml.diagnostics import fail
from pydml.types import Type
from pydml.values.list import List
from pydml.values.storage import Sparse, is_matrix, to_dense
from pydml.values.typing import type_of

if TYPE_CHECKING:
    from decimal import Decimal

# ---- scalars


def scalar_text(value: Any) -> str:
    """The printed form of an int, double, boolean or string.

    Doubles follow Java's `Double.toString`: plain from 1e-3 to 1e7, else `1.0E-5`; always with a fraction.
    """
    if isinstance(value, str):
        return value
    if value is True:
        return "TRUE"
    if value is False:
        return "FALSE"
    if isinstance(value, int):
        return str(value)
    return double_text(float(value))


def double_text(x: float) -> str:
    """`Double.toString` of Java 17.

    Python's shortest digits are Java's, except for powers of two, subnormal numbers and numbers from 2^53 on; those go
    through `_java_digits`.
    """
    size = abs(x)
    if 1e-3 <= size < 1e7:
        return repr(x)
    if x == 0:
        return "-0.0" if math.copysign(1.0, x) < 0 else "0.0"
    if x != x:
        return "NaN"
    if size == math.inf:
        return "Infinity" if x > 0 else "-Infinity"
    if 2.2250738585072014e-308 <= size < 2**53 and math.frexp(x)[0] not in (0.5, -0.5):
        mantissa, _, exponent = f"{size!r}".partition("e")
        whole, _, fraction = mantissa.partition(".")
        digits = (whole + fraction).lstrip("0")
        point = len(whole) + int(exponent or 0) if whole != "0" else len(digits) - len(fraction)
        digits = digits.rstrip("0")
    else:
        digits, point = _java_digits(size)
    sign = "-" if x < 0 else ""
    return f"{sign}{digits[0]}.{digits[1:] or '0'}E{point - 1}"


def _java_digits(x: float) -> tuple[str, int]:
    """Digits that Java up to 18 gives to x > 0, and the position of the decimal point: x = 0.d1d2... * 10^point.

    Java prints integers below 2^63 exactly, without the decimals that one unit in the last place makes meaningless.
    Other numbers get digits until the rest is smaller than half a unit in the last place, the ends excluded; at a power
    of two the smaller distance, to the number below, counts on both sides.  There are two digits at least.
    """
    numerator, denominator = x.as_integer_ratio()
    binary_exponent = math.frexp(x)[1] - 1
    if denominator == 1 and binary_exponent < 63:
        spare = max(0, binary_exponent - 54)
        dropped = int(spare * math.log10(2)) if spare > 1 else 0
        value = numerator
        if dropped:
            value, rest = divmod(numerator, 10**dropped)
            value += rest >= 10**dropped // 2
        text = str(value)
        return text.rstrip("0"), len(text) + dropped
    # x = rest / scale, half = margin / scale
    half = max(binary_exponent - 53, -1075)
    if math.frexp(x)[0] == 0.5:
        half -= 1
    shift = max(0, -half)
    rest, margin, scale = numerator * (2**shift // denominator), 2 ** (half + shift), 2**shift
    point = math.floor(math.log10(x)) + 1
    if point > 0:
        scale *= 10**point
    else:
        rest *= 10**-point
        margin *= 10**-point
    if rest >= scale:  # log10 was rounded down
        scale *= 10
        point += 1
    elif rest * 10 < scale:
        rest *= 10
        margin *= 10
        point -= 1
    digits = []
    low = high = False
    while not (low or high):
        rest *= 10
        margin *= 10
        digit, rest = divmod(rest, scale)
        digits.append(digit)
        if len(digits) > 1:
            low, high = rest < margin, rest + margin > scale
    if high and (not low or 2 * rest > scale or (2 * rest == scale and digits[-1] % 2)):
        rounded = str(int("".join(map(str, digits))) + 1)
        point += len(rounded) - len(digits)
        return rounded.rstrip("0"), point
    return "".join(map(str, digits)).rstrip("0"), point


_DOUBLE = re.compile(r"[+-]?(?:NaN|Infinity|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[fFdD]?)", re.A)
_HEX_DOUBLE = re.compile(r"([+-]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?\d+)[fFdD]?", re.A)
_BLANKS = "".join(map(chr, range(33)))


def parse_double(text: str) -> float | None:
    """The number that Java's `Double.parseDouble` reads from the text, or None.

    `NaN`, `Infinity`, `1.`, `.5`, `1e3`, `2d`, `0x1p-3` and blanks around are fine; `Inf`, `nan`, `1_000` and `0x10`
    are not.
    """
    text = text.strip(_BLANKS)
    if _DOUBLE.fullmatch(text):
        if text[-1] in "fFdD":
            text = text[:-1]
        return float(text)
    match = _HEX_DOUBLE.fullmatch(text)
    if match:
        try:
            return float.fromhex(match[1])
        except OverflowError:
            return -math.inf if text[0] == "-" else math.inf
    return None


# ---- matrices, lists, frames


def value_text(
    value: Any,
    rows: int = 100,
    cols: int = 100,
    decimal: int = 3,
    sparse: bool = False,
    sep: str = " ",
    linesep: str = "\n",
) -> str:
    """The text of any value, as `toString` gives it.  The sizes and separators matter to matrices and frames only."""
    if isinstance(value, (str, int, float)):
        return scalar_text(value)
    if is_matrix(value):
        return matrix_text(value, rows, cols, decimal, sparse, sep, linesep)
    if isinstance(value, List):
        return list_text(value)
    return value.to_text(rows, cols, decimal, sparse, sep, linesep)


def matrix_text(
    X: Any,
    rows: int = 100,
    cols: int = 100,
    decimal: int = 3,
    sparse: bool = False,
    sep: str = " ",
    linesep: str = "\n",
) -> str:
    """The first `rows` rows and `cols` columns (all for a negative number), `linesep` after each row.

    Cells have `decimal` decimals, rounded half to even from their exact value.  sparse: `row sep col sep value` for
    each non-zero cell.
    """
    rows, cols, decimal = rows if rows >= 0 else X.shape[0], cols if cols >= 0 else X.shape[1], max(decimal, 0)
    if sparse:
        return _sparse_text(X, rows, cols, decimal, sep, linesep)
    block = to_dense(Sparse(X.csr[:rows, :cols])) if type(X) is Sparse else to_dense(X)[:rows, :cols]
    if block.shape[0] == 0:
        return ""
    cell = f"%.{decimal}f"
    # beyond 15 digits Java shows zeros where Python goes on with the exact binary value
    if block.size == 0 or np.abs(block).max() < 10.0 ** (15 - decimal):
        line = sep.replace("%", "%%").join([cell] * block.shape[1]) + linesep.replace("%", "%%")
        return (line * block.shape[0]) % tuple(block.ravel().tolist())
    return "".join(sep.join(_cell_text(v, decimal) for v in row) + linesep for row in block.tolist())


def _cell_text(value: float, decimal: int) -> str:
    from decimal import Decimal

    text = double_text(value)
    if value - value != 0:
        return text
    digits = Decimal(text)
    if digits.as_tuple().exponent >= -decimal:
        return f"{digits:.{decimal}f}"
    return f"{value:.{decimal}f}"


def _sparse_text(X: Any, rows: int, cols: int, decimal: int, sep: str, linesep: str) -> str:
    if type(X) is Sparse:
        coo = X.csr[:rows, :cols].tocoo()
        i, j, values = coo.row, coo.col, coo.data
        kept = values != 0
        i, j, values = i[kept], j[kept], values[kept]
    else:
        block = to_dense(X)[:rows, :cols]
        i, j = np.nonzero(block)
        values = block[i, j]
    return "".join(
        f"{r + 1}{sep}{c + 1}{sep}{_cell_text(v, decimal)}{linesep}"
        for r, c, v in zip(i.tolist(), j.tolist(), values.tolist(), strict=True)
    )


def list_text(value: List) -> str:
    """`List containing:`, a new line and the elements in brackets; an empty list has no `[`, as in SystemDS."""
    if len(value) == 0:
        return "List containing:]"
    parts = []
    for item in value:
        if is_matrix(item):
            parts.append(f"\nMatrix:\n{matrix_text(item)}")
        else:
            parts.append(("\n" if hasattr(item, "to_text") else "") + value_text(item))
    return f"List containing:\n[{', '.join(parts)}]"


# ---- String.format

_WIDE = 1100  # decimals that are enough for all digits of a double
_SPECIFIER = re.compile(r"%(?:(\d+)\$|(<))?([-#+ 0,(]*)(\d+)?(?:\.(\d+))?([a-zA-Z%])?", re.A)


def format_string(format: str, args: tuple[Any, ...]) -> str:
    """The scalars `args` put into the format, as Java's `String.format` does in the US locale.

    Conversions: d o x for ints; f e g a for doubles; b s h for all (upper case too); %% and %n.  Flags `- + 0 , ( # `
    and blank, width, precision, `%2$s` and `%<s`.  Raises DMLError "argument-type" for arguments that do not fit.
    """
    result = []
    position = 0
    ordinary = 0
    last = -1
    while True:
        start = format.find("%", position)
        if start < 0:
            result.append(format[position:])
            return "".join(result)
        result.append(format[position:start])
        match = _SPECIFIER.match(format, start)
        assert match is not None
        explicit, again, flags, width, precision, conversion = match.groups()
        text = match[0]
        if conversion is None or conversion not in "dxXoeEfgGaAsSbBhH%n":
            bad = text if conversion else format[start : match.end() + 1]
            fail("argument-type", f"print: {bad} is not a format", help="known are %d %f %e %g %s %b %x %% %n")
        position = match.end()
        if conversion == "n":
            result.append("\n")
            continue
        if conversion == "%":
            result.append(_pad("%", flags, width))
            continue
        if again:
            index = last
        elif explicit:
            index = int(explicit) - 1
        else:
            index = ordinary
            ordinary += 1
        if not 0 <= index < len(args):
            fail("argument-type", f"print: there is no argument for {text} in the format {format!r}")
        last = index
        result.append(_format_one(text, conversion, flags, width, precision, args[index]))


def _format_one(text: str, conversion: str, flags: str, width: str | None, precision: str | None, value: Any) -> str:
    if not isinstance(value, (str, int, float)):
        fail("argument-type", f"print: {text} needs a scalar, got {type_of(value)}", help="use toString() for matrices")
    kind = conversion.lower()
    if kind in "dxo":
        if type(value) is not int:
            _wrong(text, "an int", value, "use as.integer(), or %f")
        if kind == "d":
            body = f"{abs(value):,}" if "," in flags else str(abs(value))
            body = _signed(body, value < 0, flags, width)
        else:
            body = format(value & (2**64 - 1), kind)
            if "#" in flags:
                body = ("0x" if kind == "x" else "0") + body
            if "0" in flags and width:
                body = body.zfill(int(width))
    elif kind in "fega":
        if not isinstance(value, float):
            _wrong(text, "a double", value, "use as.double(), or %d")
        body = _format_double(kind, value, flags, width, None if precision is None else int(precision))
    elif kind == "b":
        body = scalar_text(value).lower() if isinstance(value, bool) else "true"
        body = body if precision is None else body[: int(precision)]
    elif kind == "h":
        body = format(_java_hash(value), "x")
    else:
        body = scalar_text(value).lower() if isinstance(value, bool) else scalar_text(value)
        body = body if precision is None else body[: int(precision)]
    return _pad(body.upper() if conversion.isupper() else body, flags, width)


def _wrong(text: str, wanted: str, value: Any, help: str) -> None:
    found: Type = type_of(value)
    fail("argument-type", f"print: {text} needs {wanted}, got the {found.value} {scalar_text(value)}", help=help)


def _format_double(kind: str, x: float, flags: str, width: str | None, precision: int | None) -> str:
    from decimal import Context, Decimal

    if x != x:
        return "NaN"
    negative = math.copysign(1.0, x) < 0
    if abs(x) == math.inf:
        return _signed("Infinity", negative, flags.replace("0", "").replace(",", ""), width)
    if kind == "a":
        mantissa, _, exponent = abs(x).hex().partition("p")
        whole, _, fraction = mantissa.partition(".")
        return _signed(f"{whole}.{fraction.rstrip('0') or '0'}p{int(exponent)}", negative, flags, width)
    # Java rounds the digits that it would print, half up; not the exact binary value
    exact = Decimal(double_text(abs(x)))
    places = 6 if precision is None else precision
    if kind == "g":
        places = max(places, 1)
        rounded = _round(exact, places - 1 - (exact.adjusted() if exact else 0))
        if exact == 0 or Decimal("0.0001") <= rounded < Decimal(10) ** places:
            return _fixed(rounded, places - 1 - (rounded.adjusted() if exact else 0), negative, flags, width)
        kind, places = "e", places - 1
    if kind == "f":
        return _fixed(exact, places, negative, flags, width)
    exponent_value = exact.adjusted() if exact else 0
    rounded = _round(exact, places - exponent_value)
    if exact:
        exponent_value = rounded.adjusted()
    mantissa_text = format(
        rounded.scaleb(-exponent_value).quantize(Decimal(1).scaleb(-places), context=Context(_WIDE)), "f"
    )
    if places == 0 and "#" in flags:
        mantissa_text += "."
    sign = "-" if exponent_value < 0 else "+"
    return _signed(f"{mantissa_text}e{sign}{abs(exponent_value):02d}", negative, flags, width)


def _round(x: Decimal, places: int) -> Decimal:
    """x rounded half up to so many decimals, which may be negative."""
    from decimal import ROUND_HALF_UP, Context, Decimal

    if x.as_tuple().exponent >= -places:
        return x
    return x.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP, context=Context(_WIDE))


def _fixed(x: Decimal, places: int, negative: bool, flags: str, width: str | None) -> str:
    from decimal import ROUND_HALF_UP, Context, Decimal

    places = max(places, 0)
    body = format(
        x.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP, context=Context(_WIDE)),
        ",f" if "," in flags else "f",
    )
    if places == 0 and "#" in flags:
        body += "."
    return _signed(body, negative, flags, width)


def _signed(body: str, negative: bool, flags: str, width: str | None) -> str:
    """The digits with their sign; zeros fill the width where the flag 0 asks for it."""
    before = (
        "(" if negative and "(" in flags else "-" if negative else "+" if "+" in flags else " " if " " in flags else ""
    )
    after = ")" if before == "(" else ""
    if "0" in flags and width:
        body = body.rjust(int(width) - len(before) - len(after), "0")
    return before + body + after


def _pad(text: str, flags: str, width: str | None) -> str:
    if width is None:
        return text
    return text.ljust(int(width)) if "-" in flags else text.rjust(int(width))


def _java_hash(value: Any) -> int:
    """`hashCode` of the Java object that stands for the scalar, as an unsigned 32-bit number."""
    if isinstance(value, bool):
        return 1231 if value else 1237
    if isinstance(value, str):
        h = 0
        for unit in np.frombuffer(value.encode("utf-16-le"), np.uint16).tolist():
            h = (31 * h + unit) & 0xFFFFFFFF
        return h
    bits = value & (2**64 - 1) if isinstance(value, int) else int(np.float64(value).view(np.uint64))
    return (bits ^ (bits >> 32)) & 0xFFFFFFFF


__all__ = ["double_text", "format_string", "list_text", "matrix_text", "parse_double", "scalar_text", "value_text"]
