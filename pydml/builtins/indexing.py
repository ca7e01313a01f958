"""Right and left indexing: `X[rl:ru, cl:cu]` is the builtin "[]", `X[rl:ru, cl:cu] = value` is "[]=".

Indexes are 1-based and inclusive.  rl and ru are both NULL for all rows, cl and cu for all columns; a single index
comes twice. `X[i]` of a matrix is row i.  Lists use rl and ru only, and they may be names.  Ranges are never clipped:
outside, empty and reversed ones are errors (a reversed range of a list is empty, as in SystemDS).

A range of a matrix is a view: nobody may write into an array that has views.  The emitter calls `cell` for
`as.scalar(X[i, j])`, and `assign_in_place` for "[]=" where nobody else holds the matrix, which includes views of it. A
storage or a frame takes part by methods `right_index(r0, r1, c0, c1)` and `left_index(r0, r1, c0, c1, value)` with
0-based half-open ranges; sparse matrices have kernels in `backends.sparse.indexing`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pydml.builtins.registry import builtin
from pydml.diagnostics import fail
from pydml.types import BOOLEAN, FRAME, LIST, MATRIX, SCALAR, STRING, UNKNOWN, Type
from pydml.values import List, Sparse, is_matrix, to_dense, type_of
from pydml.values.arithmetic import to_int
from pydml.values.text import scalar_text

# ---- ranges


def bounds(X: Any, rl: Any, ru: Any, cl: Any, cu: Any) -> tuple[int, int, int, int]:
    """The 0-based half-open ranges (r0, r1, c0, c1) of a matrix or frame.  Raises DMLError "index"."""
    rows, cols = X.shape
    r0, r1, c0, c1 = 0, rows, 0, cols
    if rl is not None:
        r0 = (rl if type(rl) is int else _position(rl)) - 1
        r1 = ru if type(ru) is int else _position(ru)
        if not 0 <= r0 < r1 <= rows:
            _outside(X, rl, ru, cl, cu)
    if cl is not None:
        c0 = (cl if type(cl) is int else _position(cl)) - 1
        c1 = cu if type(cu) is int else _position(cu)
        if not 0 <= c0 < c1 <= cols:
            _outside(X, rl, ru, cl, cu)
    return r0, r1, c0, c1


def _position(index: Any) -> int:
    if type(index) is int:
        return index
    if isinstance(index, float):
        return to_int(index)
    if isinstance(index, str):
        fail(
            "argument-type", f"there is no element {index!r}: indexes of matrices and frames are numbers, got a string"
        )
    help = "use as.integer(i)" if isinstance(index, bool) else "use as.scalar(i)"
    fail("argument-type", f"an index must be a number, got a {type_of(index)}", help=help)


def _range_text(low: Any, high: Any) -> str:
    if low is None:
        return ""
    return scalar_text(low) if low is high or low == high else f"{scalar_text(low)}:{scalar_text(high)}"


def _outside(X: Any, rl: Any, ru: Any, cl: Any, cu: Any) -> None:
    rows, cols = X.shape
    text = f"[{_range_text(rl, ru)}, {_range_text(cl, cu)}]".replace("[,", "[ ,")
    what = "matrix" if is_matrix(X) else "frame"
    for axis, low, high, size in (("row", rl, ru, rows), ("column", cl, cu, cols)):
        if low is None:
            continue
        low, high = _position(low), _position(high)
        if low > high:
            fail(
                "index",
                f"{text}: the {axis} range {low}:{high} is empty",
                help="an empty range is an error in DML: guard it by if",
            )
        if low < 1 or high > size:
            fail(
                "index",
                f"{text} is outside of the {what} of {rows} x {cols}",
                help="indexes start at 1" if low < 1 else "",
            )


def _static_range(X: Type, axis: str, low: Type, high: Type, size: int | None, single: bool) -> int | None:
    """Size of the range as far as it is known; fails for a range that is certainly outside."""
    if low.data == "null":
        return size
    lo, hi = low.const, high.const
    for bound in (low, high):
        if bound.data == SCALAR and bound.value in (STRING, BOOLEAN):
            fail("argument-type", f"{axis} indexes of a {X.data} are numbers, got a {bound.value}")
    lo = to_int(lo) if isinstance(lo, (int, float)) else None
    hi = to_int(hi) if isinstance(hi, (int, float)) else None
    if lo is not None and hi is not None and lo > hi:
        fail("index", f"the {axis} range {lo}:{hi} is empty", help="an empty range is an error in DML: guard it by if")
    for bound in (lo, hi):
        if bound is not None and (bound < 1 or (size is not None and bound > size)):
            fail("index", f"{axis} {bound} is outside of the {X}", help="indexes start at 1" if bound < 1 else "")
    if lo is not None and hi is not None:
        return hi - lo + 1
    return 1 if single else None


# ---- right indexing


def index_type(
    X: Type, rl: Type, ru: Type, cl: Type, cu: Type, single_row: bool = False, single_col: bool = False
) -> Type:
    """The type of `X[rl:ru, cl:cu]`.  single_row, single_col: the two bounds are one operand, whatever its value."""
    if X.data == LIST:
        _list_index_types(rl, ru, cl)
        lo, hi = rl.const, ru.const
        if not isinstance(lo, (int, float)) or not isinstance(hi, (int, float)):
            return X._replace(rows=1 if single_row or (isinstance(lo, str) and lo == hi) else None, cols=1)
        lo, hi = to_int(lo), to_int(hi)
        _check_list_range(lo, hi, X.rows)
        return X._replace(rows=max(hi - lo + 1, 0), cols=1)
    if X.data in (MATRIX, FRAME):
        rows = _static_range(X, "row", rl, ru, X.rows, single_row)
        cols = _static_range(X, "column", cl, cu, X.cols, single_col)
        return X._replace(rows=rows, cols=cols)
    return X


@builtin(
    "[](X: matrix|frame|list, rl: scalar = NULL, ru: scalar = NULL, cl: scalar = NULL, cu: scalar = NULL) -> any",
    infer=index_type,
    self_checking=True,
)
def index(X, rl, ru, cl, cu):
    """The part `X[rl:ru, cl:cu]` of a matrix or frame, or the elements `X[rl:ru]` of a list.

    Always a matrix (a cell is 1 x 1), frame or list.  Doubles are truncated.  A part of a matrix is a view.
    """
    if type(X) is np.ndarray:
        if cl is None and rl is ru and type(rl) is int and 0 < rl <= X.shape[0] and X.shape[1] != 1:
            return X[rl - 1 : rl]  # one row, as loops take it
        r0, r1, c0, c1 = bounds(X, rl, ru, cl, cu)
        if r1 - r0 == 1 and c1 - c0 == 1:
            return X[r0:r1, c0:c1].copy()  # a view would keep the whole matrix alive
        return X[r0:r1, c0:c1]
    if type(X) is List:
        low, high = _list_range(X, rl, ru, cl)
        return X.part(low, high)
    return X.right_index(*bounds(X, rl, ru, cl, cu))


def cell(X: Any, i: Any, j: Any) -> float:
    """`as.scalar(X[i, j])` of a matrix, without the 1 x 1 matrix between.  Raises DMLError "index" as "[]" does."""
    if type(X) is np.ndarray:
        if type(i) is int and type(j) is int:
            rows, cols = X.shape
            if 0 < i <= rows and 0 < j <= cols:
                return X.item(i - 1, j - 1)
        r0, _, c0, _ = bounds(X, i, i, j, j)
        return X.item(r0, c0)
    if type(X) is Sparse:
        r0, _, c0, _ = bounds(X, i, i, j, j)
        return X.cell(r0, c0)
    if is_matrix(X):
        from pydml.builtins.registry import get

        return float(to_dense(get("[]").run(X, i, i, j, j)).item())
    from pydml.builtins.casts import as_scalar

    return as_scalar(index(X, i, i, j, j))


def element(items: list[Any], i: int) -> Any:
    """Element i of a list that a loop has taken apart.  Raises DMLError "index" as "[]" does."""
    if 0 < i <= len(items):
        return items[i - 1]
    return index(List(items), i, i, None, None)


# The element in `l[i]`, for functions that take the list of one element for its element: emitted code leaves that list out.


def any_element(X: Any, i: Any) -> Any:
    """What as.scalar sees in `X[i]` of a list.  Raises DMLError "index" as "[]" does."""
    if type(X) is List:
        if type(i) is int:
            if 0 < i <= len(X):
                return X[i - 1]
        elif type(i) is str:
            k = X.position(i)
            if k >= 0:
                return X[k]
    part = index.run(X, i, i, None, None)
    return part[0] if type(part) is List else part


def matrix_element(X: Any, i: Any) -> Any:
    """What as.matrix sees in `X[i]`: a list in a list is no column of numbers, so it stays in the list of one element."""
    element = any_element(X, i)
    return List((element,)) if type(element) is List else element


def list_element(X: Any, i: Any) -> Any:
    """`as.list(X[i])`: the list there, or the list of one element of another kind."""
    element = any_element(X, i)
    return element if type(element) is List else index.run(X, i, i, None, None)


# ---- left indexing


def assigned_type(X: Type, rl: Type, ru: Type, cl: Type, cu: Type, value: Type) -> Type:
    """The type of X after `X[rl:ru, cl:cu] = value`."""
    if X.data == LIST:
        _list_index_types(rl, ru, cl)
        if isinstance(rl.const, (int, float)) and isinstance(ru.const, (int, float)):
            _check_list_range(to_int(rl.const), to_int(ru.const), X.rows)
        return X if value.data == SCALAR and value.value == X.value else X._replace(value=UNKNOWN)
    if X.data in (MATRIX, FRAME):
        if value.data == LIST or (X.data == MATRIX and value.data == FRAME):
            fail("type", f"a {value.data} cannot be assigned to a part of a {X.data}")
        rows = _static_range(X, "row", rl, ru, X.rows, False)
        cols = _static_range(X, "column", cl, cu, X.cols, False)
        if value.data == SCALAR:
            if X.data == MATRIX and value.value == STRING:
                fail("argument-type", "a cell of a matrix must be a number, got a string")
            if (rows is not None and rows != 1) or (cols is not None and cols != 1):
                _scalar_into_range(rows, cols)
        elif value.data in (MATRIX, FRAME):
            if (None not in (rows, value.rows) and rows != value.rows) or (
                None not in (cols, value.cols) and cols != value.cols
            ):
                _wrong_shape(Type(MATRIX, rows=rows, cols=cols).size_text(), value.size_text())
    return X


def _scalar_into_range(rows: int | None, cols: int | None) -> None:
    size = f"{'?' if rows is None else rows} x {'?' if cols is None else cols}"
    fail(
        "shape-mismatch",
        f"a scalar can be assigned to one cell only; this range is {size}",
        help=f"use matrix(value, rows={'n' if rows is None else rows}, cols={'m' if cols is None else cols})",
    )


def _wrong_shape(range_size: str, value_size: str) -> None:
    fail("shape-mismatch", f"the range is {range_size}, the value assigned to it {value_size}")


def checked_assignment(X: Any, rl: Any, ru: Any, cl: Any, cu: Any, value: Any) -> tuple[int, int, int, int]:
    """`bounds` for an assignment, after checking that the value has the size of the range."""
    r0, r1, c0, c1 = bounds(X, rl, ru, cl, cu)
    if isinstance(value, (int, float)):
        if r1 - r0 != 1 or c1 - c0 != 1:
            _scalar_into_range(r1 - r0, c1 - c0)
    elif isinstance(value, str):
        if is_matrix(X):
            fail("argument-type", "a cell of a matrix must be a number, got a string")
    elif type(value) is List or (is_matrix(X) and not is_matrix(value)):
        fail("type", f"a {type_of(value).data} cannot be assigned to a part of a {type_of(X).data}")
    elif value.shape != (r1 - r0, c1 - c0):
        _wrong_shape(f"{r1 - r0} x {c1 - c0}", f"{value.shape[0]} x {value.shape[1]}")
    return r0, r1, c0, c1


@builtin(
    "[]=(X: matrix|frame|list, rl: scalar, ru: scalar, cl: scalar, cu: scalar, value: any) -> any",
    infer=assigned_type,
    self_checking=True,
)
def assign(X, rl, ru, cl, cu, value):
    """X with the part rl:ru, cl:cu replaced: what X is after `X[rl:ru, cl:cu] = value`.  X itself is not changed.

    value: a matrix of exactly the size of the range, or a number for one cell.  Into a list: any value or a list of one
    element for one place, a list of the same length for a range.  Nothing grows.
    """
    if type(X) is np.ndarray:
        r0, r1, c0, c1 = checked_assignment(X, rl, ru, cl, cu, value)
        result = X.copy()
        result[r0:r1, c0:c1] = value
        return result
    if type(X) is List:
        low, high = _list_range(X, rl, ru, cl)
        return _with_elements(X, low, high, _new_elements(low, high, value))
    return X.left_index(*checked_assignment(X, rl, ru, cl, cu, value), value)


def assign_in_place(X: Any, rl: Any, ru: Any, cl: Any, cu: Any, value: Any) -> Any:
    """As "[]=", but writes into X where X is a matrix that may be written.  The caller uses the result, not X.

    Only where nobody else holds X or a view of it.  All checks come before the first write.
    """
    if type(X) is np.ndarray:
        if not X.flags.writeable:
            X = X.copy()
        if type(value) is float and type(rl) is int and rl is ru and type(cl) is int and cl is cu:
            rows, cols = X.shape
            if 0 < rl <= rows and 0 < cl <= cols:
                X[rl - 1, cl - 1] = value
                return X
        if type(value) is np.ndarray and cl is None and rl is ru and type(rl) is int:  # one row, as loops write it
            rows, cols = X.shape
            if 0 < rl <= rows and value.shape == (1, cols):
                X[rl - 1] = value
                return X
        r0, r1, c0, c1 = checked_assignment(X, rl, ru, cl, cu, value)
        X[r0:r1, c0:c1] = value if type(value) is np.ndarray or not is_matrix(value) else to_dense(value)
        return X
    if type(X) is Sparse:
        r0, r1, c0, c1 = checked_assignment(X, rl, ru, cl, cu, value)
        if not is_matrix(value):
            return X.put(r0, c0, value)
        X.put_block(r0, r1, c0, c1, value)
        return X
    from pydml.builtins.registry import get

    return get("[]=").run(X, rl, ru, cl, cu, value)


# ---- lists


def _list_index_types(rl: Type, ru: Type, cl: Type) -> None:
    if rl.data == "null" or cl.data not in ("null", SCALAR) or (cl.const is not None and cl.const != 1):
        fail("index", "a list has one index: l[i], l[i:j] or l[name]", help="its only column is 1")
    if rl.data == ru.data == SCALAR and BOOLEAN in (rl.value, ru.value):
        fail("argument-type", "an index of a list must be a number or a name, got a boolean")


def _check_list_range(low: int, high: int, size: int | None) -> None:
    if low < 1 or (size is not None and high > size) or (size is not None and low > size):
        at = str(low) if low == high else f"{low}:{high}"
        has = "" if size is None else f" of {size} element{'' if size == 1 else 's'}"
        fail("index", f"[{at}] is outside of the list{has}", help="indexes start at 1" if low < 1 else "")


def _list_range(X: List, rl: Any, ru: Any, cl: Any = None) -> tuple[int, int]:
    """0-based half-open range of elements; empty for a reversed range."""
    if rl is None or cl not in (None, 1):
        fail("index", "a list has one index: l[i], l[i:j] or l[name]", help="its only column is 1")
    low, high = _list_position(X, rl), _list_position(X, ru)
    _check_list_range(low, high, len(X))
    return low - 1, max(high, low - 1)


def _list_position(X: List, index: Any) -> int:
    if not isinstance(index, str):
        return _position(index)
    position = X.position(index)
    if position < 0:
        known = [n for n in X.names or () if n is not None]
        fail(
            "index",
            f"the list has no element called {index!r}",
            help=f"its names are {', '.join(known)}" if known else "its elements have no names",
        )
    return position + 1


def replace_elements(X: List, rl: Any, ru: Any, cl: Any, value: Any) -> List:
    """`X[rl:ru] = value` of a list that only the caller holds: in place where one element is replaced."""
    low, high = _list_range(X, rl, ru, cl)
    new = _new_elements(low, high, value)
    if high - low == 1 and X.replace(low, new[0]):
        return X
    return _with_elements(X, low, high, new)


def _with_elements(X: List, low: int, high: int, new: tuple[Any, ...]) -> List:
    items = X.items
    return List(items[:low] + new + items[high:], X.names)


def _new_elements(low: int, high: int, value: Any) -> tuple[Any, ...]:
    """What takes the places low to high - 1 of a list: the elements of a list of that length, or one other value."""
    if type(value) is List and len(value) == high - low:
        return value.items
    if type(value) is not List and high - low == 1:
        return (value,)
    count = f"a list of {len(value)}" if type(value) is List else f"a {type_of(value).data}"
    fail(
        "shape-mismatch",
        f"the range has {high - low} elements, the value assigned to it is {count}",
        help="wrap it to store a list as one element: list(value)" if high - low == 1 else "",
    )
