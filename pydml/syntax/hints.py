"""What DML has instead of the words, signs and types of other languages: the help of messages.

`errors` asks for words and signs that the grammar does not know, the parser for types and loops, `ir.build` (by
`hint_for_name` and `hint_for_function`) for names that mean nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydml.syntax.ast import Expr, Name

NAME_HINTS = {
    "True": "DML writes TRUE",
    "true": "DML writes TRUE",
    "T": "DML writes TRUE",
    "False": "DML writes FALSE",
    "false": "DML writes FALSE",
    "F": "DML writes FALSE",
    "None": "DML has no missing values; use NaN in a matrix, or an empty list()",
    "NULL": "DML has no missing values; use NaN in a matrix, or an empty list()",
    "null": "DML has no missing values; use NaN in a matrix, or an empty list()",
    "NA": "DML writes NaN",
    "nan": "DML writes NaN",
    "inf": "DML writes Inf",
    "Infinity": "DML writes Inf",
    "PI": "DML writes pi",
    "break": "put the condition into the head of a while loop",
    "next": "put the rest of the body into an if",
    "continue": "put the rest of the body into an if",
    "pass": "a body may be empty: {}",
}

FUNCTION_HINTS = {
    "c": 'a vector is matrix("1 2 3", rows=3, cols=1); several values of any type are list(..)',
    "len": "use length(X), nrow(X) or ncol(X)",
    "dim": "use nrow(X) and ncol(X)",
    "elif": "DML writes `else if`",
    "elseif": "DML writes `else if`",
    "cat": "use print(..)",
    "paste": "strings are joined by +",
    "zeros": "use matrix(0, rows, cols)",
    "ones": "use matrix(1, rows, cols)",
    "eye": "use diag(matrix(1, n, 1))",
    "transpose": "use t(X)",
    "which": "use removeEmpty() or rowIndexMax()",
    "stopifnot": "use assert(condition)",
    "str": "use toString(X)",
    "int": "use as.integer(x)",
    "range": "a loop is `for (i in 1:n)`; a column of numbers is seq(1, n)",
    "size": "use nrow(X), ncol(X) or length(X)",
    "numeric": "use matrix(0, rows=n, cols=1)",
    "rep": "use matrix(value, rows=n, cols=1)",
    "apply": "use row and column functions such as rowSums(X), or a loop",
    "printf": "use print(format, ..)",
    "matmul": "the matrix product is A %*% B",
    "dot": "the matrix product is A %*% B",
    "rnorm": 'use rand(rows=.., cols=.., pdf="normal")',
    "runif": "use rand(rows=.., cols=.., min=.., max=..)",
    "argmax": "use rowIndexMax(X)",
    "concat": "use cbind(A, B) or rbind(A, B); strings are joined by +",
    "error": "use stop(message)",
}

# Names with a dot that other languages have.
DOTTED_HINTS = {
    "read.csv": 'use read("file.csv", format="csv")',
    "read.table": 'use read("file.csv", format="csv")',
    "write.csv": 'use write(X, "file.csv", format="csv")',
    "write.table": 'use write(X, "file.csv", format="csv")',
    "as.numeric": "use as.double(x), or as.scalar(X) for a matrix with one cell",
    "as.character": "use toString(x)",
    "as.vector": "use matrix(X, rows=length(X), cols=1)",
    "as.data.frame": "use as.frame(X)",
    "which.max": "use rowIndexMax(X)",
    "which.min": "use rowIndexMin(X)",
    "data.frame": "use as.frame(X) or frame(..)",
    "Sys.time": "use time()",
}
# Those that DML has itself.
DOTTED = frozenset(
    """as.scalar as.matrix as.frame as.list as.double as.integer as.logical as.boolean index.return empty.return
    lower.tail lower.tri upper.tri is.na is.nan is.infinite""".split()
)

OPERATOR_HINTS = {
    ":=": "assignment is `=` or `<-`",
    "->": "assignment has its variable on the left: `x = value`",
    "**": "the power is `^`",
    "//": "a comment starts with `#`; the integer quotient is `%/%`",
    "%in%": "compare with ==, for example sum(X == v) > 0",
    "%o%": "an outer product is x %*% t(y), or outer(x, y, op)",
    "%x%": "",
    "|>": "nest the calls: g(f(x))",
    "=>": "greater or equal is `>=`",
}
CHARACTER_HINTS = {
    "%": "the remainder is `%%`, the integer quotient `%/%`, the matrix product `%*%`",
    "?": "a choice between two values is ifelse(condition, a, b)",
    "@": "the matrix product is `%*%`",
    "~": "not is `!`",
    "\\": "a statement goes on in the next line without a mark",
    "$": "a parameter of the command line is $name or $1",
    "\u00a0": "this is a non-breaking space; write a plain one",
    "\ufeff": "this is an invisible byte order mark; remove it",
    "\u200b": "this is an invisible space; remove it",
    "\u2212": "this is a typographic minus; write `-`",
    "\u2013": "this is a dash; write `-`",
    "\u00d7": "the product is `*`, that of matrices `%*%`",
    "\u2260": "not equal is `!=`",
    "\u2264": "less or equal is `<=`",
    "\u2265": "greater or equal is `>=`",
}
CHARACTER_HINTS |= dict.fromkeys("\u201c\u201d\u201e\u2018\u2019", 'this is a typographic quote; write "')
WORDOPERATORS = {"and": "&", "or": "|", "not": "!"}
ELSE_IF = ("elif", "elseif", "elsif")

_TYPES = "types are int, double, boolean, string, matrix[double], frame[unknown], list[unknown]"


def explain_type(words: Sequence[str]) -> tuple[str, str]:
    """Message and help for a type that does not exist: `word` or `word[word]`."""
    written = words[0] if len(words) == 1 else f"{words[0]}[{words[1]}]"
    data = words[0].lower()
    if data in ("matrix", "frame", "list", "scalar") and len(words) == 1:
        value = {"matrix": "double", "scalar": "double"}.get(data, "unknown")
        return f"the type {written} needs the type of its values", f"write {data}[{value}]"
    values = dict.fromkeys(("float", "number", "numeric", "real"), "double") | {"long": "int", "any": "unknown"}
    values |= {"bool": "boolean", "logical": "boolean"} | dict.fromkeys(("str", "char", "character"), "string")
    known = ["int", "double", "boolean", "string"]
    if len(words) == 1:
        others = {"vector": "matrix[double]", "array": "matrix[double]", "tensor": "matrix[double]"}
        others |= {"dataframe": "frame[unknown]", "dict": "list[unknown]"}
        guess = values.get(data) or others.get(data) or closest(data, known)
        return f"there is no type {written}", f"write {guess}" if guess else _TYPES
    value = values.get(words[1].lower()) or closest(words[1].lower(), [*known, "unknown", "integer"])
    if data in ("vector", "array", "tensor"):
        data = "matrix"
    data = closest(data, ["matrix", "frame", "list", "scalar"])
    return f"there is no type {written}", f"write {data}[{value}]" if data and value else _TYPES


def loop_help(value: Expr) -> str:
    """What to write instead of `for (x in value)`."""
    if isinstance(value, Name):
        return f"for the rows of {value.id} write `for (i in 1:nrow({value.id}))` and use {value.id}[i, ]"
    return "write `for (i in 1:n)`"


def closest(word: str, candidates: Iterable[str]) -> str:
    import difflib

    matches = difflib.get_close_matches(word, sorted(candidates), 1, 0.6)
    return matches[0] if matches else ""
