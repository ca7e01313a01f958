"""Output, termination, time and sizes: print, toString, stop, assert, time, nrow, ncol, length."""

from __future__ import annotations

import time as clock

from pydml.builtins.registry import builtin
from pydml.diagnostics import fail
from pydml.types import INT_SCALAR, LIST, Type
from pydml.values import type_of
from pydml.values.text import format_string, scalar_text, value_text


@builtin("print(x: any, *args: any)", needs="context", effects=["print"], storages="any")
def print_(ctx, x, *args):
    """Write a value and a new line to the output.

    x: any value; matrices, frames and lists are written as `toString(x)`.  With more arguments x is a format of Java's
    `String.format`: `%d` for ints, `%f %e %g` for doubles, `%b` for booleans, `%s` for all (it writes true and false in
    lower case).  An argument that does not fit its place is an error.  Same as SystemDS `print`.
    """
    if not args:
        ctx.write(value_text(x) + "\n")
        return
    if not isinstance(x, str):
        fail(
            "argument-type",
            f"print: the format must be a string, got {type_of(x)}",
            help="join values by + for one line",
        )
    ctx.write(format_string(x, args) + "\n")


print_.fails('print("%d", 2.5)', "argument-type", "%d needs an int, got the double 2.5")
print_.fails('print("%f and %f", 2.5)', "argument-type", "no argument for %f")


@builtin(
    "toString(target: any, rows: number = 100, cols: number = 100, decimal: number = 3, sparse: boolean = FALSE, "
    'sep: string = " ", linesep: string = "\\n") -> string',
    storages="any",
)
def toString(target, rows, cols, decimal, sparse, sep, linesep):
    """The text of a value, as print writes it.

    target: any value.  rows, cols: only the first so many rows and columns of a matrix or frame.  decimal: decimals of
    each cell, rounded half to even from the exact value.  sparse: one line `row col value` for each non-zero cell. sep,
    linesep: what follows a cell and a row; every row has its `linesep`, the last one too, so that `print(toString(X))`
    ends with an empty line.  Same as SystemDS `toString`.
    """
    return value_text(target, int(rows), int(cols), int(decimal), sparse, sep, linesep)


toString.case("toString(2.5)", "2.5")
toString.case("toString(TRUE)", "TRUE")
toString.case('toString(matrix("1 2.25 3 4.5", rows=2, cols=2), decimal=1, linesep=";")', "1.0 2.2;3.0 4.5;")
toString.case('toString(matrix("0 2 0 3", rows=2, cols=2), sparse=TRUE, sep=",", linesep=";")', "1,2,2.000;2,2,3.000;")
toString.fails("toString(1, sep=2)", "argument-type", "sep must be a string")


@builtin("stop(message: scalar)", effects=["stop"])
def stop(message):
    """End the program with an error that carries the message.

    What was printed before stays.  Same as SystemDS `stop`.
    """
    fail("stop", scalar_text(message))


stop.fails('stop("enough")', "stop", "enough")
stop.fails("stop(3)", "stop", "3")


@builtin("assert(condition: scalar)", effects=["stop"])
def assert_(condition):
    """End the program with an error unless the condition is true: a boolean, or a number other than 0.

    Same as SystemDS `assert`.
    """
    if isinstance(condition, str):
        fail("argument-type", "assert: the condition must be a boolean or a number, got a string")
    if not condition:
        fail("assert", "assertion failed")


assert_.fails("assert(1 > 2)", "assert", "assertion failed")
assert_.fails('assert("TRUE")', "argument-type", "condition must be a boolean")


@builtin("time() -> int", effects=["time"])
def time():
    """Nanoseconds of a clock that never goes back.  Only differences mean something.  Same as SystemDS `time`."""
    return clock.perf_counter_ns()


def _size_type(size: int | None) -> Type:
    return INT_SCALAR if size is None else INT_SCALAR._replace(const=size)


@builtin("nrow(X: matrix|frame|list) -> int", infer=lambda X: _size_type(X.rows), storages="any", self_checking=True)
def nrow(X):
    """Number of rows of a matrix or frame, or of elements of a list.  Same as SystemDS `nrow`."""
    return X.shape[0] if hasattr(X, "shape") else type_of(X).rows


nrow.case("nrow(matrix(0, rows=3, cols=2))", "3")
nrow.case("nrow(list(1, 2))", "2")
nrow.fails("nrow(5)", "argument-type", "X must be a matrix or a frame or a list")


@builtin(
    "ncol(X: matrix|frame|list) -> int",
    infer=lambda X: _size_type(1 if X.data == LIST else X.cols),
    storages="any",
    self_checking=True,
)
def ncol(X):
    """Number of columns of a matrix or frame; 1 for a list.  Same as SystemDS `ncol`."""
    return X.shape[1] if hasattr(X, "shape") else type_of(X).cols


ncol.case("ncol(matrix(0, rows=3, cols=2))", "2")
ncol.case("ncol(list(1, 2))", "1")
ncol.fails('ncol("abc")', "argument-type", "X must be a matrix or a frame or a list")


def _length_type(X: Type) -> Type:
    if X.data == LIST:
        return _size_type(X.rows)
    return _size_type(X.rows * X.cols if X.rows is not None and X.cols is not None else None)


@builtin("length(X: matrix|frame|list) -> int", infer=_length_type, storages="any", self_checking=True)
def length(X):
    """Number of cells of a matrix or frame, or of elements of a list.  Same as SystemDS `length`."""
    t = type_of(X)
    return t.rows if t.data == LIST else t.rows * t.cols


length.case("length(matrix(0, rows=3, cols=2))", "6")
length.case("length(list(1, 2, 3))", "3")
length.fails('length("abc")', "argument-type", "X must be a matrix or a frame or a list")
