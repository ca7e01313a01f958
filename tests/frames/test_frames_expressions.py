"""Expressions of map: types, methods and messages; programs with SystemDS's answers are in tests/systemds/frames_map.dml."""

import pytest

from pydml.diagnostics import DMLError
from pydml.transform import java
from pydml.transform.expressions import Expression
from pydml.transform.java import JavaError


def value(expression, *texts):
    return Expression(expression).text_for(texts or ("Hello",))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 + 2 * 3 - 4 / 3", "6"),
        ("-7 / 2", "-3"),
        ("-7 % 3", "-1"),
        ("7 / 2.0", "3.5"),
        ("1e10", "1.0E10"),
        ("1.0f / 3", "0.33333334"),
        ("2147483647 + 1", "-2147483648"),
        ("2147483647L + 1", "2147483648"),
        ("0x1F", "31"),
        ("1 << 33", "2"),
        ("-8 >> 1", "-4"),
        ("-8 >>> 28", "15"),
        ("5 & 3 | 8 ^ 1", "9"),
        ("~5", "-6"),
        ("1 < 2 && 2 >= 2 || false", "true"),
        ("!(1 == 2) ? 'y' : 'n'", "y"),
        ("true ? 1 : 2.5", "1.0"),
        ("1 == 1 ? x : null", "Hello"),
        ("1 != 1 ? x : null", None),
        ("1 > 2 ? x : 3", "3"),
        ("'a' + 1", "98"),
        ("(char)('a' + 1)", "b"),
        ("(int) 3.99", "3"),
        ("(int) 1e20", "2147483647"),
        ("(long) -2.5", "-2"),
        ("(double) 1", "1.0"),
        ("\"a\" + 'b' + 1 + 2.0 + true + null", "ab12.0truenull"),
        ("1.0 / 0", "Infinity"),
        ("0.0 / 0", "NaN"),
        ("x.length() + x.charAt(1)", "106"),
        ("x.substring(1, 3) + x.substring(4)", "elo"),
        ('x.indexOf(\'l\') + x.indexOf("l", 3) * 10 + x.lastIndexOf("l") * 100', "332"),
        ("x.replace('l', 'L').replace(\"LL\", \"l\")", "Helo"),
        ('x.replaceAll("(l)", "<$1>")', "He<l><l>o"),
        ('x.replaceFirst("l", "")', "Helo"),
        ('x.matches("H.*o") && !x.matches("H")', "true"),
        ('x.split("l").length + x.split("l", 2)[1]', "3lo"),
        ('x.compareTo("Help")', "-4"),
        ('x.equalsIgnoreCase("hELLO")', "true"),
        ('x.toUpperCase().toLowerCase().concat("!").repeat(2)', "hello!hello!"),
        ("x.hashCode()", "69609650"),
        ("x.toCharArray()[1]", "e"),
        ("new StringBuilder(x).append(1).append('c').reverse().toString()", "c1olleH"),
        ('String.join("-", x.split("l"))', "He--o"),
        (
            "String.format(\"%5.1f|%-4d|%04d|%,d|%s|%c|%x|%%\", 2.25, 7, -7, 1234567, x, 'c', 255)",
            "  2.3|7   |-007|1,234,567|Hello|c|ff|%",
        ),
        ("String.valueOf(x.length()) + Integer.toString(3)", "53"),
        ('Integer.parseInt("12") + Long.parseLong("3") + Double.parseDouble("0.5")', "15.5"),
        ("Integer.MAX_VALUE", "2147483647"),
        ('Integer.valueOf(3).equals(3) && Integer.valueOf("3").toString().equals("3")', "true"),
        ("Math.max(1, 2) + Math.min(1.5, 2) + Math.abs(-3L)", "6.5"),
        ("Math.pow(2, 10) + Math.sqrt(16) + Math.floor(-1.5)", "1026.0"),
        ("Math.round(2.5) + Math.round(-2.5)", "1"),
        ("Character.isDigit('7') && Character.isLetter(x.charAt(0)) && !Character.isUpperCase('a')", "true"),
        ("java.lang.Math.PI > 3", "true"),
        ("UtilFunctions.getAsciiAtIdx(x, 1) + UtilFunctions.getAsciiAtIdx(x, 99)", "72"),
        ('UtilFunctions.dateFormat("2020-02-29", "yyyy-MM-dd", "dd.MM.yy")', "29.02.20"),
        ('UtilFunctions.toMillis("1970-01-02", "yyyy-MM-dd") / 1000', "86400"),
        ("x == null", "false"),
        ("true ? 'a' : 0", "a"),
        ("Math.round(-0.5) + Math.round(0.49999999999999994)", "0"),
        ('"boo:and:foo".split("o").length', "3"),
        ('x.replace("", "-")', "-H-e-l-l-o-"),
        ("0.1f + 0.2f", "0.3"),
        ("3 > 2 == true", "true"),
        ("\"tab\\t\" + '\\u0041' + '\\''", "tab\tA'"),
    ],
)
def test_values(expression, expected):
    assert value("x -> " + expression) == expected


def test_two_parameters():
    assert value("(a, b) -> a.length() * 10 + b.length()", "xx", "yyy") == "23"


def test_arrays():
    assert Expression("r -> new String[]{r[1], r[0] + r.length}", arrays=True).texts_for(["a", None]) == ["null", "a2"]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("x -> ", "expected a value, found the end"),
        ("x -> x.lenght()", "String has no method lenght"),
        ("x -> y.length()", "there is no variable y"),
        ("x -> x.length(1)", "length does not take (int)"),
        ("x -> x * 2", "* does not take String and int"),
        ('x -> x == "a"', "== does not compare the characters of texts"),
        ("x -> x ? 1 : 2", "expected a condition, found a value of type String"),
        ("x -> 1 && true", "expected a condition, found a value of type int"),
        ("x -> (int) x", "a value of type String cannot be cast to int"),
        ("x -> x[0]", "String has no elements"),
        ('x -> x.split(",")', "the expression gives an array"),
        ("x -> {return x;}", "statements are not supported"),
        ("x -> 'ab'", "'ab' is not one character"),
        ("x -> 3000000000", "3000000000 is too large for an int"),
        ("x -> x # 1", "unexpected #"),
        ("x -> (1", "expected ), found the end"),
        ("x -> new File(x)", "new File is not supported"),
        ("x -> Runtime.getRuntime()", "the class Runtime is not supported"),
        ("x -> x.getClass()", "String has no method getClass"),
        ("x.trim()", "expected ->"),
        ("", "expected a parameter"),
    ],
)
def test_messages(expression, message):
    with pytest.raises(DMLError) as caught:
        Expression(expression)
    assert message in caught.value.message and caught.value.id in ("value", "not-supported")


@pytest.mark.parametrize(
    "expression",
    [
        "x -> x.charAt(5)",
        "x -> x.substring(3, 2)",
        'x -> x.split("l")[9]',
        "x -> Integer.parseInt(x)",
        'x -> Double.parseDouble("1,5")',
        "x -> 1 / (x.length() - 5)",
        'x -> x.replaceAll("(", "")',
        'x -> x.replaceAll("l", "$9")',
        "x -> x.repeat(1000000000)",
        'x -> String.format("%d", 1.5)',
        'x -> String.format("%s %s", x)',
        'x -> UtilFunctions.toMillis(x, "yyyy-MM-dd")',
        "x -> (1 > 2 ? x : null).length()",
    ],
)
def test_exceptions(expression):
    with pytest.raises(JavaError):
        Expression(expression).text_for(("Hello",))


def test_python_is_out_of_reach():
    for text in ('x -> __import__("os")', "x -> x.__class__", "x -> x.format(1)", "x -> Math.__name__"):
        with pytest.raises(DMLError):
            Expression(text)


@pytest.mark.parametrize(
    ("text", "pattern", "limit", "parts"),
    [
        ("a,b,,", ",", 0, ["a", "b"]),
        ("a,b,,", ",", -1, ["a", "b", "", ""]),
        ("a,b,c", ",", 2, ["a", "b,c"]),
        (",a", ",", 0, ["", "a"]),
        ("abc", "", 0, ["a", "b", "c"]),
        ("", ",", 0, [""]),
        (",", ",", 0, []),
        (" a  b ", "\\s+", 0, ["", "a", "b"]),
    ],
)
def test_split(text, pattern, limit, parts):
    assert java.split(text, pattern, limit) == parts


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("\\d+", "12", True),
        ("\\d", "\u0663", False),
        ("[\\w&&[a]]", None, None),
        ("\\p{Alpha}\\P{Alpha}", "a1", True),
        ("[\\p{Upper}_]+", "A_B", True),
        ("\\p{L}+", "\u00e4b", True),
        ("\\Q.*\\E", ".*", True),
        ("(?<n>a)\\k<n>", "aa", True),
        ("a\\k", None, None),
        ("a{2,3}+", "aaa", True),
        ("[^a-c]$", "d", True),
        ("\\S\\W\\D", "a-b", True),
    ],
)
def test_regular_expressions(pattern, text, matches):
    if text is None:
        with pytest.raises(JavaError):
            java.regex(pattern)
    else:
        assert (java.regex(pattern).fullmatch(text) is not None) is matches
