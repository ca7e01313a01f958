"""pydml prints what SystemDS 3.4.0 prints, for all programs in the files of this folder; runs without Java."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from cases import HERE, Case, all_files, difference, read_cases, written_files

from pydml import DMLError
from pydml.config import make_config
from pydml.script import Script
from pydml.values.convert import parameter_values

CASES = [case for path in all_files() for case in read_cases(path)]
DIFFERENCES = HERE.parents[1] / "docs" / "differences.md"


def run(case: Case, folder: Path) -> tuple[str, DMLError | None]:
    """What pydml prints for a program, and the error that ended it."""
    output = io.StringIO()
    script = Script(case.program, config=make_config(seed=1, path=[HERE / "library"]), stdout=output)
    named = [f"{name}={value}" for name, value in case.parameters.items()]
    script.params.update(parameter_values([f"tmp={folder}", *named], {}))
    try:
        executable = script.executable(outputs=[])
        with script.running():
            executable.run(script.context(), {})
    except DMLError as error:
        return output.getvalue() + written_files(folder), error
    return output.getvalue() + written_files(folder), None


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_agrees_with_systemds(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE / "library")
    output, error = run(case, tmp_path)
    place = f"{case.path.name}:{case.line}: {case.name}"
    assert error is None or error.id != "internal", f"{place}: {error}"
    if case.differs:
        assert (error.id if error else "") == case.own_error, f"{place}: {error}"
        reason = difference(output, case.own_output)
        same = bool(case.error) == bool(case.own_error) and not difference(output, case.output)
        assert not same, f"{place}: pydml does not differ; remove `#~ {case.differs}`"
    elif case.error:
        # either may see the mistake earlier, before the run or while running
        assert error is not None, f"{place}: SystemDS reports an error, pydml printed\n{output}"
        shorter, longer = sorted((output, case.output), key=lambda text: text.count("\n"))
        reason = difference(shorter, "".join(longer.splitlines(True)[: shorter.count("\n")]))
    else:
        assert error is None, f"{place}: {error}"
        reason = difference(output, case.output)
    assert not reason, f"{place}: {reason}\n{output}"


def test_each_program_has_a_recorded_answer() -> None:
    """Programs whose answer is to print nothing are no tests."""
    assert [f"{c.path.name}:{c.line}" for c in CASES if not c.output and not c.error] == []


def test_names_are_unique() -> None:
    names = [case.id for case in CASES]
    assert sorted(n for n in set(names) if names.count(n) > 1) == []


def test_differences_are_documented() -> None:
    documented = set(re.findall(r"^#+ .*`([\w-]+)`$", DIFFERENCES.read_text(encoding="utf-8"), re.M))
    assert {case.differs for case in CASES if case.differs} <= documented
