"""Builtins for frames: frame, as.frame, names and types of columns, cleaning, freplicate.

Encoding to numbers is in `transform.py`, text into tokens in `tokenize.py`, expressions over cells in `map_lambda.py`; what
frames share with matrices (indexing, cbind, removeEmpty, ...) is where it is for matrices, by methods of `values.frame.Frame`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pydml.builtins.construct import checked_size
from pydml.builtins.registry import builtin
from pydml.diagnostics import fail
from pydml.types import ANY_FRAME, FRAME, MATRIX, SCALAR, Type
from pydml.values import List, is_matrix, to_dense, type_of
from pydml.values.columns import (
    BOOLEAN,
    FP32,
    FP64,
    INT64,
    INTEGERS,
    STRING,
    CellError,
    Column,
    column_type,
    object_array,
)
from pydml.values.frame import Frame, read_schema
from pydml.values.schema import MISSING_MARK, detect_column, text_type
from pydml.values.text import scalar_text

# ---- frame


def _frame_type(data: Type, rows: Type, cols: Type, schema: Type) -> Type:
    r, c = checked_size("frame", "rows", rows), checked_size("frame", "cols", cols)
    if isinstance(data.const, tuple):
        _repeats(len(data.const), r, c)
    if isinstance(schema.const, (tuple, str)) and c is not None:
        _schema(schema.const, c)
    return Type(FRAME, rows=r, cols=c)


def _repeats(count: int, rows: int | None, cols: int | None) -> None:
    if None in (rows, cols) or count in (1, cols, rows * cols):
        return
    fail(
        "shape-mismatch",
        f"frame: data has {count} values; a frame of {rows} x {cols} takes 1, {cols} (one for each column) or "
        f"{rows * cols}",
    )


def _schema(schema: Any, cols: int) -> list[str]:
    types = read_schema(schema, "frame")
    if len(types) != cols:
        fail("shape-mismatch", f"frame: the schema names {len(types)} types for {cols} columns")
    return types


@builtin(
    "frame(data: scalar|shape, rows: number, cols: number, schema: shape|string|frame = NULL) -> frame",
    infer=_frame_type,
)
def frame(data, rows, cols, schema):
    """A frame of rows x cols cells, with columns C1, C2, ...

    data: a scalar for all cells, or a bracket list with a value for each column, or for each cell, row by row.
    schema: the types of the columns, as a bracket list of STRING, BOOLEAN, INT32, INT64, FP32, FP64, CHARACTER, UINT8,
    HASH32, HASH64 (in any case), or as a text of them; all STRING if it is not given.  Text becomes what the type of its
    column makes of it: an empty text is 0 in a column of numbers; other text that is no number is an error.  As SystemDS `frame`,
    which takes the first six types only, and fills a frame with random cells for the data `""`.
    """
    rows, cols = int(rows), int(cols)
    types = [STRING] * cols if schema is None else _schema(schema, cols)
    values = data if isinstance(data, tuple) else (data,)
    _repeats(len(values), rows, cols)
    texts = [_text(v) for v in values]
    columns = []
    for j, type in enumerate(types):
        own = texts * rows if len(texts) == 1 else [texts[j]] * rows if len(texts) == cols else texts[j::cols]
        try:
            columns.append(Column.of_texts(own, type))
        except CellError as error:
            error.fail_in("frame", f"C{j + 1}")
    return Frame(columns, None, rows)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, (str, int, float)):
        fail("argument-type", f"frame: a cell must be a scalar, got a {type_of(value)}")
    return scalar_text(value)


frame.case(
    'toString(frame(["a","1","b","2"], rows=2, cols=2, schema=["string","int64"]))',
    "# FRAME: nrow = 2, ncol = 2\n# C1 C2\n# STRING INT64\na 1\nb 2\n",
)
frame.case(
    'toString(frame(0, rows=1, cols=3, schema=["string","fp64","boolean"]), linesep=";")',
    "# FRAME: nrow = 1, ncol = 3;# C1 C2 C3;# STRING FP64 BOOLEAN;0 0.000 FALSE;",
)
frame.case(
    'toString(frame(["a","b"], rows=2, cols=2), linesep=";")',
    "# FRAME: nrow = 2, ncol = 2;# C1 C2;# STRING STRING;a b;a b;",
)
frame.case('as.scalar(frame("7", rows=1, cols=1, schema=["int32"]))', "7")
frame.fails('frame(["a","b","c"], rows=2, cols=2)', "shape-mismatch", "data has 3 values")
frame.fails('frame("a", rows=1, cols=2, schema=["int32"])', "shape-mismatch", "names 1 types for 2 columns")
frame.fails('frame("a", rows=1, cols=1, schema=["int32"])', "value", 'row 1 of column C1 holds "a"')
frame.fails('frame("a", rows=1, cols=1, schema=["integers"])', "value", "there is no column type integers")

# ---- as.frame


def _as_frame_type(X: Type, names: Type) -> Type:
    if X.data == SCALAR:
        return Type(FRAME, rows=1, cols=1)
    return Type(FRAME, rows=X.rows, cols=X.cols) if X.data in (MATRIX, FRAME) else ANY_FRAME


_SCALAR_TYPES = {str: STRING, bool: BOOLEAN, int: INT64, float: FP64}


@builtin("as.frame(X: matrix|frame|list|scalar, names: list = NULL) -> frame", infer=_as_frame_type)
def as_frame(X, names):
    """A frame of the value; names: a list with a name for each column, else they are C1, C2, ...

    A matrix gives a frame whose columns have the narrowest type that holds their numbers: BOOLEAN for 0 and 1, INT32, INT64,
    FP32 where the digits of all numbers survive it, FP64.  A scalar gives 1 x 1, a list of one element that element.  As
    SystemDS `as.frame`; beyond it a frame is taken, with names to give new ones.
    """
    if type(X) is List:
        if len(X) != 1:
            fail("shape-mismatch", f"as.frame: the list must have one element, got {len(X)}", help="select it: l[i]")
        return as_frame.meaning(to_dense(X[0]) if is_matrix(X[0]) else X[0], names)
    if isinstance(X, (str, int, float)):
        kind = _SCALAR_TYPES[type(X)]
        X = Frame([Column(kind, np.array([X], object if kind == STRING else None))])
    elif not isinstance(X, Frame):
        X = Frame.of_matrix(X)
    if names is None:
        return X
    for i, name in enumerate(names):
        if not isinstance(name, str):
            fail("argument-type", f"as.frame: name {i + 1} must be a string, got a {type_of(name)}")
    if len(names) != X.shape[1]:
        fail("shape-mismatch", f"as.frame: there are {len(names)} names for {X.shape[1]} columns")
    return Frame(X.columns, names.items, X.rows)


as_frame.case(
    'toString(as.frame(matrix("1 0 7 2.5", rows=2, cols=2), list("u", "v")), linesep=";")',
    "# FRAME: nrow = 2, ncol = 2;# u v;# INT32 FP32;1 0.0;7 2.5;",
)
as_frame.case(
    'toString(typeof(as.frame(matrix("1 5000000000 0.123456789", rows=1, cols=3))), linesep=";")',
    "# FRAME: nrow = 1, ncol = 3;# C1 C2 C3;# STRING STRING STRING;BOOLEAN INT64 FP64;",
)
as_frame.case("as.scalar(as.frame(5))", "5")
as_frame.case('as.scalar(as.frame(list("abc")))', "abc")
as_frame.case('as.matrix(as.frame(matrix("1 0 -2.5 NaN", rows=2, cols=2)))', "1 0 / -2.5 NaN")
as_frame.fails('as.frame(matrix(1, rows=1, cols=2), list("u"))', "shape-mismatch", "there are 1 names for 2 columns")
as_frame.fails("as.frame(matrix(1, rows=1, cols=1), list(1))", "argument-type", "name 1 must be a string")
as_frame.fails("as.frame(list(1, 2))", "shape-mismatch", "one element, got 2")

# ---- names and types


def _row(X: Type, *_: Type) -> Type:
    return Type(FRAME, rows=1, cols=X.cols)


def _same(X: Type, *_: Type) -> Type:
    return Type(FRAME, rows=X.rows, cols=X.cols)


def _text_row(words: Any) -> Frame:
    return Frame([Column.of_texts([w]) for w in words], None, 1)


@builtin("colnames(X: frame) -> frame", infer=_row)
def colnames(X):
    """The names of the columns.  X: (n, m).  Returns (1, m), all STRING.  Same as SystemDS `colnames`."""
    return _text_row(X.column_names)


colnames.case(
    'toString(colnames(as.frame(matrix(1, rows=1, cols=2), list("u", "v"))), linesep=";")',
    "# FRAME: nrow = 1, ncol = 2;# C1 C2;# STRING STRING;u v;",
)
colnames.case('as.scalar(colnames(frame("a", rows=1, cols=1)))', "C1")
colnames.fails("colnames(matrix(1, rows=1, cols=1))", "argument-type", "X must be a frame")


@builtin("typeof(X: frame) -> frame", infer=_row)
def typeof(X):
    """The types of the columns, as `STRING`, `INT32`, ...  X: (n, m).  Returns (1, m).  Same as SystemDS `typeof`."""
    return _text_row(X.schema)


typeof.case('as.scalar(typeof(frame(1, rows=1, cols=1, schema=["fp32"])))', "FP32")
typeof.fails("typeof(1)", "argument-type", "X must be a frame")


@builtin("detectSchema(X: frame) -> frame", infer=_row)
def detectSchema(X):
    """The narrowest type that each column can have by its cells.  X: (n, m).  Returns (1, m).

    For text: BOOLEAN for true, false, t, f, 0 and 1; INT32, INT64; FP32 for short numbers and those whose digits survive it, else
    FP64; HASH32 and HASH64 for hexadecimal words of 4 to 8 and 9 to 16 characters; CHARACTER; STRING.  A column with missing
    or empty cells has the mark `·n` behind its type, which `applySchema` understands.  Same as SystemDS `detectSchema`.
    """
    return _text_row(detect_column(c) for c in X.columns)


detectSchema.case('as.scalar(detectSchema(frame(["1", "2", "-7"], rows=3, cols=1)))', "INT32")
detectSchema.case('as.scalar(detectSchema(frame(["1", "2.5", ""], rows=3, cols=1)))', "FP32\xb7n")
detectSchema.case('as.scalar(detectSchema(frame(["3", "0.123456789"], rows=2, cols=1)))', "FP64")
detectSchema.case('as.scalar(detectSchema(frame(["TRUE", "f", "1"], rows=3, cols=1)))', "BOOLEAN")
detectSchema.case('as.scalar(detectSchema(frame(["5000000000", "x1"], rows=2, cols=1)))', "STRING")
detectSchema.case('as.scalar(detectSchema(frame("deadbeef", rows=1, cols=1)))', "HASH32")
detectSchema.fails('detectSchema("a")', "argument-type", "X must be a frame")


def _schema_row(function: str, X: Type, schema: Type) -> None:
    if X.cols is not None and schema.cols is not None and X.cols != schema.cols:
        fail("shape-mismatch", f"{function}: the schema names {schema.cols} types, X has {X.cols} columns")
    if schema.rows not in (1, None):
        fail("shape-mismatch", f"{function}: the schema must be a frame of one row, got {schema.rows}")


def _with_schema(function: str) -> Any:
    def rule(X: Type, schema: Type) -> Type:
        _schema_row(function, X, schema)
        return _same(X)

    return rule


@builtin("applySchema(X: frame, schema: frame) -> frame", infer=_with_schema("applySchema"))
def applySchema(X, schema):
    """The frame with its columns converted to other types.

    X: (n, m).  schema: (1, m) with names of types, as `detectSchema` and `typeof` give them.  A type with the mark `·n`
    keeps missing cells, and makes empty text missing; else they become 0 or FALSE.  Cells that do not fit are an error.
    Returns (n, m) with the names of X.  As SystemDS `applySchema`.
    """
    types, nullable = [], []
    for column in schema.columns:
        name = str(column.cell(0))
        nullable.append(name.endswith(MISSING_MARK))
        types.append(column_type(name.removesuffix(MISSING_MARK), "applySchema"))
    return X.map_columns(
        lambda column, j: column.as_type(types[j], nullable=nullable[j] or types[j] == STRING), "applySchema"
    )


applySchema.case(
    'F = frame(["1", "x", "2", "y"], rows=2, cols=2)\n'
    'RESULT = toString(applySchema(F, frame(["INT32", "STRING"], rows=1, cols=2)), linesep=";")',
    "# FRAME: nrow = 2, ncol = 2;# C1 C2;# INT32 STRING;1 x;2 y;",
)
applySchema.case(
    'F = frame(["1.5", ""], rows=2, cols=1)\nRESULT = toString(applySchema(F, detectSchema(F)), linesep=";")',
    "# FRAME: nrow = 2, ncol = 1;# C1;# FP32;1.5;null;",
)
applySchema.fails(
    'applySchema(frame("a", rows=1, cols=1), frame("INT32", rows=1, cols=1))', "value", 'row 1 of column C1 holds "a"'
)
applySchema.fails(
    'applySchema(frame("a", rows=1, cols=1), frame("WHAT", rows=1, cols=1))', "value", "there is no column type WHAT"
)
applySchema.fails(
    'applySchema(frame("a", rows=1, cols=1), frame("STRING", rows=1, cols=2))', "shape-mismatch", "names 2 types"
)

# ---- cleaning


def _types_of_row(function: str, schema: Frame) -> list[str]:
    return [column_type(str(c.cell(0)).removesuffix(MISSING_MARK), function) for c in schema.columns]


def _fits(text: str, type: str) -> bool:
    """Whether a text is a value of the type; booleans count as numbers."""
    if type == STRING:
        return True
    if type in (*INTEGERS, FP32, FP64) and text_type(text) == BOOLEAN:
        return True
    if len(text) != 1 and type == "CHARACTER":
        return False
    try:
        Column.of_texts([text], type, strict=True)
    except CellError:
        return False
    return text != ""


def _where(column: Column, condition: Any) -> np.ndarray:
    """Where cells that are not missing have a text that fulfils the condition, which is asked once for each text."""
    texts = column.texts()
    answers = {text: text is not None and condition(text) for text in dict.fromkeys(texts)}
    return np.array([answers[text] for text in texts], np.bool_)


@builtin("dropInvalidType(X: frame, schema: frame) -> frame", infer=_with_schema("dropInvalidType"))
def dropInvalidType(X, schema):
    """The frame with missing cells in place of those that are no values of the expected types.

    X: (n, m).  schema: (1, m) with names of types.  Returns (n, m) with the types and names of X; where a column holds numbers, the
    cells become 0.  As SystemDS `dropInvalidType`, which also drops whole numbers where FP32 or FP64 is expected, and
    changes X itself.
    """
    types = _types_of_row("dropInvalidType", schema)
    return X.map_columns(
        lambda c, j: c.with_missing(_where(c, lambda text: not _fits(text, types[j]))), "dropInvalidType"
    )


dropInvalidType.case(
    'F = frame(["1", "b", "c", "2.5", "true", "7"], rows=3, cols=2)\n'
    'RESULT = toString(dropInvalidType(F, frame(["INT32", "FP64"], rows=1, cols=2)), linesep=";")',
    "# FRAME: nrow = 3, ncol = 2;# C1 C2;# STRING STRING;1 null;null 2.5;true 7;",
)
dropInvalidType.fails(
    'dropInvalidType(frame("a", rows=1, cols=1), frame("INT", rows=2, cols=1))', "shape-mismatch", "of one row, got 2"
)


def _length_types(X: Type, lengths: Type) -> Type:
    count = lengths.rows * lengths.cols if lengths.shape_known else None
    if X.cols is not None and count is not None and X.cols != count:
        fail("shape-mismatch", f"dropInvalidLength: there are {count} lengths for {X.cols} columns")
    return _same(X)


@builtin("dropInvalidLength(X: frame, lengths: matrix) -> frame", infer=_length_types)
def dropInvalidLength(X, lengths):
    """The frame with missing cells in place of those with too long a text.

    X: (n, m).  lengths: (1, m), the largest number of characters in each column; negative: any.  Returns (n, m).  Same as
    SystemDS `dropInvalidLength`.
    """
    limits = lengths.ravel().tolist()

    def shortened(column: Column, j: int) -> Column:
        return column if limits[j] < 0 else column.with_missing(_where(column, lambda text: len(text) > limits[j]))

    return X.map_columns(shortened, "dropInvalidLength")


dropInvalidLength.case(
    'F = frame(["a", "abcd", "abc", "xy"], rows=2, cols=2)\n'
    'RESULT = toString(dropInvalidLength(F, matrix("2 -1", rows=1, cols=2)), linesep=";")',
    "# FRAME: nrow = 2, ncol = 2;# C1 C2;# STRING STRING;a abcd;null xy;",
)
dropInvalidLength.fails(
    'dropInvalidLength(frame("a", rows=1, cols=1), matrix(1, rows=1, cols=2))',
    "shape-mismatch",
    "2 lengths for 1 columns",
)


@builtin("valueSwap(X: frame, schema: frame) -> frame", infer=_with_schema("valueSwap"))
def valueSwap(X, schema):
    """The frame with pairs of cells of a row exchanged that are in each other's column.

    X: (n, m).  schema: (1, m) with names of types.  A cell that is no value of its type is exchanged with the first cell
    of its row that is one, if that makes both fit and both columns hold text.  Returns (n, m).  SystemDS `valueSwap` has
    this purpose, but also exchanges cells that fit, such as two short texts.
    """
    types = _types_of_row("valueSwap", schema)
    texts = [c.texts() for c in X.columns]
    movable = [j for j, c in enumerate(X.columns) if c.type == STRING]
    changed = set()
    for j in movable:
        for i in np.flatnonzero(_where(X.columns[j], lambda text, type=types[j]: not _fits(text, type))).tolist():
            mine = texts[j][i]
            if mine is None or _fits(mine, types[j]):  # exchanged before
                continue
            for k in movable:
                other = texts[k][i]
                if k != j and other is not None and _fits(other, types[j]) and _fits(mine, types[k]):
                    texts[j][i], texts[k][i] = other, mine
                    changed |= {j, k}
                    break
    columns = [Column(STRING, object_array(texts[j])) if j in changed else c for j, c in enumerate(X.columns)]
    return Frame(columns, X.names, X.rows)


valueSwap.case(
    'F = frame(["abc", "1", "2", "xyz"], rows=2, cols=2)\n'
    'RESULT = toString(valueSwap(F, frame(["STRING", "INT32"], rows=1, cols=2)), linesep=";")',
    "# FRAME: nrow = 2, ncol = 2;# C1 C2;# STRING STRING;abc 1;xyz 2;",
)
valueSwap.fails('valueSwap(frame("a", rows=1, cols=1), 3)', "argument-type", "schema must be a frame")

# ---- freplicate


def _replicate_type(X: Type, row: Type) -> Type:
    if row.data == SCALAR:
        count = checked_size("freplicate", "row", row)
        if X.rows not in (1, None):
            fail("shape-mismatch", f"freplicate: X must be a frame of one row, got {X.rows}")
        return Type(FRAME, rows=count, cols=X.cols)
    if row.rows not in (1, None):
        fail("shape-mismatch", f"freplicate: row must be a frame of one row, got {row.rows}")
    if None not in (X.cols, row.cols) and X.cols != row.cols:
        fail("shape-mismatch", f"freplicate: row has {row.cols} columns, X has {X.cols}")
    return Type(FRAME, rows=X.rows, cols=row.cols)


@builtin("freplicate(X: frame, row: frame|number) -> frame", infer=_replicate_type)
def freplicate(X, row):
    """A row repeated once for each row of X.

    X: (n, m).  row: a frame (1, m), the row; or a number n, then X is the row, (1, m).  Returns (n, m).  As SystemDS
    `freplicate`, which does not take a number.
    """
    source, count = (row, X.rows) if isinstance(row, Frame) else (X, int(row))
    return source.select(np.zeros(count, np.intp), 0)


freplicate.case(
    'toString(freplicate(frame("x", rows=2, cols=2), frame(["a", "b"], rows=1, cols=2)), linesep=";")',
    "# FRAME: nrow = 2, ncol = 2;# C1 C2;# STRING STRING;a b;a b;",
)
freplicate.case('nrow(freplicate(frame("a", rows=1, cols=2), 3))', "3")
freplicate.fails(
    'freplicate(frame("x", rows=2, cols=2), frame("a", rows=2, cols=2))', "shape-mismatch", "of one row, got 2"
)
