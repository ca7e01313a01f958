"""What `pydml doc` prints: builtins, from their declarations; DML files, from their comments."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from pydml.config import make_config
from pydml.diagnostics import DMLError
from pydml.signature import suggest


def print_documentation(names: Sequence[str]) -> int:
    """Print the documentation of each name, or the list of all builtins.  Returns the exit status."""
    try:
        return _print(names)
    except DMLError as error:  # of a file, or of $SYSTEMDS_ROOT
        print(error, file=sys.stderr)
        return 1


def _print(names: Sequence[str]) -> int:
    if not names:
        print(overview(), end="")
        return 0
    for i, name in enumerate(names):
        text = documentation(name)
        if text is None:
            hint = suggest(name, known_names())
            print(f"pydml doc: there is no builtin {name}" + (f"; {hint}" if hint else ""), file=sys.stderr)
            return 2
        print(("\n" if i else "") + text, end="")
    return 0


def known_names() -> list[str]:
    from pydml.builtins import registry

    return sorted({*registry.names(), *_script_builtins()})


def _script_builtins() -> dict[str, Path]:
    found: dict[str, Path] = {}
    for folder in reversed(make_config().search):  # the first has the last word
        found.update({path.stem: path for path in (folder / "builtin").glob("*.dml")})
    return dict(sorted(found.items()))


def overview() -> str:
    """All builtins, native and written in DML, with the first line of their documentation."""
    from pydml.builtins import registry

    lines = []
    families: dict[str, list[str]] = {}
    for builtin in registry.all_builtins():
        if builtin.name[0].isalpha() and " " not in builtin.name:
            first = builtin.doc.split("\n", 1)[0]
            families.setdefault(builtin.module.rpartition(".")[2], []).append(f"  {builtin.name:24} {first}")
    for family, entries in sorted(families.items()):
        lines += [family, *entries, ""]
    written_in_dml = list(_script_builtins())
    if written_in_dml:
        lines += ["written in DML", *(f"  {name}" for name in written_in_dml), ""]
    lines.append(
        "pydml doc NAME shows one of them; pydml doc FILE.dml the functions of a file, pydml doc nn/layers/conv2d\n"
        "those of a file of the library."
    )
    return "\n".join(lines) + "\n"


def documentation(name: str) -> str | None:
    """Text for a builtin, an operator or a DML file; None if there is nothing of that name.  Raises DMLError."""
    from pydml.builtins import registry

    if name.endswith(".dml"):
        return _file_documentation(name)
    builtin = registry.lookup(name)
    if builtin is not None:
        parts = [str(builtin.signature), "", _indent(builtin.doc)]
        others = [n for n in (builtin.name, *builtin.aliases) if n != name]
        if others:
            parts += ["", f"    The same as {', '.join(others)}."]
        examples = [_example(case.expression, case.expected) for case in builtin.cases[:4]]
        if examples:
            parts += ["", "Examples", *examples]
        return "\n".join(parts) + "\n"
    script = _script_builtins().get(name)
    if script is not None:
        return _file_documentation(str(script), name)
    if "/" in name:  # a file of the library, as source() names it
        try:
            return _file_documentation(f"{name}.dml")
        except DMLError as error:
            if error.id != "file":
                raise
    return None


def script_builtin(path: Path) -> tuple[str, list[tuple[str, str]]]:
    """A builtin written in DML: the comment of its file, and signature and comment of each function that is called by its name."""
    return _functions(str(path), path.stem)


def _functions(file: str, builtin: str = "") -> tuple[str, list[tuple[str, str]]]:
    """The comment of a file, and signature and comment of its functions.  builtin: only those that a call of it may mean."""
    from pydml.ir.build import VARIANTS
    from pydml.script import load_source
    from pydml.syntax import ast, parse, unparse_expr

    def parameter(p: ast.Parameter) -> str:
        type_ = p.type.value if p.type.data == "scalar" else f"{p.type.data}[{p.type.value}]"
        return f"{type_} {p.name}" + (f" = {unparse_expr(p.default)}" if p.default is not None else "")

    module = parse(load_source(Path(file), make_config().search))
    variants = {prefix + builtin for prefix in VARIANTS}
    found = []
    for function in module.functions:
        if builtin and function.name not in variants:
            continue
        inputs = ", ".join(map(parameter, function.params))
        outputs = ", ".join(map(parameter, function.outputs))
        signature = f"{builtin or function.name}({inputs})" + (f" -> {outputs}" if outputs else "")
        found.append((signature, function.doc if function.doc != module.doc else ""))
    return module.doc, found


def _file_documentation(file: str, builtin: str = "") -> str:
    doc, functions = _functions(file, builtin)
    parts = [doc] if doc else []
    for signature, comment in functions:
        parts.append(signature + ("\n\n" + _indent(comment) if comment else ""))
    return "\n\n".join(parts) + "\n"


def _example(program: str, expected: str) -> str:
    """An expression with its value; of a program the value of RESULT is below it."""
    if "\n" not in program:
        return f"    {program}  =  {expected}"
    return _indent(f"{program}\nRESULT is {expected}\n")


def _indent(text: str) -> str:
    """The text of a docstring, all lines indented by four."""
    import textwrap

    first, _, rest = text.partition("\n")
    return textwrap.indent(f"{first}\n{textwrap.dedent(rest)}".rstrip(), "    ")
