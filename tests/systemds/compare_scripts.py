"""Run SystemDS's own scripts in pydml and compare with what SystemDS gives: the programs in scripts/*.dml.

    python tests/systemds/compare_scripts.py --systemds-root PATH            against the recorded outputs; needs no Java
    python tests/systemds/compare_scripts.py --systemds-root PATH --live     against a running SystemDS
    python tests/systemds/compare_scripts.py --systemds-root PATH --record   run SystemDS and write its outputs down
    python tests/systemds/compare_scripts.py --systemds-root PATH lm glm     only programs whose names begin like this

PATH: a folder with SystemDS.jar, such as that of the Python package; without --live and --record a checkout will do.  The
programs print numbers with all their digits.  They agree if they differ by less than 1e-9 relative to their size, or 1e-6 in
programs that iterate until something is small enough (their names end with "(iterative)").

pydml runs SystemDS's script, not its own of the same name; with --own it runs its own, and programs that need one it has
not are left out.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import os
import sys
from pathlib import Path

from cases import HERE, Case, difference, read_cases, write_cases
from oracle import Answer, Oracle

sys.path.insert(0, str(HERE.parents[1]))

from pydml import DMLError
from pydml.config import make_config
from pydml.script import Script

PROGRAMS = HERE / "scripts"


def all_programs() -> list[Path]:
    return sorted(PROGRAMS.glob("*.dml"))


def run_pydml(case: Case, root: str | None) -> tuple[str, str]:
    """What pydml prints, and the error (or "")."""
    output = io.StringIO()
    try:
        config = make_config(seed=1, path=[HERE / "library"], systemds_root=root)
        script = Script(case.program, config=config, stdout=output)
        executable = script.executable(outputs=[])
        with script.running():
            executable.run(script.context(), {})
    except DMLError as error:
        return output.getvalue(), str(error)
    return output.getvalue(), ""


def verdict(case: Case, output: str, error: str) -> str:
    """Why pydml's answer is not the recorded one, or ""; for a known difference, that there is none any more."""
    if case.differs:
        agrees = not verdict(dataclasses.replace(case, differs=""), output, error)
        return "agrees, although it is marked as different" if agrees else ""
    if bool(error) != bool(case.error):
        return f"pydml: {error or 'no error'}; SystemDS: {case.error or 'no error'}"
    if case.error:
        return ""
    iterative = case.name.endswith("(iterative)")
    return difference(output, case.output, 1e-6 if iterative else 1e-9, 1e-9 if iterative else 1e-12)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systemds-root", required=True)
    parser.add_argument("--live", action="store_true", help="compare with a running SystemDS")
    parser.add_argument("--record", action="store_true", help="write down what SystemDS prints")
    parser.add_argument("--own", action="store_true", help="run pydml's scripts of the same names")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args(arguments)
    os.chdir(HERE / "library")
    oracle = Oracle(options.systemds_root) if options.live or options.record else None
    agree = refused = known = left_out = 0
    disagreements: list[str] = []
    for path in all_programs():
        cases = read_cases(path)
        for case in cases:
            if options.names and not case.name.startswith(tuple(options.names)):
                continue
            if oracle is not None:
                answer: Answer = oracle.run(case.program)
                case.output, case.error = answer.output, answer.error.strip().split("\n")[-1][:300]
            output, error = run_pydml(case, None if options.own else options.systemds_root)
            if options.own and "there is no function" in error:
                left_out += 1
                continue
            reason = verdict(case, output, error)
            if reason:
                disagreements.append(case.name)
                print(f"{path.name}:{case.line}: {case.name}: {reason}", flush=True)
            elif case.differs:
                known += 1
            elif case.error:
                refused += 1
            else:
                agree += 1
        if options.record:
            for case in cases:
                case.error = "running" if case.error else ""
            write_cases(path, cases)
    if oracle is not None:
        oracle.close()
    print(
        f"{agree} agree, {refused} are refused by both, {known} differ as docs/differences.md says, "
        f"{len(disagreements)} disagree, {left_out} are left out"
    )
    return 1 if disagreements else 0


if __name__ == "__main__":
    sys.exit(main())
