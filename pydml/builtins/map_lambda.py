"""The builtin map: an expression for each cell, row or column of a frame.

The expressions are read and run by `pydml.transform.expressions`, which is loaded by the first call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from pydml.builtins.registry import builtin
from pydml.diagnostics import DMLError, fail
from pydml.types import FRAME, Type
from pydml.values.columns import STRING, Column, object_array
from pydml.values.frame import Frame

if TYPE_CHECKING:
    from pydml.transform.expressions import Expression


def _expression(text: str, margin: int) -> Expression:
    from pydml.transform.expressions import Expression

    result = Expression(text, arrays=margin != 0)
    if result.parameters > (1 if margin else 2):
        fail("value", f"map: the expression has {result.parameters} parameters", help="it takes one, or two texts")
    return result


def _margin(value: float) -> int:
    if value not in (0, 1, 2):
        fail("value", f"map: margin must be 0 (cells), 1 (rows) or 2 (columns), got {value}")
    return int(value)


def _map_type(target: Type, expression: Type, margin: Type) -> Type:
    if not isinstance(expression.const, str) or not isinstance(margin.const, (int, float)):
        return Type(FRAME)
    from pydml.transform.patterns import pattern_call

    if pattern_call(expression.const) is not None:
        return Type(FRAME, rows=target.rows, cols=target.cols)
    try:
        parameters = _expression(expression.const, _margin(margin.const)).parameters
    except DMLError as error:
        if error.id == "not-supported":  # of SystemDS's own classes: an error if the script gets there
            return Type(FRAME)
        raise
    if parameters == 2:
        return Type(FRAME, rows=target.rows, cols=target.rows)
    return Type(FRAME, rows=target.rows, cols=target.cols)


def _failed(error: Exception, place: str, expression: Expression) -> NoReturn:
    fail("value", f"map: {error} at {place}, in the expression {expression.text}")


@builtin("map(target: frame, expression: string, margin: number = 0) -> frame", infer=_map_type)
def map(target, expression, margin):
    """The frame with the value of an expression in place of each cell.

    target: (n, m).  expression: a lambda expression of Java over the text of the cell, `x -> x.toLowerCase()`.  margin: 0 for cells, 1
    for rows, 2 for columns: the parameter is an array of texts, and so is the result.  Missing cells stay missing, and are the text
    null in arrays.  With two parameters, `(x, y) -> ...`, the result is (n, n): the value for each pair of cells of the first column, the
    first of them above the second one, and 0.0 for all other pairs.  Returns text columns C1, C2, ...

    Expressions have literals, operators, casts, `c ? a : b`, `new String[]{...}`, methods of texts (length, charAt, substring,
    indexOf, contains, startsWith, replace, replaceAll, split, trim, matches, chars, ...), and functions of String, Integer, Long,
    Double, Boolean, Character, Math and UtilFunctions.  There are no statements and no other classes.  The text
    "UtilFunctions.syntacticalPatternDiscovery(0.8,NA)" replaces cells that do not look like 80 % of their column.  As SystemDS `map`,
    which compiles any Java and keeps two parameters to UtilFunctions.jaccardSim.
    """
    from pydml.transform.java import JavaError
    from pydml.transform.patterns import mark_outliers, pattern_call

    margin = _margin(margin)
    discovery = pattern_call(expression)
    if discovery is not None:
        return mark_outliers(target, *discovery)
    function = _expression(expression, margin)
    if function.parameters == 2:
        return _pairs(target, function)
    if margin:
        return _arrays(target, function, margin)
    columns = []
    for column, name in zip(target.columns, target.column_names, strict=True):
        texts = column.texts()
        results: dict[str | None, str | None] = {None: None}
        for text in dict.fromkeys(texts):
            if text is not None:
                try:
                    results[text] = function.text_for((text,))
                except (JavaError, OverflowError) as error:
                    _failed(error, f"row {texts.index(text) + 1} of column {name}", function)
        columns.append(Column(STRING, object_array([results[text] for text in texts])))
    return Frame(columns, None, target.rows)


map.case('as.scalar(map(frame("aB", rows=1, cols=1), "x -> x.toUpperCase() + x.length()"))', "AB2")
map.case('as.scalar(map(frame("7", rows=1, cols=1), "x -> Integer.parseInt(x) / 2"))', "3")
map.case(
    'toString(map(frame(["a", "b"], rows=1, cols=2), "x -> new String[]{x[1], x[0]}", margin=1), linesep=";")',
    "# FRAME: nrow = 1, ncol = 2;# C1 C2;# STRING STRING;b a;",
)
map.case(
    'toString(map(frame(["ab", "bc"], rows=2, cols=1), "(x, y) -> UtilFunctions.jaccardSim(x, y) * 3"), linesep=";")',
    "# FRAME: nrow = 2, ncol = 2;# C1 C2;# STRING STRING;0.0 1.0;0.0 0.0;",
)
map.case(
    'F = frame(["12", "7", "345", "x", "88"], rows=5, cols=1)\n'
    'RESULT = toString(map(F, "UtilFunctions.syntacticalPatternDiscovery(0.7,NA)"), linesep=";")',
    "# FRAME: nrow = 5, ncol = 1;# C1;# STRING;12;7;345;NA;88;",
)
map.fails('map(frame("a", rows=1, cols=1), "x -> x.lenght()")', "value", "String has no method lenght at character 8")
map.fails('map(frame("a", rows=1, cols=1), "x.trim()")', "value", "expected ->, found .")
map.fails('map(frame("a", rows=1, cols=1), "x -> System.exit(1)")', "not-supported", "the class System is not")
map.fails('map(frame("a", rows=1, cols=1), "x -> x.charAt(1)")', "value", "at row 1 of column C1")
map.fails('map(frame("a", rows=1, cols=1), "x -> x", margin=3)', "value", "margin must be 0")


def _pairs(target: Frame, function: Expression) -> Frame:
    from pydml.transform.java import JavaError

    n = target.rows
    if not target.columns:
        fail("shape-mismatch", "map: a frame without columns has no pairs of cells")
    texts = target.columns[0].texts()
    cells: list[list[str | None]] = [["0.0"] * n for _ in range(n)]  # by columns
    for i in range(n):
        for j in range(i + 1, n):
            if texts[i] is None or texts[j] is None:
                continue
            try:
                cells[j][i] = function.text_for((texts[i], texts[j]))
            except (JavaError, OverflowError) as error:
                _failed(error, f"rows {i + 1} and {j + 1}", function)
    return Frame([Column(STRING, object_array(c)) for c in cells], None, n)


def _arrays(target: Frame, function: Expression, margin: int) -> Frame:
    from pydml.transform.java import JavaError

    columns = [c.texts() for c in target.columns]
    lines = columns if margin == 2 else [list(row) for row in zip(*columns, strict=True)]
    word = "column" if margin == 2 else "row"
    results = []
    for i, line in enumerate(lines, 1):
        try:
            made = function.texts_for(line)
        except (JavaError, OverflowError) as error:
            _failed(error, f"{word} {i}", function)
        if len(made) != len(line):
            fail("shape-mismatch", f"map: the expression gives {len(made)} texts for {word} {i}, which has {len(line)}")
        results.append(made)
    if margin == 1:
        results = [list(column) for column in zip(*results, strict=True)]
    return Frame([Column(STRING, object_array(c)) for c in results], None, target.rows)
