"""Following `source("path") as ns` lines.

A path is looked for in this order: as it is if absolute; in the working folder (the file's last `setwd`, initially the
process's), as SystemDS does; in the folder of the importing file; in the folders of scripts: those of `--path`, of
SYSTEMDS_ROOT, and the one shipped with the package.  In folders of scripts, `scripts/nn/...` and `nn/...` name the same file.

A file that lies in a folder of scripts looks there first: the scripts of one collection fit each other, and not those of
the same name elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import field
from pathlib import Path

from pydml.diagnostics import Collector, DMLError, Label, SourceFile, Span, fail
from pydml.records import dataclass
from pydml.signature import suggest
from pydml.syntax import ast, parse

MAIN = ""


@dataclass
class Imports:
    """The parsed files of a program.

    modules: by key, the absolute path of the file, or "" for the main script.  namespaces: for each key, the names that
    its source() lines bind, with the key of the file.
    """

    modules: dict[str, ast.Module] = field(default_factory=dict)
    namespaces: dict[str, dict[str, str]] = field(default_factory=dict)
    search: tuple[Path, ...] = ()
    _real: dict[str, str] = field(default_factory=dict, compare=False, repr=False)  # absolute paths that were looked up

    def real(self, path: Path | str) -> str:
        """The absolute path of a file or folder, without links; asked for often, and links do not change meanwhile."""
        name = str(path)
        found = self._real.get(name)
        if found is None:
            found = self._real[name] = os.path.realpath(name)
        return found

    def roots(self, key: str) -> list[Path]:
        """The folders of scripts in the order in which the file `key` looks into them: its own first."""
        own = self.own_root(key)
        return [own, *(r for r in self.search if r != own)] if own is not None else list(self.search)

    def own_root(self, key: str) -> Path | None:
        """The folder of scripts that a file lies in."""
        if key == MAIN:
            name = self.modules[MAIN].file.name if MAIN in self.modules else ""
            if not name or name.startswith("<"):
                return None
            key = self.real(name)
        return next((r for r in self.search if key.startswith(self.real(r) + os.sep)), None)

    def is_builtin(self, key: str) -> bool:
        """Whether a file holds a builtin written in DML: it lies in the folder `builtin` of a folder of scripts."""
        root = self.own_root(key)
        path = self.real(self.modules[MAIN].file.name) if key == MAIN else key
        return root is not None and path.startswith(os.path.join(self.real(root), "builtin") + os.sep)

    def add_file(self, path: Path, name: str, span: Span | None = None) -> str:
        """Load a file that is needed besides the source() lines; returns its key."""
        key = self.real(path)
        if key not in self.modules:
            _load(self, key, read_source(path, name, span))
        return key


def read_source(path: Path, name: str | None = None, span: Span | None = None) -> SourceFile:
    """The text of a DML file.  Raises DMLError "file" or "import"."""
    id = "file" if span is None else "import"
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        fail(id, f"there is no file {name or path}", span, help=_similar_file(path))
    except IsADirectoryError:
        fail(id, f"{name or path} is a folder, not a DML file", span)
    except UnicodeDecodeError as error:
        fail(id, f"{name or path} is not UTF-8 text (byte {error.start})", span)
    except OSError as error:
        fail(id, f"cannot read {name or path}: {error.strerror}", span)
    return SourceFile(name or str(path), text)


def load(main: SourceFile, search: Sequence[Path | str] = ()) -> Imports:
    """Parse the main script and all files that it imports, directly or not."""
    imports = Imports(search=tuple(Path(p) for p in search))
    _load(imports, MAIN, main)
    return imports


def _load(imports: Imports, key: str, file: SourceFile) -> None:
    module = parse(file)
    imports.modules[key] = module
    bound = imports.namespaces[key] = {}
    places: dict[str, Span] = {}
    folder = "."
    collector = Collector()
    for statement in module.statements:
        if isinstance(statement, ast.SetWd):
            folder = os.path.join(folder, statement.path)
        elif isinstance(statement, ast.Source):
            try:
                path, name = _find(imports, key, file, folder, statement)
                target = imports.real(path)
                if statement.namespace in bound and bound[statement.namespace] != target:
                    fail(
                        "import",
                        f"the namespace {statement.namespace} is bound to two files",
                        statement.span,
                        labels=[Label(places[statement.namespace], "first bound here")],
                    )
                bound[statement.namespace] = target
                places[statement.namespace] = statement.span
                if target not in imports.modules:
                    _load(imports, target, read_source(path, name, statement.span))
            except DMLError as error:
                collector.catch(error)
    collector.check()


def _find(imports: Imports, key: str, file: SourceFile, folder: str, statement: ast.Source) -> tuple[Path, str]:
    """The file that a source() line means, and the name to show for it."""
    written = statement.path
    if os.path.isabs(written):
        tried = [Path(written)]
    else:
        short = written.removeprefix("./").removeprefix("scripts/")
        own = imports.own_root(key)
        tried = [own / short] if own is not None else []
        tried.append(Path(folder, written))
        if file.name and not file.name.startswith("<"):
            tried.append(Path(file.name).parent / folder / written)
        for root in imports.roots(key):
            tried += [root / written, root / short]
    for path in tried:
        if path.is_file():
            return path, os.path.relpath(path) if not os.path.isabs(written) and _below_cwd(
                imports.real(path)
            ) else str(path)
    fail(
        "import",
        f"cannot find {written}",
        statement.span,
        notes=["looked for " + ", ".join(dict.fromkeys(str(p.parent) or "." for p in tried))],
        help=next((h for h in map(_similar_file, tried) if h), ""),
    )


def _below_cwd(real: str) -> bool:
    folder = os.getcwd()  # without links
    return real == folder or real.startswith(folder.rstrip(os.sep) + os.sep)


def _similar_file(path: Path) -> str:
    try:
        names = [p.name for p in path.parent.iterdir()]
    except OSError:
        return ""
    return suggest(path.name, names)
