"""Every diagnostic id with its summary and explanation.  `pydml explain ID` prints them.

A new id is one entry here.  Ids are stable: scripts and tests refer to them.
"""

from __future__ import annotations

CATALOG: dict[str, tuple[str, str]] = {
    "syntax": (
        "The text is not DML.",
        "The parser found something that the grammar does not allow here.  The message names what was expected.",
    ),
    "undefined-name": (
        "A variable is used that has no value here.",
        "Functions see only their parameters and their own variables; variables of the main script are invisible in them.",
    ),
    "undefined-function": (
        "A function is called that does not exist.",
        "Functions come from the same file, from a file imported by source() (as ns::name), or are builtin.",
    ),
    "call": (
        "A function is called with arguments that do not fit its signature.",
        "Too many or too few arguments, an unknown or repeated name, or positional and named arguments mixed.",
    ),
    "argument-type": (
        "An argument has the wrong type.",
        "The message names the parameter, the expected type and the type found.",
    ),
    "type": (
        "An operation is not defined for the types of its operands.",
        "For example, a boolean times a number: use as.integer().",
    ),
    "shape-mismatch": (
        "Sizes do not fit together.",
        "Elementwise operators need equal shapes, or a row vector, column vector or 1x1 matrix on the right.  "
        "A matrix product needs as many columns on the left as rows on the right.",
    ),
    "index": (
        "An index is outside of the matrix or list.",
        "Indexes are 1-based and inclusive; ranges may not be empty or reversed.",
    ),
    "value": ("A value is outside of what the operation accepts.", "The message names the value and what is allowed."),
    "overflow": ("The result of integer arithmetic does not fit in 64 bits.", "Use doubles for large numbers."),
    "not-supported": (
        "This is valid DML that pydml does not execute.",
        "The message says what to use instead, if there is something.",
    ),
    "import": (
        "A source() line does not work.",
        "The file is missing, cannot be read, or the namespace is bound twice.",
    ),
    "file": ("A file cannot be read or written.", "The message names the path and the reason."),
    "data-format": (
        "The content of a data file is malformed.",
        "The message names file, row, column and the text found.",
    ),
    "metadata": ("A .mtd file is malformed or contradicts the read statement.", "The message names the key."),
    "parameter": (
        "A command-line parameter ($name) is missing or malformed.",
        "Pass it with -nvargs name=value or -args, or use ifdef($name, default).",
    ),
    "parfor-dependency": (
        "Iterations of a parfor loop depend on each other.",
        "Each cell may be written by one iteration only and not be read by another.  check=0 turns the test off.",
    ),
    "unassigned": (
        "A variable or result has not been assigned on the path that was taken.",
        "Assign it on every path.",
    ),
    "stop": ("The script called stop().", "The message is the script's."),
    "assert": ("An assert() failed.", "The condition was false."),
    "linear-algebra": ("A decomposition or solver failed.", "For example, a matrix that is not positive definite."),
    "memory": ("A value would not fit in memory.", "The message names the operation and the size."),
    "recursion": (
        "Functions call each other too deeply.",
        "The call stack is limited; look for a missing end of the recursion.",
    ),
    "internal": ("A fault in pydml itself.", "Please report it with the script.  --debug shows the Python traceback."),
    "unused-argument": ("A command-line argument is read by nobody.", "Check the spelling of the name."),
    "option": (
        "An option of the command line has no effect.",
        "SystemDS has it; the message says why pydml does not need it.",
    ),
    "interrupted": ("The run was interrupted.", "Files that were being written keep their old content."),
}
