"""The command as a user meets it: output, messages, exit status."""

import json
import os
import signal
import subprocess
import sys

import pytest

import pydml

ROOT = os.path.dirname(os.path.dirname(pydml.__file__))


def start(*arguments, **keywords):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYDML_", "SYSTEMDS_"))}
    environment["PYTHONPATH"] = ROOT
    environment.update(keywords.pop("environment", {}))
    return subprocess.Popen(
        [sys.executable, "-m", "pydml", *map(str, arguments)],
        stdin=keywords.pop("stdin", subprocess.DEVNULL),
        stdout=keywords.pop("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        **keywords,
    )


def pydml_command(*arguments, **keywords):
    """Run the command; (status, output, errors)."""
    text = keywords.pop("input", None)
    if text is not None:
        keywords["stdin"] = subprocess.PIPE
    process = start(*arguments, **keywords)
    output, errors = process.communicate(text, timeout=120)
    assert "Traceback" not in errors or "--debug" in arguments
    return process.returncode, output, errors


@pytest.fixture
def script(tmp_path):
    def write(text, name="script.dml"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_file_text_and_standard_input(script):
    expected = (0, "3\n", "")
    assert pydml_command(script("print(1 + 2)")) == expected
    assert pydml_command("-f", script("print(1 + 2)")) == expected
    assert pydml_command("-e", "print(1 + 2)") == expected
    assert pydml_command("-", input="print(1 + 2)") == expected


def test_script_without_the_usual_ending_and_called_like_a_subcommand(script, tmp_path):
    script("print(1 + 2)", "doc")
    assert pydml_command("-f", "doc", cwd=tmp_path) == (0, "3\n", "")


def test_parameters(script):
    path = script("print($1 + 1); print($2 * 2); print(ifdef($rate, 0.1) * 2); print(ifdef($n, 1))")
    assert pydml_command(path, "-args", "4", "-1.5", "rate=0.25") == (0, "5\n-3.0\n0.5\n1\n", "")
    assert pydml_command(path, "-args", "4", "5", "-nvargs", "n=TRUE") == (0, "5\n10\n0.2\nTRUE\n", "")


def test_parameters_that_nobody_reads_are_warned_about(script):
    path = script("print(ifdef($rate, 0.1))")
    status, output, errors = pydml_command(path, "-nvargs", "rat=5")
    assert (status, output) == (0, "0.1\n")
    assert (
        errors.strip() == "warning[unused-argument]: -nvargs: the script does not read $rat (rat=5); did you mean rate?"
    )
    status, output, errors = pydml_command(path, "-args", "rate=5", "7")
    assert (status, output) == (0, "5\n")
    assert errors.strip() == "warning[unused-argument]: -args: the script does not read $2 (7)"


def test_missing_parameter(script):
    status, output, errors = pydml_command(script("print($rate)"))
    assert (status, output) == (1, "")
    assert "error[parameter]" in errors
    assert "rate" in errors


def test_error_after_output(script):
    path = script("print('before')\nx = 0\nstop('that is ' + x)\nprint('after')")
    status, output, errors = pydml_command(path)
    assert (status, output) == (1, "before\n")
    assert errors.splitlines()[:3] == ["error[stop]: that is 0", f" --> {path}:3:1", "3 | stop('that is ' + x)"]


def test_formats_of_errors(script):
    path = script("x = nothing(1)\ny = neither(2)\n")
    assert pydml_command(path, "--format", "line")[2].splitlines() == [
        f"{path}:1:5: error[undefined-function]: there is no function nothing",
        f"{path}:2:5: error[undefined-function]: there is no function neither",
    ]
    found = json.loads(pydml_command(path, "--format=json")[2])
    assert [(d["id"], d["place"]["line"], d["place"]["column"]) for d in found] == [
        ("undefined-function", 1, 5),
        ("undefined-function", 2, 5),
    ]


def test_files_that_are_not_there_or_not_text(tmp_path):
    status, _, errors = pydml_command(tmp_path / "none.dml")
    assert status == 1
    assert errors.startswith(f"error[file]: there is no file {tmp_path / 'none.dml'}")
    assert pydml_command(tmp_path)[0] == 1
    (tmp_path / "bytes.dml").write_bytes(b"\xff\xfe\x00")
    assert pydml_command(tmp_path / "bytes.dml")[0] == 1


def test_wrong_usage():
    status, output, errors = pydml_command("--sed", "3")
    assert (status, output) == (2, "")
    assert errors == "pydml: there is no option --sed (did you mean --seed?)\nTry pydml --help.\n"
    assert pydml_command()[0] == 2


def test_help_and_version():
    status, output, errors = pydml_command("--help")
    assert (status, errors) == (0, "")
    assert output.startswith("usage: pydml FILE")
    assert pydml_command("--version") == (0, f"pydml {pydml.__version__}\n", "")


def test_settings_from_the_environment(script):
    status, _, errors = pydml_command("-e", "print(1)", environment={"SYSTEMDS_NUM_THREADS": "many"})
    assert status == 1
    assert "SYSTEMDS_NUM_THREADS must be a positive number" in errors
    assert pydml_command("-e", "print(1)", environment={"SYSTEMDS_NUM_THREADS": "1"})[0] == 0


def test_path(script, tmp_path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "one.dml").write_text("f = function() return (int x) { x = 5 }")
    path = script('source("one.dml") as one\nprint(one::f())')
    assert pydml_command(path, cwd="/")[0] == 1
    assert pydml_command(path, "--path", tmp_path / "lib", cwd="/") == (0, "5\n", "")
    assert pydml_command(path, environment={"PYDML_PATH": str(tmp_path / "lib")}, cwd="/") == (0, "5\n", "")


def test_seed():
    text = "X = rand(rows=2, cols=2); print(sum(X))"
    first = pydml_command("-e", text, "--seed", "5")
    assert first == pydml_command("-e", text, "--seed", "5")
    assert first != pydml_command("-e", text, "--seed", "6")


def test_single_precision():
    text = "X = matrix(0.1, 1, 1); print(as.scalar(X) == 0.1)"
    assert pydml_command("-e", text)[1] == "TRUE\n"
    assert pydml_command("-e", text, "--precision", "single")[1] == "FALSE\n"


def test_check_does_not_run(script):
    assert pydml_command("-e", "print(1)", "--check") == (0, "", "")
    assert pydml_command("-e", "print(nothing(1))", "--check")[0] == 1


def test_explain_shows_the_stages():
    text = "x = 1; if ($1 > 2) { x = 3 }; print(x * 2)"
    for stage in ("syntax", "ir", "types", "program", "python"):
        status, output, errors = pydml_command("-e", text, "-args", "5", "--check", "--explain", stage)
        assert (status, errors) == (0, "")
        assert "print" in output
    assert "def _main(" in output


def test_stats_go_to_standard_error(script):
    path = script("X = matrix(1, 100, 100)\nfor (i in 1:3) {\n  X = X %*% X\n}\nprint(sum(X) > 0)\n")
    status, output, errors = pydml_command(path, "--stats", "2")
    assert (status, output) == (0, "TRUE\n")
    lines = errors.splitlines()
    assert lines[0].startswith("time ")
    table = [line.split() for line in lines if str(path) in line]
    assert len(table) == 2
    product = next(row for row in table if row[1] == "%*%")
    assert product[-2:] == ["3", f"{path}:3"]
    assert float(product[2]) >= 0


def test_doc():
    status, output, errors = pydml_command("doc", "nrow")
    assert (status, errors) == (0, "")
    assert output.startswith("nrow(")
    assert "nrow" in pydml_command("doc")[1]
    assert "%*%" in pydml_command("doc", "%*%")[1]
    status, output, errors = pydml_command("doc", "nrwo")
    assert (status, output, errors) == (2, "", "pydml doc: there is no builtin nrwo; did you mean nrow?\n")


def test_doc_of_a_file(script):
    path = script(
        "# Doubling.\n\ntwice = function(matrix[double] X, double by = 2.0) return (matrix[double] Y) {\n"
        "  # X times by.\n  Y = X * by\n}\n"
    )
    assert pydml_command("doc", path)[1] == (
        "Doubling.\n\ntwice(matrix[double] X, double by = 2.0) -> matrix[double] Y\n\n    X times by.\n"
    )


def test_explain_an_error():
    for id in ("shape-mismatch", "error[shape-mismatch]"):
        status, output, _ = pydml_command("explain", id)
        assert status == 0
        assert output.startswith("shape-mismatch: Sizes do not fit together.")
    assert pydml_command("explain", "shape-mismtach") == (
        2,
        "",
        "pydml explain: there is no diagnostic shape-mismtach; did you mean shape-mismatch?\n",
    )
    assert len(pydml_command("explain")[1].splitlines()) > 10


def test_a_fault_of_pydml_is_reported_without_a_traceback(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import pydml.execution.executable as e\n"
        "def broken(*a, **k): raise ZeroDivisionError('a bug')\n"
        "e.compile_program = broken\n"
    )
    environment = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    status, output, errors = pydml_command("-e", "print(1)", environment=environment)
    assert (status, output) == (1, "")
    assert errors.startswith("error[internal]: a fault in pydml: ZeroDivisionError: a bug\n")
    assert "--debug" in errors
    status, _, errors = pydml_command("-e", "print(1)", "--debug", environment=environment)
    assert status == 1
    assert "Traceback" in errors
    assert "a bug" in errors


def test_recursion_is_deep_and_ends_with_an_error(script):
    text = "f = function(int n) return (int x) { x = 0\n if (n > 0) { x = f(n - 1) + 1 } }\nprint(f($1))"
    assert pydml_command("-e", text, "-args", 4000) == (0, "4000\n", "")
    status, _, errors = pydml_command("-e", text, "-args", 1000000)
    assert status == 1
    assert errors.startswith("error[recursion]: functions call each other too deeply\n")
    assert "more calls" in errors
    status, _, errors = pydml_command(script("x = 1" + " + $1" * 30000), "-args", 1)
    assert status == 1
    assert errors.startswith("error[recursion]: the script is nested too deeply\n")


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_interrupt():
    # a shell that runs the tests in the background has them ignore the signal
    listening = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    process = start("-e", "print('started')\ni = 0\nwhile (TRUE) { i = i + 1 }", **listening)
    try:
        assert process.stdout.readline() == "started\n"  # seen at once, although it is a pipe
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert errors == "interrupted\n"


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
def test_closed_output():
    process = start("-e", "for (i in 1:100000) print(i)")
    assert process.stdout.readline() == "1\n"
    process.stdout.close()
    assert process.wait(timeout=60) == 141
    assert process.stderr.read() == ""


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
def test_closed_output_of_a_page():
    process = start("doc", "*")
    process.stdout.close()
    assert process.wait(timeout=60) in (1, 141)
    assert "error[internal]" not in process.stderr.read()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_full_output():
    with open("/dev/full", "w") as full:
        process = start("-e", "print(1)", stdout=full)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors == "error[file]: cannot write the output: No space left on device\n"


def test_unusual_characters_do_not_break_the_output():
    environment = {"PYTHONIOENCODING": "ascii"}
    assert pydml_command("-e", "print('\N{GREEK SMALL LETTER ALPHA}')", environment=environment) == (0, "\\u03b1\n", "")


def test_starting_loads_nothing_heavy():
    program = (
        "import sys; from pydml.cli import main\n"
        "status = main(['-e', 'print(\"hello\")'])\n"
        "heavy = {'numba', 'scipy', 'pandas', 'torch', 'dask', 'argparse', 'lark', 'tempfile'}\n"
        "heavy |= {'json', 'zipfile', 'decimal', 'fractions', 'difflib', 'hashlib', 'secrets'}\n"
        "heavy &= set(sys.modules)\n"
        "sys.exit(f'loaded: {heavy}' if heavy else status)"
    )
    for _ in range(2):  # the first run may fill the cache
        result = subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": ROOT}, capture_output=True, text=True
        )
    assert (result.returncode, result.stdout, result.stderr) == (0, "hello\n", "")
