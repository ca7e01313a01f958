"""Python tracebacks to places in DML and the DML call stack.

Every instruction of emitted code knows its line and columns; they are those of the DML operation, or, for an operation
that was inlined, a column that stands for an entry in a table.
"""

from __future__ import annotations

import ast
import re
from dataclasses import field
from types import CodeType, TracebackType

from pydml.diagnostics import Diagnostic, DMLError, Frame, SourceFile, Span, internal_error
from pydml.execution.code import INLINED, Position
from pydml.records import dataclass


@dataclass
class Places:
    """What the code objects of a program stand for.

    files: code object -> its DML file.  names: Python function -> DML function ("" is the main script).
    inlined: table of places of inlined operations, with the calls they came through.  checks: see `code.Code`.
    """

    files: dict[CodeType, SourceFile] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    inlined: list[tuple[Span, tuple[tuple[str, Span], ...]]] = field(default_factory=list)
    checks: dict[Position, ast.expr] = field(default_factory=dict)

    def add(self, file: SourceFile, code: CodeType) -> None:
        """Enter a module's code and that of its functions."""
        self.files[code] = file
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                self.add(file, constant)


def place_error(error: BaseException, places: Places) -> DMLError:
    """The error as a DMLError with the place in DML and the DML call stack."""
    frames = _dml_frames(error, places)
    if isinstance(error, DMLError):
        result = error
    elif isinstance(error, IndexError) and (found := _checked(error, places)) is not None:
        result = found
    else:
        result = _translate(error, _raised_in_dml(error, places))
    if not frames:
        return result
    span = frames[0].span
    stack = [Frame(f.function, f.span) for f in frames[1:]]
    return result.with_span(span, stack)


def _dml_frames(error: BaseException, places: Places) -> list[Frame]:
    """DML frames, innermost first: the place in each function, with the name of the function."""
    frames: list[Frame] = []
    for traceback in _levels(error):
        code = traceback.tb_frame.f_code
        file = places.files.get(code)
        if file is not None:
            function = places.names.get(code.co_name, "")
            name = function or "the script"
            place = _position(traceback, file, places)
            if place is not None:
                span, calls = place
                # an inlined operation stands for several levels; the outermost is the function that is really running
                level = [Frame("", span)]
                for callee, call_span in calls:
                    level[-1] = Frame(callee, level[-1].span)
                    level.append(Frame("", call_span))
                level[-1] = Frame(name, level[-1].span)
                frames.extend(reversed(level))
    frames.reverse()
    return frames


def _levels(error: BaseException) -> list[TracebackType]:
    """The calls that the exception came through, outermost first."""
    levels = []
    traceback = error.__traceback__
    while traceback is not None:
        levels.append(traceback)
        traceback = traceback.tb_next
    return levels


def _lines_and_columns(traceback: TracebackType) -> tuple[int | None, int | None, int | None, int | None]:
    """Line, last line, column and last column of the instruction that runs there."""
    return list(traceback.tb_frame.f_code.co_positions())[traceback.tb_lasti // 2]


def _position(
    traceback: TracebackType, file: SourceFile, places: Places
) -> tuple[Span, tuple[tuple[str, Span], ...]] | None:
    line, end_line, column, end_column = _lines_and_columns(traceback)
    if line is None or column is None:
        return None
    if column >= INLINED:
        return places.inlined[column - INLINED]
    starts = file.line_starts
    if line > len(starts) or end_line is None or end_column is None or end_line > len(starts):
        return None
    return Span(file, starts[line - 1] + column, starts[end_line - 1] + end_column), ()


def _checked(error: IndexError, places: Places) -> DMLError | None:
    """What is to be said of an index that an array refused: the operation is done again by the function that checks it."""
    innermost = next((t for t in reversed(_levels(error)) if t.tb_frame.f_code in places.files), None)
    if innermost is None:
        return None
    code, frame = innermost.tb_frame.f_code, innermost.tb_frame
    check = places.checks.get((places.files[code], code.co_name, *_lines_and_columns(innermost)))  # type: ignore[arg-type]
    if check is None:
        return None
    try:
        eval(compile(ast.Expression(check), code.co_filename, "eval"), frame.f_globals, dict(frame.f_locals))
    except DMLError as found:
        return found
    return None


def _raised_in_dml(error: BaseException, places: Places) -> bool:
    """Whether emitted code itself raised the exception, not something that it called."""
    levels = _levels(error)
    return bool(levels) and levels[-1].tb_frame.f_code in places.files


def _translate(error: BaseException, in_dml: bool) -> DMLError:
    """A Python exception as a diagnostic.  in_dml: emitted code itself raised it."""
    if isinstance(error, NameError) and in_dml:
        match = re.search(r"'(\w+)'", str(error))
        name = match[1] if match else "a variable"
        name = name.removesuffix("_kw")
        return DMLError(
            Diagnostic(
                "unassigned", f"{name} has not been assigned on the path that was taken", help="assign it on every path"
            )
        )
    if isinstance(error, RecursionError):
        return DMLError(
            Diagnostic("recursion", "functions call each other too deeply", help="is there an end of the recursion?")
        )
    if isinstance(error, MemoryError):
        return DMLError(Diagnostic("memory", "there is not enough memory for this operation"))
    return internal_error(error)
