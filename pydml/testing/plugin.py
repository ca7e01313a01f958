"""The pytest plugin: collects tests written in DML.  See docs/testing.md.

A DML file is collected if it is called `test_*.dml`, if it contains `# expect:` or `# error:` comments, or if it is named
on the command line.  Each function `test_*` without parameters is a test: it fails by assert(), stop() or any error.  Top-level
statements are one more test, where the file has expectations outside of its test functions, or no test functions.

The parameter `$tmp` of a script is a fresh folder for files that it writes.  Nothing of pydml is loaded before the first
DML file is found.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pydml.diagnostics import SourceFile
    from pydml.testing.expectations import Expectations

_MARKS = (b"# expect:", b"# error:", b"#expect:", b"#error:")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("pydml", "tests written in DML")
    group.addoption(
        "--dml-seed",
        type=int,
        default=None,
        help="seed of the random numbers in DML tests (default: another in each run)",
    )
    group.addoption(
        "--dml-precision", choices=("double", "single"), default="double", help="precision of matrices in DML tests"
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.suffix != ".dml":
        return None
    if (
        file_path.name.startswith("test_")
        or parent.session.isinitpath(file_path)
        or any(mark in file_path.read_bytes() for mark in _MARKS)
    ):
        return DMLFile.from_parent(parent, path=file_path)
    return None


class DMLFile(pytest.File):
    """A DML file with tests."""

    def collect(self) -> Iterator[pytest.Item]:
        from pydml.diagnostics import DMLError
        from pydml.ir.imports import read_source
        from pydml.syntax import parse
        from pydml.testing.expectations import read_expectations

        try:
            file = read_source(self.path, self._shown_name())
        except DMLError as error:
            raise self.CollectError(str(error)) from None
        expectations = read_expectations(file)
        try:
            functions = parse(file).functions
        except DMLError:  # the test of the whole file reports it, or expects it
            functions = ()
        ranges = []
        for function in functions:
            if function.name.startswith("test_") and not function.params:
                lines = (function.span.line, file.line_and_column(function.span.end)[0])
                ranges.append(lines)
                expected = expectations.within(*lines)
                yield DMLTest.from_parent(
                    self,
                    name=function.name,
                    file=file,
                    line=function.name_span.line,
                    function=function.name,
                    expected=expected,
                )
        rest = expectations.outside(ranges)
        if rest or (not ranges and (self.path.name.startswith("test_") or self.session.isinitpath(self.path))):
            yield DMLTest.from_parent(self, name="script", file=file, line=1, function=None, expected=rest)

    def _shown_name(self) -> str:
        """The path as messages show it: from the folder where pytest was started, if below."""
        try:
            return str(self.path.relative_to(self.config.invocation_params.dir))
        except ValueError:
            return str(self.path)

    def repr_failure(self, excinfo: Any) -> Any:
        from pydml.testing.expectations import Mismatch

        return str(excinfo.value) if isinstance(excinfo.value, Mismatch) else super().repr_failure(excinfo)


class DMLTest(pytest.Item):
    """One test: a function of a DML file, or its top-level statements (function None)."""

    def __init__(self, *, file: SourceFile, line: int, function: str | None, expected: Expectations, **keywords: Any):
        super().__init__(**keywords)
        self.file = file
        self.line = line
        self.function = function
        self.expected = expected
        self.seed: int | None = None

    def runtest(self) -> None:
        from pydml.diagnostics import DMLError
        from pydml.testing.expectations import compare

        output = io.StringIO()
        error = None
        try:
            self._run(output)
        except DMLError as caught:
            if caught.id == "internal" and not self.expected.errors and caught.__cause__ is not None:
                raise  # a fault of pydml, not of the script: the Python traceback is the message
            error = caught
        compare(self.file, self.expected, output.getvalue(), error)

    def _run(self, output: io.StringIO) -> None:
        import tempfile

        from pydml.config import make_config
        from pydml.script import Script
        from pydml.values.convert import parameter_values

        self.seed = self.config.getoption("--dml-seed")
        if self.seed is None:
            import secrets

            self.seed = secrets.randbits(32)
        config = make_config(
            seed=self.seed, precision=self.config.getoption("--dml-precision"), path=[self.path.parent]
        )
        script = Script(self.file, config=config, stdout=output)
        with tempfile.TemporaryDirectory(prefix="pydml-test-") as folder:
            script.params.update({"tmp": folder}, **parameter_values(self.expected.args, {}))
            if self.function is None:
                executable = script.executable(outputs=[])
                with script.running():
                    executable.run(script.context(), {})
            else:
                function = script.executable(outputs=[], library=True).functions[self.function]
                with script.running():
                    function.call(script.context(), [], [])

    def repr_failure(self, excinfo: Any) -> Any:
        from pydml.testing.expectations import Mismatch

        if not isinstance(excinfo.value, Mismatch):
            return super().repr_failure(excinfo)
        text = str(excinfo.value)
        if "rand" in self.file.text or "sample" in self.file.text:
            text += f"\nrandom numbers: --dml-seed={self.seed}"
        return text

    def reportinfo(self) -> tuple[Path, int, str]:
        name = self.file.name if self.function is None else f"{self.function} in {self.file.name}"
        return self.path, self.line - 1, name
