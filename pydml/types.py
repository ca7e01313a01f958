"""Types of DML values, with sizes that may be unknown.

The same `Type` describes a variable before the run (some sizes unknown) and a value while running (all known), so
that one shape rule serves both.
"""

from __future__ import annotations

from typing import NamedTuple

MATRIX, FRAME, LIST, SCALAR, UNKNOWN = "matrix", "frame", "list", "scalar", "unknown"
INT, DOUBLE, BOOLEAN, STRING = "int", "double", "boolean", "string"


class Type(NamedTuple):
    """Data type, value type and sizes.

    data: matrix, frame, list, scalar or unknown.  value: int, double, boolean, string or unknown (of a scalar;
    matrices are "double"; of a list, if all its elements are scalars of that type).  rows, cols: sizes, None where
    unknown; a list has its length in `rows`.  const: the value of a scalar that is known, else None.
    """

    data: str = UNKNOWN
    value: str = UNKNOWN
    rows: int | None = None
    cols: int | None = None
    const: object = None

    @property
    def is_scalar(self) -> bool:
        return self.data == SCALAR

    @property
    def is_matrix(self) -> bool:
        return self.data == MATRIX

    @property
    def is_number(self) -> bool:
        """A scalar known to be an int or a double."""
        return self.data == SCALAR and self.value in (INT, DOUBLE)

    @property
    def shape_known(self) -> bool:
        return self.rows is not None and self.cols is not None

    def size_text(self) -> str:
        """`3 x 4`, with `?` for unknown sizes."""
        return f"{'?' if self.rows is None else self.rows} x {'?' if self.cols is None else self.cols}"

    def __str__(self) -> str:
        if self.data == SCALAR:
            return "scalar" if self.value == UNKNOWN else self.value
        if self.data in (MATRIX, FRAME):
            if self.rows is None and self.cols is None:
                return self.data
            return f"{self.data} {self.size_text()}"
        return self.data if self.data != UNKNOWN else "value"

    def without_const(self) -> Type:
        return self if self.const is None else self._replace(const=None)

    def longer_by(self, element: Type) -> Type:
        """A list of this type with one more element."""
        kept = element.data == SCALAR and (self.rows == 0 or element.value == self.value)
        rows = None if self.rows is None else self.rows + 1
        return Type(LIST, element.value if kept else UNKNOWN, rows, 1)

    def join(self, other: Type) -> Type:
        """The type of a variable that has this type on one path and `other` on another."""
        if self == other:
            return self
        if self.data == other.data == LIST and 0 in (self.rows, other.rows):  # an empty list has elements of any type
            value = other.value if self.rows == 0 else self.value
        else:
            value = self.value if self.value == other.value and self.data == other.data else UNKNOWN
        return Type(
            self.data if self.data == other.data else UNKNOWN,
            value,
            self.rows if self.rows == other.rows else None,
            self.cols if self.cols == other.cols else None,
            self.const if type(self.const) is type(other.const) and self.const == other.const else None,
        )


ANY = Type()
UNKNOWN_SCALAR = Type(SCALAR)
INT_SCALAR = Type(SCALAR, INT)
DOUBLE_SCALAR = Type(SCALAR, DOUBLE)
BOOLEAN_SCALAR = Type(SCALAR, BOOLEAN)
STRING_SCALAR = Type(SCALAR, STRING)
ANY_MATRIX = Type(MATRIX, DOUBLE)
ANY_FRAME = Type(FRAME)
ANY_LIST = Type(LIST)

_SCALARS = {int: INT, float: DOUBLE, bool: BOOLEAN, str: STRING}


def matrix_type(rows: int | None = None, cols: int | None = None) -> Type:
    return Type(MATRIX, DOUBLE, rows, cols)


def scalar_type(value: object) -> Type:
    """The type of a scalar constant, with its value."""
    return Type(SCALAR, _SCALARS[type(value)], None, None, value)
