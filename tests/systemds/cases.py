"""Programs with what SystemDS 3.4.0 printed for them: the files `<topic>.dml` beside this one.

A file holds many small programs:

    --- integer division truncates toward zero
    print(-7 %/% 2)
    #> -3

`--- name` starts a program.  `#> ` is a line that SystemDS printed; `#! before` says that it refused the program before it
ran, `#! running` that the program ended in an error; record.py writes these.  `#$ name=value` sets `$name`.

Where pydml differs on purpose, `#~ label` names the entry of docs/differences.md that says why, `#= ` is a line that pydml
prints, and `#=! id` the error that it reports.  Files that a program writes to the folder `$tmp` count as output:

    --- an increment after the assignment in one block
    #~ accepted
    x = 5
    x += 2
    print(x)
    #= 7
    #! before
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent

# Two implementations add and round in different orders: ten digits agree.  Around zero nothing relative is left.
RELATIVE = 1e-9
ABSOLUTE = 1e-14

_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.\d+(?:[eE][-+]?\d+)?|NaN|Infinity)(?![\w.])")
_MARKS = ("#>", "#!", "#~", "#=", "#$")


@dataclass
class Case:
    """One program.  line: where it starts in its file; output and error: of SystemDS; own_*: of pydml where it differs."""

    path: Path
    name: str
    line: int
    program: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    output: str = ""
    error: str = ""  # "", "before" or "running"
    differs: str = ""
    own_output: str = ""
    own_error: str = ""

    @property
    def id(self) -> str:
        return f"{self.path.stem}: {self.name}"


def read_cases(path: Path) -> list[Case]:
    """The programs of a file, in order."""
    cases: list[Case] = []
    for number, line in enumerate(path.read_bytes().decode().split("\n"), 1):
        if line.startswith("--- "):
            cases.append(Case(path, line[4:].strip(), number))
        elif cases:
            _add_line(cases[-1], line)
    for case in cases:
        case.program = case.program.strip("\n") + "\n"
    return cases


def _add_line(case: Case, line: str) -> None:
    mark, rest = line[:2], line[3:]
    if mark == "#>":
        case.output += rest + "\n"
    elif mark == "#!":
        case.error = rest
    elif mark == "#~":
        case.differs = rest
    elif line.startswith("#=!"):
        case.own_error = line[4:]
    elif mark == "#=":
        case.own_output += rest + "\n"
    elif mark == "#$":
        name, _, value = rest.partition("=")
        case.parameters[name] = value
    else:
        case.program += line + "\n"


def write_cases(path: Path, cases: list[Case]) -> None:
    """Write a file again, with the outputs that the cases have now; the text before the first program is kept."""
    head = path.read_bytes().decode().partition("--- ")[0]
    path.write_bytes((head + "\n".join(map(case_text, cases))).encode())


def case_text(case: Case) -> str:
    lines = [f"--- {case.name}"]
    lines += [f"#$ {name}={value}" for name, value in case.parameters.items()]
    lines += [f"#~ {case.differs}"] if case.differs else []
    lines += [case.program.rstrip("\n")]
    if case.differs:
        lines += [f"#= {text}".rstrip() for text in _lines(case.own_output)]
        lines += [f"#=! {case.own_error}"] if case.own_error else []
    lines += [f"#> {text}".rstrip() for text in _lines(case.output)]
    lines += [f"#! {case.error}"] if case.error else []
    return "\n".join(lines) + "\n"


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def written_files(folder: Path) -> str:
    """The text files that a program has written to `$tmp`, without their metadata, as part of its output."""
    text = ""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name[0] not in "._" and path.suffix != ".mtd":
            content = path.read_text(encoding="utf-8", errors="replace")
            text += f"file {path.relative_to(folder).as_posix()}:\n{content}" + ("" if content.endswith("\n") else "\n")
    return text


def all_files() -> list[Path]:
    return sorted(HERE.glob("*.dml"))


def difference(found: str, expected: str, relative: float = RELATIVE, absolute: float = ABSOLUTE) -> str:
    """Why two outputs differ, or "".  Doubles may differ by rounding; all other text is compared exactly.

    White space at the end of a line, and empty lines at the end, do not count.
    """
    one, other = _lines(found), _lines(expected)
    for number, (a, b) in enumerate(zip(one, other, strict=False), 1):
        if a.rstrip() != b.rstrip() and not _same_numbers(a.rstrip(), b.rstrip(), relative, absolute):
            return f"line {number}: {a!r}, expected {b!r}"
    if len(one) != len(other):
        return f"{len(one)} lines, expected {len(other)}"
    return ""


def _same_numbers(a: str, b: str, relative: float, absolute: float) -> bool:
    if _NUMBER.sub("#", a) != _NUMBER.sub("#", b):
        return False
    pairs = zip(_NUMBER.findall(a), _NUMBER.findall(b), strict=True)
    return all(_close(float(x), float(y), relative, absolute) for x, y in pairs)


def _close(x: float, y: float, relative: float, absolute: float) -> bool:
    return (math.isnan(x) and math.isnan(y)) or math.isclose(x, y, rel_tol=relative, abs_tol=absolute)
