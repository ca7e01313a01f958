"""Compile every DML script of a SystemDS installation and print a table.

    python tests/systemds/check_scripts.py --systemds-root PATH            a summary, and what does not compile
    python tests/systemds/check_scripts.py --systemds-root PATH --all      a line for each script
    python tests/systemds/check_scripts.py --systemds-root PATH nn/layers  only paths that begin like this

PATH: a checkout, SystemDS.jar, or a folder that holds it.  A script of functions is compiled with all of its functions; any
other as it would be run, with a value for each `$name` that has no default.  States:

    compiles
    reads data        compiles, apart from files of data that are not there
    import missing    imports a file that SystemDS does not deliver, at least not in the jar
    has mistakes      compiles; operations of wrong types in it are errors when they are reached, in SystemDS too
    refused by both   not DML: SystemDS's own parser refuses it too (the reasons are in REFUSED)
    does not compile

The exit status is 1 if a script does not compile.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from pydml import DMLError
from pydml.config import make_config, systemds_scripts
from pydml.diagnostics import Diagnostic
from pydml.script import Script
from pydml.syntax import ast, parse

# Scripts that SystemDS 3.4.0 does not run either, and why.
REFUSED = {
    "databricks/demo.dml": "assigns to the keyword `in`",
    "nn/examples/Example-ImageNet_AlexNet_Optimizers.dml": "calls eval() of a file that has none",
    "pipelines/scripts/cleaning.dml": "gives bandit() the argument mask, which it has not",
}

# Values of parameters without which a script makes no sense.
PARAMETERS: dict[str, dict[str, object]] = {
    "utils/splitXY.dml": {"y": 1},  # its default is ncol() of a file name
}


@dataclass(frozen=True)
class Outcome:
    path: str
    state: str
    detail: str = ""


def check(path: Path, scripts: Path) -> Outcome:
    """Compile one script."""
    name = path.relative_to(scripts).as_posix()
    try:
        script = Script(path, config=make_config(systemds_root=scripts))
        module = parse(script.source)
        library = all(isinstance(s, (ast.Source, ast.SetWd)) for s in module.statements)
        script.params.update(parameters(name, script.source.text))
        deferred = script.executable(outputs=[], library=library).program.deferred
    except DMLError as error:
        others = [d for d in error.diagnostics if not (d.id == "file" and "no file" in d.message)]
        if not others:
            return Outcome(name, "reads data")
        first = others[0]
        if name in REFUSED:
            return Outcome(name, "refused by both", REFUSED[name])
        missing = first.id == "import" and first.message.startswith("cannot find")
        return Outcome(name, "import missing" if missing else "does not compile", placed(first))
    if deferred:
        return Outcome(name, "has mistakes", "; ".join(map(placed, deferred)))
    return Outcome(name, "compiles")


def placed(diagnostic: Diagnostic) -> str:
    span = diagnostic.span
    return (f"{Path(span.file.name).name}:{span.line}: " if span is not None else "") + diagnostic.message


def parameters(name: str, text: str) -> dict[str, object]:
    """A value for each `$name` of a script that has no default: a path where it is read or written, else a number."""
    values: dict[str, object] = dict(PARAMETERS.get(name, {}))
    with_default = set(re.findall(r"ifdef\s*\(\s*\$(\w+)", text))
    for parameter in set(re.findall(r"\$(\w+)", text)) - with_default:
        variable = re.search(rf"(\w+)\s*=\s*\${parameter}\b", text)
        names = rf"\${parameter}\b" + (rf"|\b{variable[1]}\b" if variable else "")
        if re.search(rf"format\s*=\s*({names})", text):
            values[parameter] = "csv"
        elif re.search(rf"\b(read\s*\(\s*({names})|write\s*\([^,\n]*,\s*({names}))", text):
            values[parameter] = f"no-such-file-{parameter}"
        else:
            values[parameter] = 1
    return values


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systemds-root", required=True)
    parser.add_argument("--all", action="store_true", help="a line for each script")
    parser.add_argument("prefix", nargs="*", help="only scripts whose path begins like this")
    options = parser.parse_args(arguments)
    scripts = Path(systemds_scripts(options.systemds_root))
    paths = sorted(p for p in scripts.rglob("*.dml") if not p.relative_to(scripts).parts[0].startswith("staging"))
    outcomes = []
    for path in paths:
        if options.prefix and not path.relative_to(scripts).as_posix().startswith(tuple(options.prefix)):
            continue
        outcome = check(path, scripts)
        outcomes.append(outcome)
        if options.all or outcome.state not in ("compiles", "reads data"):
            print(f"{outcome.state:16} {outcome.path:50} {outcome.detail}".rstrip())
    print(table(outcomes))
    return 1 if any(o.state == "does not compile" for o in outcomes) else 0


def table(outcomes: list[Outcome]) -> str:
    """How many scripts of each folder are in which state."""
    states = ("compiles", "reads data", "import missing", "refused by both", "has mistakes", "does not compile")
    counts: dict[str, Counter[str]] = {}
    for o in outcomes:
        counts.setdefault(o.path.rpartition("/")[0], Counter())[o.state] += 1
    total: Counter[str] = sum(counts.values(), Counter())
    lines = ["", f"{'folder':20}" + "".join(f"{s:>18}" for s in states)]
    for folder, count in [*sorted(counts.items()), ("all", total)]:
        lines.append(f"{folder:20}" + "".join(f"{count[s] or '-':>18}" for s in states))
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
