"""Expectations in the comments of a DML file, and their comparison with what a run did.

    print(1 + 1)              # expect: 2
    y = foo(3)                # error: [undefined-function] there is no function foo
    # args: 5 scale=0.5

`# expect: text` is one line of output; the expectations of a script, from top to bottom, are its whole output.  A line that
is printed several times (in a loop), or a matrix, has several expectations: on its own line and below.  Blank lines of the
output are passed over, unless an empty `# expect:` asks for one.  White space at the end of a line does not count.

`# error: [id] text` stands on the line that the diagnostic must point to: its id, and a part of its message.  Where the
mistake is in another file, the line is that of the call.  Several mistakes have a comment each.

`# args: ...` gives the values of `$` parameters, written as after -args on the command line.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import field

from pydml.diagnostics import Diagnostic, DMLError, SourceFile
from pydml.diagnostics.render import render_text
from pydml.records import dataclass

# A `#` in a string is no comment: texts of strings are skipped.
_COMMENT = re.compile(
    r"""(?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|(?P<block>/\*.*?\*/)"""
    r"""|\#\s*(?P<kind>expect|error|args):[ \t]?(?P<text>[^\n]*)|\#[^\n]*""",
    re.S,
)
_ERROR = re.compile(r"\[(?P<id>[\w-]+)\]\s*(?P<text>.*)")


@dataclass(frozen=True)
class Expectation:
    """A comment: its kind (expect or error), the line it stands on, what it says.  id: of an error."""

    line: int
    text: str
    id: str = ""


@dataclass
class Expectations:
    """The comments of a file, or of one function of it."""

    output: list[Expectation] = field(default_factory=list)
    errors: list[Expectation] = field(default_factory=list)
    args: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.output or self.errors)

    def within(self, first: int, last: int) -> Expectations:
        """Those on lines first to last; the arguments are those of the file."""
        return Expectations(
            [e for e in self.output if first <= e.line <= last],
            [e for e in self.errors if first <= e.line <= last],
            self.args,
        )

    def outside(self, ranges: Sequence[tuple[int, int]]) -> Expectations:
        """Those on none of the lines."""

        def free(e: Expectation) -> bool:
            return not any(first <= e.line <= last for first, last in ranges)

        return Expectations([e for e in self.output if free(e)], [e for e in self.errors if free(e)], self.args)


class Mismatch(Exception):
    """A test in DML failed.  `line`: where; the text says what was expected and what was found."""

    def __init__(self, message: str, line: int = 0):
        super().__init__(message)
        self.line = line


def read_expectations(file: SourceFile) -> Expectations:
    """The expectations of a DML text.  Raises Mismatch for an `# error:` comment without an id."""
    result = Expectations()
    for match in _COMMENT.finditer(file.text):
        kind = match["kind"]
        if kind is None:
            continue
        line = file.line_and_column(match.start())[0]
        text = match["text"].rstrip()
        if kind == "expect":
            result.output.append(Expectation(line, text))
        elif kind == "args":
            result.args += shlex.split(text)
        else:
            parts = _ERROR.fullmatch(text)
            if parts is None:
                raise Mismatch(f"{file.name}:{line}: write `# error: [id] part of the message`", line)
            result.errors.append(Expectation(line, parts["text"].strip(), parts["id"]))
    return result


def compare(file: SourceFile, expected: Expectations, output: str, error: DMLError | None) -> None:
    """Raise Mismatch unless a run that printed `output`, and ended by `error` if not None, is as expected.

    Without any expectation, only an error counts.
    """
    _compare_errors(file, expected.errors, error, output)
    if expected:
        _compare_output(file, expected.output, output)


def _compare_output(file: SourceFile, expected: Sequence[Expectation], output: str) -> None:
    lines = [line.rstrip() for line in output.split("\n")]
    position = 0
    for e in expected:
        if e.text:
            while position < len(lines) and not lines[position]:
                position += 1
        if position == len(lines) or (position == len(lines) - 1 and not lines[position]):
            raise Mismatch(_output_message(file, e, e.text, None, output), e.line)
        if lines[position] != e.text:
            raise Mismatch(_output_message(file, e, e.text, lines[position], output), e.line)
        position += 1
    rest = [line for line in lines[position:] if line]
    if rest:
        last = expected[-1] if expected else Expectation(1, "")
        raise Mismatch(_output_message(file, last, None, rest[0], output), last.line)


def _output_message(file: SourceFile, place: Expectation, expected: str | None, found: str | None, output: str) -> str:
    number = str(place.line)
    return "\n".join(
        [
            f"{file.name}:{place.line}: the output differs" + (" after this line" if expected is None else ""),
            f"{number} | {file.line(place.line)}",
            f"{' ' * len(number)} = expected: {'nothing more' if expected is None else expected}",
            f"{' ' * len(number)} = found:    {'nothing more' if found is None else found}",
            *_whole(output),
        ]
    )


def _whole(output: str) -> list[str]:
    lines = output.rstrip("\n").split("\n")
    if not output.strip():
        return ["the script printed nothing"]
    shown = lines if len(lines) <= 40 else [*lines[:20], f"... {len(lines) - 40} more lines ...", *lines[-20:]]
    return ["the whole output:", *("  " + line for line in shown)]


def _compare_errors(file: SourceFile, expected: Sequence[Expectation], error: DMLError | None, output: str) -> None:
    found = list(error.diagnostics) if error is not None else []
    unmatched: list[tuple[Expectation, Diagnostic | None]] = []
    for e in expected:
        match = next((d for d in found if d.id == e.id and _line_in(file, d) == e.line and e.text in d.message), None)
        if match is None:
            unmatched.append((e, next((d for d in found if _line_in(file, d) == e.line), None)))
        else:
            found.remove(match)
    if unmatched:
        e, near = unmatched[0]
        number = str(e.line)
        pad = " " * len(number)
        lines = [
            f"{file.name}:{e.line}: " + ("another error than expected" if found else "there was no error"),
            f"{number} | {file.line(e.line)}",
            f"{pad} = expected: [{e.id}] {e.text}",
        ]
        if near is not None:
            lines.append(f"{pad} = found:    [{near.id}] {near.message}")
        elif found:
            lines += ["found:", *(render_text(d) for d in found)]
        else:
            lines += _whole(output)
        raise Mismatch("\n".join(lines), e.line)
    if found:
        place = next((line for d in found if (line := _line_in(file, d))), 0)
        raise Mismatch(
            "\n".join([*(render_text(d) for d in found), *(_whole(output) if output.strip() else [])]), place
        )


def _line_in(file: SourceFile, diagnostic: Diagnostic) -> int:
    """The line of the file that a diagnostic points to: its own place, or the innermost call in this file; 0 if none."""
    spans = [diagnostic.span, *(frame.span for frame in diagnostic.stack)]
    return next((span.line for span in spans if span is not None and span.file.name == file.name), 0)
