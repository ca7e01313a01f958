"""Values of Python programs to run-time values and back; texts of `$` parameters to values.

    Python                                    DML
    bool, int, float, str, NumPy scalars      boolean, int, double, string
    array of two dimensions                   matrix (float64 is not copied)
    SciPy sparse matrix or array              matrix; comes back as csr_array
    DataFrame of pandas                       frame (see `data_frame`)
    list, tuple                               list
    dict with str keys                        list with names

What a program got from its caller is never written to: arrays go in as read-only views.  What it gives back is the
caller's own: memory that anybody else can see is copied first.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pydml.diagnostics import fail
from pydml.signature import article
from pydml.values.frame import Frame
from pydml.values.list import List
from pydml.values.storage import Sparse
from pydml.values.text import parse_double

# ---- into DML


def to_dml(value: Any, name: str, dtype: Any = np.float64) -> Any:
    """The run-time value for a value of a Python program.

    name: what messages call it.  dtype: the precision of the run.  Raises DMLError "argument-type" or "value".
    """
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        number = int(value)
        if not -(2**63) <= number < 2**63:
            fail("value", f"{name}: {number} does not fit in the 64 bits of a DML int", help="pass a float")
        return number
    if isinstance(value, (float, np.floating)):
        return float(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, np.ndarray):
        return _dense(value, name, dtype)
    if isinstance(value, (list, tuple)):
        return List([to_dml(item, f"{name}[{i}]", dtype) for i, item in enumerate(value)])
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                fail("argument-type", f"{name}: the names of a list must be strings, got {key!r}")
        return List([to_dml(item, f"{name}[{key!r}]", dtype) for key, item in value.items()], list(value))
    if isinstance(value, (List, Sparse, Frame)):
        return value
    scipy_sparse = sys.modules.get("scipy.sparse")  # if nobody has imported it, this is no value of it
    if scipy_sparse is not None and scipy_sparse.issparse(value):
        return _sparse(value, name, dtype)
    pandas = sys.modules.get("pandas")
    if isinstance(value, getattr(pandas, "DataFrame", ())):
        from pydml.values.data_frame import frame_of

        return frame_of(value, name)
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    if value is None:
        fail("argument-type", f"{name} is None, which DML does not have", help="leave the argument out")
    if hasattr(value, "to_numpy"):
        fail("argument-type", f"{name} is {article(kind)}", help=f"pass {name}.to_numpy(dtype=float)")
    if hasattr(value, "__array__"):
        try:
            array = np.asarray(value)
        except Exception as error:
            fail("argument-type", f"{name}: {article(kind)} cannot be read as an array: {error}")
        return to_dml(array, name, dtype)
    fail(
        "argument-type",
        f"{name} is {article(kind)}, which is no DML value",
        help="pass a number, a bool, a str, a NumPy array, a SciPy sparse matrix, a DataFrame, a list or a dict",
    )


def _dense(array: np.ndarray, name: str, dtype: Any) -> Any:
    if isinstance(array, np.ma.MaskedArray):
        fail("argument-type", f"{name} is a masked array", help="fill it first, for example with array.filled(np.nan)")
    array = np.asarray(array)
    if array.dtype.kind not in "fiub":
        fail("argument-type", f"{name} is an array of {array.dtype}; a matrix holds real numbers")
    if array.ndim == 0:
        return to_dml(array[()], name, dtype)
    if array.ndim == 1:
        n = len(array)
        fail(
            "argument-type",
            f"{name} has one dimension ({n} {'value' if n == 1 else 'values'}); a matrix has two",
            help=f"write {name}[:, None] for a column or {name}[None, :] for a row",
        )
    if array.ndim > 2:
        fail(
            "argument-type",
            f"{name} has {array.ndim} dimensions ({' x '.join(map(str, array.shape))}); a matrix has two",
            help=f"images are rows: {name}.reshape(len({name}), -1)",
        )
    if array.dtype.kind in "iu" and array.dtype.itemsize == 8 and array.size and not _exact(array):
        fail("value", f"{name} holds integers beyond 2^53, which a matrix of doubles cannot hold exactly")
    if array.dtype != dtype or not array.flags.aligned:
        return array.astype(dtype, order="C")
    view = array.view()
    view.flags.writeable = False
    return view


def _exact(integers: np.ndarray) -> bool:
    return int(integers.min()) >= -(2**53) and int(integers.max()) <= 2**53


def _sparse(matrix: Any, name: str, dtype: Any) -> Sparse:
    from scipy.sparse import csr_matrix

    if matrix.ndim != 2:
        fail("argument-type", f"{name} is a sparse array of {matrix.ndim} dimension; a matrix has two")
    if matrix.dtype.kind not in "fiub":
        fail("argument-type", f"{name} is a sparse matrix of {matrix.dtype}; a matrix holds real numbers")
    # a new csr_matrix over the same memory, so that sorting and summing below do not touch the caller's
    own = csr_matrix(matrix, dtype=dtype)
    if not own.has_canonical_format:
        own = own.copy()
        own.sum_duplicates()
    result = csr_matrix(own.shape, dtype=dtype)
    result.data, result.indices, result.indptr = (_read_only(a) for a in (own.data, own.indices, own.indptr))
    result.has_sorted_indices = True
    result.has_canonical_format = True
    return Sparse(result)


def _read_only(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view


# ---- out of DML


class Exporter:
    """Run-time values to values for the caller, who may write into them.

    One exporter serves one set of results: two results never share memory, nor does one share it with an input.
    """

    def __init__(self) -> None:
        self._given: set[int] = set()

    def __call__(self, value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return self._own(value)
        if isinstance(value, Sparse):
            from scipy.sparse import csr_array

            csr = value.csr
            parts = (self._own(csr.data), self._own(csr.indices), self._own(csr.indptr))
            return csr_array(parts, shape=csr.shape)
        if isinstance(value, List):
            items = [self(item) for item in value.items]
            names = value.names
            if names is not None and None not in names and len(set(names)) == len(names):
                return dict(zip(names, items, strict=True))
            return items
        if isinstance(value, Frame):
            from pydml.values.data_frame import table_of

            return table_of(value)
        if hasattr(value, "to_dense"):
            return value.to_dense()
        return value

    def _own(self, array: np.ndarray) -> np.ndarray:
        root = array
        while isinstance(root.base, np.ndarray):
            root = root.base
        if not array.flags.writeable or id(root) in self._given or root.base is not None:
            return array.copy()
        # A part keeps the whole alive; where that is much larger, the caller should not pay for it.
        if root.nbytes > 2 * array.nbytes:
            return array.copy()
        self._given.add(id(root))
        return array


# ---- `$` parameters

_ESCAPES = {"\\b": "\b", "\\t": "\t", "\\n": "\n", "\\f": "\f", "\\r": "\r", "\\'": "'", '\\"': '"'}


def parameter_value(text: str) -> bool | int | float | str:
    """The value of a `$` parameter from its text on the command line.

    `TRUE` and `FALSE` are booleans; what Java reads as a 64-bit int or as a double is a number (`2d` is 2.0); the rest is
    a string, from which one pair of quotes around it is taken.  Same as SystemDS.
    """
    if text in ("TRUE", "FALSE"):
        return text == "TRUE"
    digits = text[1:] if text[:1] in ("+", "-") else text
    if digits.isascii() and digits.isdecimal() and -(2**63) <= int(text) < 2**63:
        return int(text)
    number = parse_double(text)
    if number is not None:
        return number
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1]
    for escape, character in _ESCAPES.items():
        text = text.replace(escape, character)
    return text


_PARAMETER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def named_argument(text: str) -> tuple[str, str] | None:
    """Name and value of an argument of the form name=value."""
    name, equals, value = text.partition("=")
    return (name, value) if equals and _PARAMETER_NAME.fullmatch(name) else None


def parameter_values(args: Sequence[str], nvargs: Mapping[str, str]) -> dict[str, bool | int | float | str]:
    """The values of `$` parameters: `$1`, `$2`, ... for args, `$name` for nvargs and for args of the form name=value.

    An empty value counts as not given, as in SystemDS.
    """
    texts: dict[str, str] = {}
    for position, text in enumerate(args, 1):
        texts[str(position)] = text
        named = named_argument(text)
        if named is not None:
            texts[named[0]] = named[1]
    texts.update(nvargs)
    return {name: parameter_value(text) for name, text in texts.items() if text}
