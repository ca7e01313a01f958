"""The packages import only what `[tool.pydml.imports]` in pyproject.toml allows.

The table is the drawing in docs/architecture.md as data.  Imports inside functions count like those at the top of a file,
except where loading on first use is the point.
"""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RULES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pydml"]["imports"]
LEVEL = {name: level for level, names in enumerate(RULES["layers"]) for name in names}
FILES = sorted(p for p in (ROOT / "pydml").rglob("*.py") if "scripts" not in p.relative_to(ROOT / "pydml").parts[:1])


def package_of(path: Path) -> str:
    """The package or module directly below pydml: `values` for pydml/values/list.py, `cli` for pydml/cli.py."""
    return path.relative_to(ROOT / "pydml").parts[0].removesuffix(".py")


def imported(path: Path):
    """(line, dotted name, whether at the top level of the module) of each import, relative ones made absolute."""
    tree = ast.parse(path.read_text())
    typing_only = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            typing_only.update(map(id, (n for s in node.body for n in ast.walk(s))))
    inside = {id(n) for f in ast.walk(tree) if isinstance(f, (ast.FunctionDef, ast.Lambda)) for n in ast.walk(f)}
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno}: write imports with their full name"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            yield node.lineno, name, id(node) not in inside


def test_every_package_has_a_layer():
    packages = {package_of(p) for p in FILES} - {"__init__"}
    assert packages == set(LEVEL)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down(path):
    importer = package_of(path)
    if importer == "__init__":  # names what there is and loads nothing
        return
    besides = {tuple(rule.split(" -> ")) for rule in RULES["besides"]}
    for line, name, _ in imported(path):
        parts = name.split(".")
        if parts[0] != "pydml" or len(parts) == 1 or parts[1] not in LEVEL or parts[1] == importer:
            continue
        place = f"{path.relative_to(ROOT)}:{line}: {importer} imports {name}"
        assert LEVEL[parts[1]] > LEVEL[importer] or (importer, parts[1]) in besides, place
        exempt = any(name.startswith(f"pydml.{module}") for module in RULES["except"])
        assert parts[1] not in RULES["nobody_imports"] or exempt, place


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_large_libraries_are_imported_on_first_use(path):
    if package_of(path) == "backends":  # loaded by what the next test looks at
        return
    for line, name, at_top in imported(path):
        assert not (at_top and name.split(".")[0] in RULES["on_first_use"]), f"{path.relative_to(ROOT)}:{line}: {name}"


def test_loading_all_builtins_loads_no_large_library():
    program = (
        "import sys, pydml.script, pydml.execution.executable, pydml.testing.plugin\n"
        "from pydml.builtins import registry\n"
        "registry.all_builtins()\n"
        f"print(sorted(set({RULES['on_first_use']}) & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_environment_is_read_in_one_place(path):
    if package_of(path) in RULES["read_environment"]:
        return
    for node in ast.walk(ast.parse(path.read_text())):
        assert not (isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")), f"{path}:{node.lineno}"
