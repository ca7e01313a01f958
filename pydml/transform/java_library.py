"""What expressions over cells may call of Java: methods by the type of their target, static functions, and constants.

Each name has alternatives: types of the arguments, type of the result, and the function of Python that does it, mostly one of
`java`.  `expressions` chooses the alternative that fits.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from pydml.transform import java
from pydml.transform.java import text_of

Alternatives = list[tuple[tuple[str, ...], str, Callable[..., Any]]]
_S, _I, _B, _C, _D, _L = "String", "int", "boolean", "char", "double", "long"

_STRING_METHODS: dict[str, Alternatives] = {
    "length": [((), _I, len)],
    "isEmpty": [((), _B, operator.not_)],
    "isBlank": [((), _B, lambda s: not s.strip())],
    "toUpperCase": [((), _S, str.upper)],
    "toLowerCase": [((), _S, str.lower)],
    "trim": [((), _S, java.strip_controls)],
    "strip": [((), _S, str.strip)],
    "stripLeading": [((), _S, str.lstrip)],
    "stripTrailing": [((), _S, str.rstrip)],
    "charAt": [((_I,), _C, java.char_at)],
    "substring": [((_I,), _S, java.substring), ((_I, _I), _S, java.substring)],
    "subSequence": [((_I, _I), _S, java.substring)],
    "indexOf": [
        ((_S,), _I, java.index_of),
        ((_I,), _I, java.index_of),
        ((_S, _I), _I, java.index_of),
        ((_I, _I), _I, java.index_of),
    ],
    "lastIndexOf": [((_S,), _I, java.last_index_of), ((_I,), _I, java.last_index_of)],
    "contains": [((_S,), _B, lambda s, t: t in s)],
    "startsWith": [((_S,), _B, str.startswith), ((_S, _I), _B, lambda s, t, i: i >= 0 and s.startswith(t, i))],
    "endsWith": [((_S,), _B, str.endswith)],
    "equals": [(("Object",), _B, lambda s, t: s == t)],
    "equalsIgnoreCase": [((_S,), _B, lambda s, t: t is not None and s.casefold() == t.casefold())],
    "contentEquals": [((_S,), _B, operator.eq)],
    "compareTo": [((_S,), _I, java.compare_to)],
    "compareToIgnoreCase": [((_S,), _I, lambda s, t: java.compare_to(s.lower(), t.lower()))],
    "matches": [((_S,), _B, lambda s, p: java.regex(p).fullmatch(s) is not None)],
    "replace": [
        ((_S, _S), _S, str.replace),
        ((_C, _C), _S, lambda s, a, b: s.replace(chr(a), chr(b))),
    ],
    "replaceAll": [((_S, _S), _S, java.replace_all)],
    "replaceFirst": [((_S, _S), _S, java.replace_first)],
    "split": [((_S,), "String[]", java.split), ((_S, _I), "String[]", java.split)],
    "concat": [((_S,), _S, operator.add)],
    "repeat": [((_I,), _S, java.repeat)],
    "hashCode": [((), _I, java.hash_code)],
    "toString": [((), _S, str)],
    "intern": [((), _S, str)],
    "toCharArray": [((), "char[]", lambda s: list(map(ord, s)))],
    "getBytes": [((), "byte[]", lambda s: [java.signed(b, 8) for b in s.encode()])],
    "chars": [((), "IntStream", lambda s: list(map(ord, s)))],
}
_STREAM_METHODS: dict[str, Alternatives] = {
    "count": [((), _L, len)],
    "sum": [((), _I, lambda chars: java.int32(sum(chars)))],
    "distinct": [((), "IntStream", lambda chars: list(dict.fromkeys(chars)))],
    "sorted": [((), "IntStream", sorted)],
    "limit": [((_L,), "IntStream", lambda chars, n: chars[:n])],
    "skip": [((_L,), "IntStream", lambda chars, n: chars[n:])],
    "toArray": [((), "int[]", list)],
}
_BUILDER_METHODS: dict[str, Alternatives] = {
    "reverse": [((), "StringBuilder", lambda b: b[::-1])],
    "append": [((_S,), "StringBuilder", lambda b, s: b + text_of(s, _S))],
    "toString": [((), _S, str)],
    "length": [((), _I, len)],
    "charAt": [((_I,), _C, java.char_at)],
}
BOXED_METHODS: dict[str, Alternatives] = {
    "intValue": [((), _I, lambda x: java.truncate(float(x), -(2**31), 2**31 - 1))],
    "longValue": [((), _L, lambda x: java.truncate(float(x), -(2**63), 2**63 - 1))],
    "doubleValue": [((), _D, float)],
}
STATIC: dict[str, dict[str, Alternatives]] = {
    "Integer": {
        "parseInt": [((_S,), _I, java.parse_int)],
        "valueOf": [((_S,), _I, java.parse_int), ((_I,), _I, int)],
        "toString": [((_I,), _S, str)],
        "toHexString": [((_I,), _S, lambda x: format(x & 0xFFFFFFFF, "x"))],
        "toBinaryString": [((_I,), _S, lambda x: format(x & 0xFFFFFFFF, "b"))],
        "compare": [((_I, _I), _I, lambda x, y: (x > y) - (x < y))],
        "max": [((_I, _I), _I, max)],
        "min": [((_I, _I), _I, min)],
        "sum": [((_I, _I), _I, lambda x, y: java.int32(x + y))],
    },
    "Long": {
        "parseLong": [((_S,), _L, java.parse_long)],
        "valueOf": [((_S,), _L, java.parse_long), ((_L,), _L, int)],
        "toString": [((_L,), _S, str)],
        "compare": [((_L, _L), _I, lambda x, y: (x > y) - (x < y))],
    },
    "Double": {
        "parseDouble": [((_S,), _D, java.parse_real)],
        "valueOf": [((_S,), _D, java.parse_real), ((_D,), _D, float)],
        "toString": [((_D,), _S, lambda x: text_of(x, "double"))],
        "isNaN": [((_D,), _B, math.isnan)],
        "isInfinite": [((_D,), _B, math.isinf)],
        "compare": [((_D, _D), _I, lambda x, y: (x > y) - (x < y))],
    },
    "Float": {
        "parseFloat": [((_S,), "float", lambda s: float(np.float32(java.parse_real(s))))],
        "toString": [(("float",), _S, lambda x: text_of(x, "float"))],
    },
    "Boolean": {
        "parseBoolean": [((_S,), _B, lambda s: s is not None and s.lower() == "true")],
        "valueOf": [((_S,), _B, lambda s: s is not None and s.lower() == "true"), ((_B,), _B, bool)],
        "toString": [((_B,), _S, lambda x: text_of(x, "boolean"))],
    },
    "Character": {
        "isDigit": [((_C,), _B, lambda c: chr(c).isdecimal())],
        "isLetter": [((_C,), _B, lambda c: chr(c).isalpha())],
        "isLetterOrDigit": [((_C,), _B, lambda c: chr(c).isalpha() or chr(c).isdecimal())],
        "isAlphabetic": [((_I,), _B, lambda c: chr(c).isalpha())],
        "isUpperCase": [((_C,), _B, lambda c: chr(c).isupper())],
        "isLowerCase": [((_C,), _B, lambda c: chr(c).islower())],
        "isWhitespace": [((_C,), _B, lambda c: chr(c).isspace() and c not in (0xA0, 0x2007, 0x202F))],
        "toUpperCase": [((_C,), _C, lambda c: ord(chr(c).upper()) if len(chr(c).upper()) == 1 else c)],
        "toLowerCase": [((_C,), _C, lambda c: ord(chr(c).lower()) if len(chr(c).lower()) == 1 else c)],
        "toString": [((_C,), _S, chr)],
        "getNumericValue": [((_C,), _I, lambda c: int(chr(c), 36) if chr(c).isalnum() and c < 128 else -1)],
    },
    "Math": {
        "abs": [((t,), t, lambda x, t=t: java.wrapped(abs(x), t)) for t in (_I, _L, "float", _D)],
        "max": [((t, t), t, max) for t in (_I, _L, "float", _D)],
        "min": [((t, t), t, min) for t in (_I, _L, "float", _D)],
        "round": [
            (("float",), _I, lambda x: java.truncate(java.half_up(x), -(2**31), 2**31 - 1)),
            ((_D,), _L, java.half_up),
        ],
        "floor": [((_D,), _D, lambda x: float(np.floor(x)))],
        "ceil": [((_D,), _D, lambda x: float(np.ceil(x)))],
        "rint": [((_D,), _D, lambda x: float(np.rint(x)))],
        "signum": [((_D,), _D, lambda x: float(np.sign(x)))],
        "pow": [((_D, _D), _D, lambda x, y: float(np.float64(x) ** y))],
        "floorMod": [((_I, _I), _I, lambda x, y: x % y)],
        **{
            name: [((_D,), _D, lambda x, f=f: float(f(np.float64(x))))]
            for name, f in {
                "sqrt": np.sqrt,
                "cbrt": np.cbrt,
                "exp": np.exp,
                "log": np.log,
                "log10": np.log10,
                "log1p": np.log1p,
                "expm1": np.expm1,
                "sin": np.sin,
                "cos": np.cos,
                "tan": np.tan,
                "asin": np.arcsin,
                "acos": np.arccos,
                "atan": np.arctan,
                "sinh": np.sinh,
                "cosh": np.cosh,
                "tanh": np.tanh,
                "toRadians": np.radians,
                "toDegrees": np.degrees,
            }.items()
        },
    },
    "UtilFunctions": {
        "jaccardSim": [((_S, _S), _D, java.jaccard_similarity)],
        "getWordErrorRate": [((_S, _S), _D, java.word_error_rate)],
        "splitRecodeEntry": [((_S,), "String[]", java.split_recode_entry)],
        "getAsciiAtIdx": [((_S, _I), _I, java.ascii_at)],
        "getSplittedStringAsArray": [((_S,), "String[]", lambda s: java.split(s, ","))],
        "isBoolean": [((_S,), _B, java.is_boolean)],
        "isIntegerNumber": [((_S,), _B, java.is_integer)],
        "quote": [((_S,), _S, java.quote)],
        "unquote": [((_S,), _S, java.unquote)],
        "compareVersion": [((_S, _S), _I, java.compare_version)],
        "toMillis": [((_S,), _L, java.to_millis), ((_S, _S), _L, java.to_millis)],
        "dateFormat": [
            ((_S, _S), _S, java.date_text),
            ((_S, _S, _S), _S, java.date_text),
            ((_L, _S), _S, java.millis_text),
        ],
        "addTimeToDate": [((_S, _I, _S), _S, java.add_time)],
        "parseToInt": [((_S,), _I, java.parse_int)],
        "parseToLong": [((_S,), _L, java.parse_long)],
        "columnStringToCSVString": [((_S, _S), _S, lambda s, sep: s.replace("\xb7", sep))],
    },
    "String": {
        "valueOf": [((t,), _S, lambda x, t=t: text_of(x, t)) for t in (_C, _I, _L, "float", _D, _B, _S, "char[]")],
    },
    "Objects": {"equals": [(("Object", "Object"), _B, operator.eq)]},
}
CONSTANTS = {
    ("Integer", "MAX_VALUE"): (_I, 2**31 - 1),
    ("Integer", "MIN_VALUE"): (_I, -(2**31)),
    ("Long", "MAX_VALUE"): (_L, 2**63 - 1),
    ("Long", "MIN_VALUE"): (_L, -(2**63)),
    ("Double", "NaN"): (_D, math.nan),
    ("Double", "POSITIVE_INFINITY"): (_D, math.inf),
    ("Double", "NEGATIVE_INFINITY"): (_D, -math.inf),
    ("Math", "PI"): (_D, math.pi),
    ("Math", "E"): (_D, math.e),
}
METHODS = {"String": _STRING_METHODS, "StringBuilder": _BUILDER_METHODS, "IntStream": _STREAM_METHODS}
