"""Error messages, held equal to stored text: NAME.dml is the program, NAME.txt what it prints and the messages.

After a deliberate change, `python tests/errors/test_golden.py` writes the texts anew; read the difference.
"""

import contextlib
import io
from pathlib import Path

import pytest

from pydml.config import bundled_scripts
from pydml.diagnostics import DMLError
from pydml.diagnostics.render import render_text
from pydml.ir.imports import read_source
from pydml.script import Script
from pydml.testing.expectations import read_expectations
from pydml.values.convert import parameter_values

FOLDER = Path(__file__).parent
CASES = sorted(path.stem for path in FOLDER.glob("*.dml"))


def messages(name: str) -> str:
    """What a program prints and the messages it ends with."""
    out = io.StringIO()
    with contextlib.chdir(FOLDER):
        file = read_source(Path(f"{name}.dml"))
        script = Script(file, stdout=out, seed=1)
        script.params.update(parameter_values(read_expectations(file).args, {}))
        with pytest.raises(DMLError) as caught:
            executable = script.executable(outputs=[])
            with script.running():
                executable.run(script.context())
    error = caught.value
    assert error.id != "internal", error
    text = "\n".join(render_text(d) for d in error.diagnostics)
    text = text.replace(str(FOLDER), "FOLDER").replace(str(bundled_scripts()), "SCRIPTS")
    return out.getvalue() + "\n".join(line.rstrip() for line in text.split("\n")) + "\n"


@pytest.mark.parametrize("name", CASES)
def test_message(name):
    assert messages(name) == (FOLDER / f"{name}.txt").read_text(encoding="utf-8")


def test_every_text_has_its_program():
    assert sorted(path.stem for path in FOLDER.glob("*.txt")) == CASES


if __name__ == "__main__":
    for name in CASES:
        try:
            text = messages(name)
        except BaseException as error:
            print(f"{name}: {type(error).__name__} {error}")
        else:
            (FOLDER / f"{name}.txt").write_text(text, encoding="utf-8")
