"""What the README and the examples show is what happens."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.M | re.S)


def python(*arguments):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_dml_of_the_readme():
    (text,) = blocks("r")
    lines = python("-m", "pydml", "-e", text).splitlines()
    assert [line.split()[0] for line in lines] == ["slope", "intercept"]
    assert float(lines[0].split()[1]) == pytest.approx(3, abs=0.1)


def test_python_of_the_readme():
    embedding, _ = blocks("python")
    lines = python("-c", embedding).splitlines()
    assert lines[0].endswith("(3, 3)")
    assert float(lines[1]) == 0


def test_builtin_of_the_readme():
    _, declaration = blocks("python")
    program = (
        "from pydml.builtins import registry\n"
        "registry.all_builtins()\n"
        f"exec({declaration!r}, {{}})\n"
        "import pydml\n"
        "from pydml.documentation import documentation\n"
        "from pydml.testing.agreement import check_calls\n"
        "softplus = registry.get('softplus')\n"
        "(case,), (failure,) = softplus.cases, softplus.failures\n"
        "print(pydml.run('x = ' + case.expression).x, check_calls(case.expression) > 0)\n"
        "try: pydml.run('x = ' + failure.expression)\n"
        "except pydml.DMLError as error: print(error.id == failure.id, failure.message in error.message)\n"
        "print(documentation('softplus'))\n"
    )
    out = python("-c", program)
    assert "1.00000000e+03]] True\n" in out
    assert "True True\n" in out
    assert "log(1 + exp(X)) for each cell" in out


def test_files_and_folders_that_the_readme_names_exist():
    for name in [
        *re.findall(r"\]\(([\w./-]+)\)", README),
        *re.findall(r"`((?:pydml|scripts|tests|benchmarks|docs|bin)/[\w/.-]*)`", README),
    ]:
        assert (ROOT / name).exists(), name


def test_hello():
    lines = python("-m", "pydml", "examples/hello.dml", "-nvargs", "n=1000").splitlines()
    assert [line.split()[0] for line in lines] == ["slope", "intercept", "sd"]
    assert [float(line.split()[1]) for line in lines] == [
        pytest.approx(3, abs=0.1),
        pytest.approx(2, abs=0.3),
        pytest.approx(1, abs=0.1),
    ]


def test_embedding():
    out = python("examples/embed.py")
    assert "accuracy 0.9" in out
    assert "gradients [(500, 20), (20, 5), (1, 5)]" in out
    assert "error[shape-mismatch]" in out


def test_command_of_a_checkout(tmp_path):
    result = subprocess.run(
        [ROOT / "bin" / "pydml", "-e", "print(1 + 2)"],
        cwd=tmp_path,
        env={"PYTHON": sys.executable, "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "3\n", "")
