"""Frames: tables whose columns have types and names.

A frame is a tuple of `columns.Column`, so that taking, joining and replacing columns shares them.  It takes part in the
builtins for matrices by its methods (see `builtins.indexing`, `builtins.reorg`); builtins of its own are in
`builtins.frames` and `builtins.transform`.  NumPy holds the cells rather than pandas: missing text, the text of numbers, and which
operations keep a name or a type are SystemDS's, not pandas's, and frames work without pandas installed.

Columns that nobody named are `C1`, `C2`, ... by their position, also after others were taken away.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from pydml.diagnostics import fail
from pydml.types import FRAME, Type
from pydml.values.columns import (
    BOOLEAN,
    CHARACTER,
    FP32,
    FP64,
    INTEGERS,
    STRING,
    CellError,
    Column,
    cell_text,
    column_type,
    common_type,
    concatenated,
    object_array,
)
from pydml.values.schema import number_type
from pydml.values.text import matrix_text, scalar_text


class Frame:
    """columns: at least none.  rows: number of rows.  names: of the columns, None: `C1`, `C2`, ...

    imputed, distinct: what transformencode notes for each column beside the cells of its metadata: the text that stands
    for missing cells, or None; the number of categories or bins, or -1.  Files keep them.
    """

    __slots__ = ("columns", "distinct", "imputed", "names", "rows")

    def __init__(
        self,
        columns: Iterable[Column],
        names: Sequence[str] | None = None,
        rows: int | None = None,
        imputed: Sequence[str | None] | None = None,
        distinct: Sequence[int] | None = None,
    ):
        self.columns = tuple(columns)
        self.rows = len(self.columns[0]) if rows is None else rows
        self.names = None if names is None else tuple(names)
        self.imputed = tuple(imputed) if imputed is not None and any(t is not None for t in imputed) else None
        self.distinct = tuple(distinct) if distinct is not None and any(n >= 0 for n in distinct) else None

    @staticmethod
    def of_texts(rows: Sequence[Sequence[str | None]], names: Sequence[str] | None = None) -> Frame:
        """A frame of text from its rows, at least one."""
        return Frame([Column.of_texts(cells) for cells in zip(*rows, strict=True)], names, len(rows))

    @staticmethod
    def of_matrix(matrix: np.ndarray, names: Sequence[str] | None = None) -> Frame:
        """A frame of the numbers, each column with the narrowest type that holds it."""
        columns = []
        for j in range(matrix.shape[1]):
            values = matrix[:, j].astype(np.float64)
            type = number_type(values) if len(values) else FP64
            with np.errstate(over="ignore"):
                columns.append(Column(FP64, values).as_type(type))
        return Frame(columns, names, matrix.shape[0])

    # ---- what every value has

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows, len(self.columns)

    def dml_type(self) -> Type:
        return Type(FRAME, rows=self.rows, cols=len(self.columns))

    @property
    def column_names(self) -> tuple[str, ...]:
        return self.names or tuple(f"C{j}" for j in range(1, len(self.columns) + 1))

    @property
    def schema(self) -> tuple[str, ...]:
        return tuple(c.type for c in self.columns)

    def schema_text(self) -> str:
        """The types as `.mtd` files give them: each with a comma behind it."""
        return "".join(type + "," for type in self.schema)

    def __repr__(self) -> str:
        columns = ", ".join(f"{n}: {t}" for n, t in zip(self.column_names[:20], self.schema, strict=False))
        return f"Frame({self.rows} x {len(self.columns)}, {columns})"

    # ---- to other values

    def to_text(self, rows: int, cols: int, decimal: int, sparse: bool, sep: str, linesep: str) -> str:
        """Three lines about size, names and types, then the first `rows` rows and `cols` columns; negative: all."""
        rows = self.rows if rows < 0 else min(rows, self.rows)
        cols = len(self.columns) if cols < 0 else min(cols, len(self.columns))
        texts = [_shown(c.take(slice(0, rows)), decimal) for c in self.columns[:cols]]
        head = f"# FRAME: nrow = {self.rows}, ncol = {len(self.columns)}{linesep}"
        for words in (self.column_names, self.schema):
            head += f"#{sep}{sep.join(words[:cols])}{linesep}"
        if not texts:
            return head + linesep * rows
        return head + "".join(sep.join(row) + linesep for row in zip(*texts, strict=True))

    def to_scalar(self) -> Any:
        """The only cell as a DML scalar; a missing text is the text `null`, a missing number NaN."""
        return self.columns[0].cell(0)

    def to_matrix(self, dtype: Any) -> np.ndarray:
        """The cells as numbers: missing and empty ones are NaN, TRUE is 1.  Raises DMLError "value"."""
        result = np.empty(self.shape, dtype)
        for j, column in enumerate(self.columns):
            try:
                result[:, j] = column.numbers(dtype)
            except CellError as error:
                error.fail_in("as.matrix", self.column_names[j])
        return result

    # ---- parts

    def right_index(self, r0: int, r1: int, c0: int, c1: int) -> Frame:
        columns = self.columns[c0:c1]
        if r0 > 0 or r1 < self.rows:
            # a copy: a view of a few cells would keep the whole column alive
            columns = tuple(Column(c.type, p.data.copy(), p.null) for c in columns for p in (c.take(slice(r0, r1)),))
        return Frame(
            columns,
            None if self.names is None else self.names[c0:c1],
            r1 - r0,
            None if self.imputed is None else self.imputed[c0:c1],
            None if self.distinct is None else self.distinct[c0:c1],
        )

    def left_index(self, r0: int, r1: int, c0: int, c1: int, value: Any) -> Frame:
        """The frame with one cell or a part replaced.

        Cells are converted to the types of their columns; if that loses something, it is an error.  Where all cells are
        replaced by a frame or matrix, the result is that frame, with its types and names, as in SystemDS.  A matrix
        counts as a frame of its numbers.
        """
        columns = list(self.columns)
        scalar = isinstance(value, (str, int, float))
        if scalar:
            # as in SystemDS the text of the scalar counts, so that TRUE is no number
            new = [Column.of_texts([cell_text(value)])]
        else:
            if not isinstance(value, Frame):
                value = Frame.of_matrix(value if isinstance(value, np.ndarray) else value.to_dense())
            if value.shape == self.shape:
                return value
            new = list(value.columns)
        for j, cells in enumerate(new, c0):
            old = columns[j]
            try:
                converted = cells.as_type(
                    old.type, nullable=old.type == STRING or cells.type != STRING, strict=not scalar
                )
            except CellError as error:
                error.row += r0
                error.fail_in(f"the value for a column of type {old.type}", self.column_names[j])
            columns[j] = old.with_cells(r0, converted)
        return Frame(columns, self.names, self.rows, self.imputed, self.distinct)

    def select(self, places: np.ndarray, axis: int) -> Frame:
        """The rows (axis 0) or columns with these 0-based numbers."""
        if axis == 0:
            return Frame([c.take(places) for c in self.columns], self.names, len(places))
        names = self.column_names
        return Frame([self.columns[j] for j in places.tolist()], [names[j] for j in places.tolist()], self.rows)

    def blank(self, axis: int) -> Frame:
        """One row, or one column, that holds nothing: missing text, 0 and FALSE."""
        if axis == 0:
            return Frame([Column.filled(c.type, 1) for c in self.columns], self.names, 1)
        return Frame([Column.filled(STRING, self.rows)], None, self.rows)

    def filled(self, axis: int) -> np.ndarray:
        """For each row (axis 0) or column, whether it has a cell that is there and not 0 or FALSE."""
        if not self.columns:
            return np.zeros(self.rows if axis == 0 else 0, np.bool_)
        cells = []
        for c in self.columns:
            there = ~c.missing()
            cells.append(there if c.type in (STRING, CHARACTER) else there & (c.data != 0))
        if axis == 0:
            return np.logical_or.reduce(cells)
        return np.array([c.any() for c in cells])

    # ---- joining

    def concat(self, others: Sequence[Frame], axis: int) -> Frame:
        """Frames on top of each other (axis 0) or side by side.

        On top: the names are those of the first, a column has the type that takes all.  Side by side: names are kept,
        unless two columns would have the same one; then all are `C1`, `C2`, ...
        """
        if axis == 1:
            result = self
            for other in others:
                names = None
                if result.names is not None or other.names is not None:
                    both = result.column_names + other.column_names
                    names = both if len(set(both)) == len(both) else None
                result = Frame(result.columns + other.columns, names, self.rows)
            return result
        columns = []
        for j, parts in enumerate(zip(self.columns, *(o.columns for o in others), strict=True)):
            type = parts[0].type
            for part in parts[1:]:
                type = common_type(type, part.type)
            try:
                columns.append(concatenated([p.as_type(type) for p in parts]))
            except CellError as error:
                error.fail_in("rbind", self.column_names[j])
        return Frame(columns, self.names, self.rows + sum(o.rows for o in others))

    # ---- cells

    def compare(self, operator: str, other: Frame) -> Frame:
        """A frame of booleans.  Two numbers compare as numbers, all else as text; missing cells equal each other only."""
        if self.shape != other.shape:
            sizes = f"{self.rows} x {len(self.columns)}, the right one {other.rows} x {len(other.columns)}"
            fail("shape-mismatch", f"{operator}: the left operand is {sizes}")
        pairs = zip(self.columns, other.columns, strict=True)
        return Frame([_compare(operator, a, b) for a, b in pairs], None, self.rows)

    def order(self, by: Any, decreasing: bool, index_return: bool) -> Any:
        """The rows sorted by columns, text by its characters; equal rows keep their order, missing cells come last."""
        wanted = by.ravel().tolist() if isinstance(by, np.ndarray) else [by]
        ranks = []
        for position in wanted:
            j = int(position) - 1
            if not 0 <= j < len(self.columns):
                fail("index", f"order: by is {scalar_text(position)}, the frame has {len(self.columns)} columns")
            ranks.append(_ranks(self.columns[j], decreasing))
        if decreasing:
            ranks = [r[::-1] for r in ranks]
        rows = np.lexsort(ranks[::-1])
        if decreasing:
            rows = (len(rows) - 1 - rows)[::-1]
        return (rows + 1.0).reshape(-1, 1) if index_return else self.select(rows, 0)

    def replace(self, pattern: Any, replacement: Any) -> Frame:
        """All cells whose text is that of `pattern` replaced."""
        text = scalar_text(pattern).lower() if isinstance(pattern, bool) else scalar_text(pattern)
        columns = []
        for j, column in enumerate(self.columns):
            found = _cells_equal(column, text)
            if not found.any():
                columns.append(column)
                continue
            try:
                new = Column.of_texts([cell_text(replacement)], column.type)
            except CellError as error:
                error.row = int(np.flatnonzero(found)[0])
                error.fail_in("replace", self.column_names[j])
            data = column.data.copy()
            data[found] = new.data[0]
            columns.append(Column(column.type, data, column.null))
        return Frame(columns, self.names, self.rows)

    def map_columns(self, function: Callable[[Column, int], Column], what: str) -> Frame:
        """The frame with each column replaced by function(column, position); bad cells are reported as those of `what`."""
        columns = []
        for j, column in enumerate(self.columns):
            try:
                columns.append(function(column, j))
            except CellError as error:
                error.fail_in(what, self.column_names[j])
        return Frame(columns, self.names, self.rows)


def _shown(column: Column, decimal: int) -> list[str]:
    """The cells as toString shows them."""
    if column.type == FP64:
        texts = matrix_text(column.data.reshape(-1, 1), -1, -1, decimal, False, "", "\n").split("\n")[: len(column)]
    elif column.type == BOOLEAN:
        texts = ["TRUE" if v else "FALSE" for v in column.data.tolist()]
    else:
        return ["null" if t is None else t for t in column.texts()]
    if column.null is not None:
        for i in np.flatnonzero(column.null).tolist():
            texts[i] = "null"
    return texts


def _cells_equal(column: Column, text: str) -> np.ndarray:
    if column.type in (STRING, CHARACTER):
        return np.equal(column.data, text).astype(np.bool_)
    try:
        value = Column.of_texts([text], column.type, strict=True)
    except CellError:
        return np.zeros(len(column), np.bool_)
    if value.texts()[0] != text:  # 2 is no cell of a column of doubles, whose texts are 2.0
        return np.zeros(len(column), np.bool_)
    found = column.data == value.data[0]
    if column.type in (FP32, FP64) and np.isnan(value.data[0]):
        found = np.isnan(column.data)
    return found if column.null is None else found & ~column.null


_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}
_NUMBERS = (BOOLEAN, *INTEGERS, FP32, FP64)


def _compare(operator: str, a: Column, b: Column) -> Column:
    compare = _COMPARISONS[operator]
    missing = a.missing() | b.missing()
    if a.type in _NUMBERS and b.type in _NUMBERS:
        result = compare(a.data, b.data)
    else:
        x, y = (object_array(["" if t is None else t for t in c.texts()]) for c in (a, b))
        if operator in ("<", "<=", ">", ">="):
            x, y = (_code_units(texts) for texts in (x, y))
        result = compare(x, y).astype(np.bool_)
    if missing.any():
        both = a.missing() & b.missing()
        result = np.where(missing, {"==": both, "!=": ~both}.get(operator, False), result)
    return Column(BOOLEAN, result)


def _code_units(texts: np.ndarray) -> np.ndarray:
    """Texts that compare like the UTF-16 code units of `texts`, as in Java."""
    if all(t.isascii() or max(t) <= "\uffff" for t in texts.tolist()):
        return texts
    return object_array([t.encode("utf-16-be", "surrogatepass") for t in texts.tolist()])


def _ranks(column: Column, decreasing: bool) -> np.ndarray:
    """Numbers in the order of the cells; missing ones and NaN come last."""
    missing = column.missing()
    if column.type not in (STRING, CHARACTER):
        if column.type in (FP32, FP64):
            missing = missing | np.isnan(column.data)
        _, ranks = np.unique(column.data, return_inverse=True)
    else:
        texts = _code_units(object_array(["" if t is None else t for t in column.data.tolist()])).tolist()
        places = {t: i for i, t in enumerate(sorted(set(texts)))}
        ranks = np.array([places[t] for t in texts], np.int64)
    return np.where(missing, -1 if decreasing else len(ranks), ranks)


# ---- schemas


def read_schema(schema: Any, what: str) -> list[str]:
    """Types of columns from the text `STRING,INT32,`, a list of names, or a frame of one row.  Raises DMLError "value"."""
    if isinstance(schema, Frame):
        if schema.rows != 1:
            fail("shape-mismatch", f"{what}: the schema must be a frame of one row, got {schema.rows} rows")
        words = [str(c.cell(0)) for c in schema.columns]
    elif isinstance(schema, str):
        words = [w for w in re.split(r"[,\xb7]", schema) if w.strip()]
    else:
        words = []
        for word in schema:
            if not isinstance(word, str):
                fail("argument-type", f"{what}: the schema must hold names of types, got {scalar_text(word)}")
            words += [w for w in word.split(",") if w.strip()]
    return [column_type(w, what) for w in words]


__all__ = ["Frame", "read_schema"]
