"""--systemds-root and SYSTEMDS_ROOT: scripts of a SystemDS installation, here a small one made up for the tests."""

import zipfile

import pytest
from test_command import pydml_command

import pydml
from pydml import DMLError
from pydml.config import make_config, systemds_scripts

FILES = {
    "builtin/addSeven.dml": """
        source("scripts/nn/seven.dml") as seven
        m_addSeven = function(matrix[double] X, double by = seven::value()) return (matrix[double] Y) { Y = inner(X) + by }
        s_addSeven = function(double x, double by = seven::value()) return (double y) { y = x + by }
        inner = function(matrix[double] X) return (matrix[double] Y) { Y = timesTwo(X) / 2 }
    """,
    "builtin/timesTwo.dml": "m_timesTwo = function(matrix[double] X) return (matrix[double] Y) { Y = X * 2 }",
    "builtin/halfRight.dml": """
        m_halfRight = function(matrix[double] X, boolean wrong = FALSE) return (matrix[double] Y) {
          Y = X
          if (wrong) {
            F = frame("a", rows=2, cols=2)
            if (F & X) Y = matrix([1, 2], rows=1, cols=2)
          }
        }
    """,
    "builtin/broken.dml": "helper = function(matrix[double] X) return (matrix[double] Y) { Y = X }",
    "nn/seven.dml": "value = function() return (double v) { v = 7 }",
}


@pytest.fixture
def checkout(tmp_path):
    root = tmp_path / "checkout"
    for name, text in FILES.items():
        path = root / "scripts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A folder with SystemDS.jar, like the one of the Python package, and a cache of its own."""
    monkeypatch.setenv("PYDML_CACHE_DIR", str(tmp_path / "cache"))
    folder = tmp_path / "site-packages" / "systemds"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "SystemDS.jar", "w") as jar:
        jar.writestr("org/Some.class", b"")
        for name, text in FILES.items():
            jar.writestr(f"scripts/{name}", text)
    return folder


CALLS = "X = matrix(1, 1, 2)\nprint(sum(addSeven(X)))\nprint(addSeven(1))\nprint(sum(eval('timesTwo', X)))\n"


def test_scripts_of_a_checkout_are_called_by_name(checkout):
    assert pydml_command("-e", CALLS)[0] == 1
    for root in (checkout, checkout / "scripts"):
        assert pydml_command("-e", CALLS, "--systemds-root", root) == (0, "16.0\n8.0\n4.0\n", "")
    assert pydml_command("-e", CALLS, environment={"SYSTEMDS_ROOT": str(checkout)})[1] == "16.0\n8.0\n4.0\n"


def test_a_mistake_in_a_builtin_is_an_error_when_it_is_reached(checkout):
    X = "X = matrix(2, 2, 2)\n"
    assert pydml.run(X + "y = sum(halfRight(X))", systemds_root=checkout).y == 8
    with pytest.raises(DMLError, match="a frame cannot be combined with a matrix") as caught:
        pydml.run(X + "y = sum(halfRight(X, TRUE))", systemds_root=checkout)
    assert caught.value.line == 6
    body = FILES["builtin/halfRight.dml"].replace("m_halfRight", "f")
    with pytest.raises(DMLError) as caught:  # the same in a function of the script itself
        pydml.run(body + X + "y = sum(f(X))")
    assert len(caught.value.diagnostics) == 2


def test_scripts_of_a_jar_are_unpacked_once(package, tmp_path):
    for root in (package, package.parent, package / "SystemDS.jar"):
        result = pydml.run(CALLS + "y = addSeven(2)", systemds_root=root, outputs=["y"], stdout=None)
        assert result.y == 9
    assert len(list((tmp_path / "cache").glob("unpacked-*"))) == 1
    (package / "SystemDS.jar").unlink()
    with pytest.raises(DMLError, match="no SystemDS in"):
        make_config(systemds_root=package)


def test_without_a_cache_a_jar_is_unpacked_for_the_process(package, monkeypatch):
    monkeypatch.setenv("PYDML_CACHE_DIR", "")
    assert pydml.run("y = addSeven(2)", systemds_root=package).y == 9


def test_source_finds_files_of_systemds(checkout, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in ("scripts/nn/seven.dml", "nn/seven.dml"):
        assert pydml.run(f'source("{path}") as s\ny = s::value()', systemds_root=checkout).y == 7
    assert pydml.source("nn/seven.dml", systemds_root=checkout).value() == 7


def test_scripts_of_one_folder_use_each_other(checkout, tmp_path, monkeypatch):
    # the working folder has a file of the same name that a script of SystemDS must not find
    other = tmp_path / "scripts" / "nn" / "seven.dml"
    other.parent.mkdir(parents=True)
    other.write_text("value = function() return (double v) { v = 70 }")
    monkeypatch.chdir(tmp_path)
    text = 'source("scripts/nn/seven.dml") as s\na = s::value(); b = addSeven(1)'
    result = pydml.run(text, systemds_root=checkout)
    assert (result.a, result.b) == (70, 8)


def test_own_scripts_need_no_root(tmp_path, monkeypatch):
    (tmp_path / "builtin").mkdir()
    (tmp_path / "builtin" / "plusOne.dml").write_text("s_plusOne = function(double x) return (double y) { y = x + 1 }")
    assert pydml.run("y = plusOne(1)", path=tmp_path).y == 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "nowhere", "there is nothing at"),
        (lambda folder: folder, "there is no SystemDS in"),
        (lambda folder: (folder / "a.jar", (folder / "a.jar").write_text("no archive"))[0], "cannot read"),
    ],
)
def test_a_place_without_systemds(tmp_path, make, message):
    with pytest.raises(DMLError, match=message):
        systemds_scripts(make(tmp_path))


def test_a_script_without_the_function(checkout):
    with pytest.raises(DMLError, match="does not define m_broken, f_broken or s_broken"):
        pydml.run("y = broken(matrix(1, 1, 1))", systemds_root=checkout)


def test_a_wrong_root_in_the_environment_is_named():
    status, _, errors = pydml_command("-e", "print(1)", environment={"SYSTEMDS_ROOT": "/nowhere/at/all"})
    assert status == 1
    assert errors.startswith("error[value]: SYSTEMDS_ROOT: there is nothing at /nowhere/at/all\n")
    status, _, errors = pydml_command("doc", environment={"SYSTEMDS_ROOT": "/nowhere/at/all"})
    assert status == 1
    assert errors.startswith("error[value]: SYSTEMDS_ROOT: there is nothing at /nowhere/at/all\n")


def test_documentation_lists_the_scripts(checkout):
    environment = {"SYSTEMDS_ROOT": str(checkout)}
    assert "\n  timesTwo\n" in pydml_command("doc", environment=environment)[1]
    assert pydml_command("doc", "timesTwo", environment=environment)[1].startswith("timesTwo(matrix[double] X)")
