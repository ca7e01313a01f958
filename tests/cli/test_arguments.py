"""Reading the command line: options with one dash or two, their values, and what is refused."""

import pytest

from pydml.cli import UsageError, parse_arguments
from pydml.values.convert import parameter_value, parameter_values


def test_file_and_options_in_any_order():
    for line in ("x.dml --seed 7 -stats 3", "-stats 3 --seed=7 x.dml", "--stats=3 -seed 7 -f x.dml"):
        options = parse_arguments(line.split())
        assert (options.file, options.seed, options.stats) == ("x.dml", 7, 3)


def test_text():
    assert parse_arguments(["-e", "print(1)"]).text == "print(1)"
    assert parse_arguments(["-s", "-1"]).text == "-1"


def test_optional_values():
    assert parse_arguments(["-stats", "x.dml"]).stats == 10
    assert parse_arguments(["-explain", "x.dml"]).explain == "python"
    assert parse_arguments(["--explain", "types", "x.dml"]).explain == "types"
    assert parse_arguments(["--explain=hops", "x.dml"]).explain == "program"
    assert parse_arguments(["x.dml", "--path", "a", "--path", "b"]).path == ["a", "b"]


def test_args_take_all_values_up_to_the_next_option():
    options = parse_arguments(["x.dml", "-args", "a", "-3", "-1.5e-3", "b=c", "-stats", "-args", "last"])
    assert options.args == ["a", "-3", "-1.5e-3", "b=c", "last"]
    assert options.stats == 10
    assert parse_arguments(["x.dml", "-args", "a", "--", "-stats", "-x"]).args == ["a", "-stats", "-x"]


def test_nvargs():
    options = parse_arguments(["x.dml", "-nvargs", "a=1", "b=x=y", "c="])
    assert options.nvargs == {"a": "1", "b": "x=y", "c": ""}
    options = parse_arguments(["x.dml", "-nvargs", "a=1", "a=2"])
    assert options.nvargs == {"a": "2"}
    assert options.remarks == ["-nvargs: a is given twice; the last value counts"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "which script?"),
        ("--seed 3", "which script?"),
        ("a.dml b.dml", "unexpected argument b.dml"),
        ("a.dml -f b.dml", "given already"),
        ("a.dml --sed 3", r"no option --sed \(did you mean --seed\?\)"),
        ("a.dml -args -stast", r"-stast is not an option \(did you mean --stats\?\); write --"),
        ("a.dml --seed", "--seed needs a number"),
        ("a.dml --seed x", "--seed needs a whole number from -1, got x"),
        ("a.dml --threads 0", "--threads needs a whole number from 1, got 0"),
        ("a.dml --precision half", "--precision must be double or single, got half"),
        ("a.dml --explain=all", "--explain: 'all' is not a value for it"),
        ("a.dml --debug=yes", "--debug: 'yes' is not a value for it"),
        ("a.dml -args", "-args needs at least one value"),
        ("a.dml -nvargs x", "-nvargs needs NAME=VALUE, got x"),
        ("a.dml -nvargs 1x=2", "-nvargs needs NAME=VALUE, got 1x=2"),
        ("a.dml -nvargs=x=1", "write -nvargs x=1, without ="),
        ("-f", "-f needs a file"),
        ("-w 4000", "no federated workers"),
        ("a.dml -exec cluster", "must be singlenode or hybrid or spark"),
    ],
)
def test_wrong_usage(line, message):
    with pytest.raises(UsageError, match=message):
        parse_arguments(line.split())


def test_options_of_systemds_without_effect_say_so():
    options = parse_arguments("-gpu force -lineage reuse -exec spark -ooc x.dml".split())
    assert options.file == "x.dml"
    assert [r.partition(" has no effect")[0] for r in options.remarks] == [
        "-gpu",
        "-lineage",
        "--exec spark",
        "-ooc",
    ]
    assert parse_arguments("-gpu x.dml".split()).file == "x.dml"
    assert parse_arguments("x.dml -exec singlenode".split()).remarks == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("TRUE", True),
        ("FALSE", False),
        ("true", "true"),
        ("5", 5),
        ("005", 5),
        ("-3", -3),
        ("+3", 3),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", float(2**63)),
        ("1.", 1.0),
        ("1e3", 1000.0),
        ("2d", 2.0),
        ("Infinity", float("inf")),
        ("1L", "1L"),
        ("nan", "nan"),
        ("a b", "a b"),
        ('"5"', "5"),
        ("'it'", "it"),
        ("'it\"", "'it\""),
        (r"a\tb\n", "a\tb\n"),
        ("٣", "٣"),  # a digit, but not of Java's numbers in scripts
    ],
)
def test_type_of_a_parameter(text, value):
    result = parameter_value(text)
    assert result == value
    assert type(result) is type(value)


def test_parameters():
    assert parameter_values(["7", "rate=0.5", "a/b=c"], {"rate": "1", "empty": ""}) == {
        "1": 7,
        "2": "rate=0.5",
        "rate": 1,
        "3": "a/b=c",
    }
    assert parameter_values(["", "x"], {}) == {"2": "x"}
