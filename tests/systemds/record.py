"""Record what SystemDS 3.4.0 prints for the programs of tests/systemds, or check what was recorded.

    python tests/systemds/record.py --systemds FOLDER              run all programs, write their outputs into the files
    python tests/systemds/record.py --systemds FOLDER --new        only programs without a recorded output or error
    python tests/systemds/record.py --systemds FOLDER --check      run all, compare with the files, write nothing
    python tests/systemds/record.py --systemds FOLDER FILE ...     only these files

FOLDER: the Python package `systemds` 3.4.0 or an unpacked release; see oracle.py.  All programs run in one JVM.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cases import Case, all_files, difference, read_cases, write_cases
from oracle import Answer, Oracle


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systemds", required=True, help="folder with SystemDS.jar")
    parser.add_argument("--check", action="store_true", help="compare with what was recorded; write nothing")
    parser.add_argument("--new", action="store_true", help="run only programs that have no recorded output")
    parser.add_argument("files", nargs="*", type=Path)
    options = parser.parse_args(arguments)
    disagreements = count = 0
    with Oracle(options.systemds) as oracle:
        for path in options.files or all_files():
            cases = read_cases(path)
            chosen = [c for c in cases if not (options.new and (c.output or c.error))]
            for case in chosen:
                answer = oracle.run(case.program, case.parameters)
                count += 1
                if options.check:
                    reason = disagreement(case, answer)
                    if reason:
                        disagreements += 1
                        print(f"{path.name}:{case.line}: {case.name}: {reason}")
                else:
                    case.output, case.error = answer.output, error_kind(answer)
            if chosen and not options.check:
                write_cases(path, cases)
    print(f"{count} programs" + (f", {disagreements} disagreements" if options.check else ""))
    return 1 if disagreements else 0


def error_kind(answer: Answer) -> str:
    if not answer.error:
        return ""
    return "before" if answer.before_run else "running"


def disagreement(case: Case, answer: Answer) -> str:
    """Why a fresh answer is not the recorded one, or ""."""
    if error_kind(answer) != case.error:
        return f"error: {error_kind(answer) or 'none'}, recorded: {case.error or 'none'}"
    return difference(answer.output, case.output)


if __name__ == "__main__":
    sys.exit(main())
