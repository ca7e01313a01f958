"""The .mtd files, and what is said about missing and contradicting properties."""

import json

import numpy as np
import pytest
from io_testing import error, read, read_dense, same_bits, write

from pydml.io.load import static_type
from pydml.io.registry import formats
from pydml.values import List

ONE = np.array([[1.0, 2.0], [3.0, 4.0]])


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("1,2\n3,4\n")
    return path


def describe(path, text):
    path.with_name(path.name + ".mtd").write_text(text if isinstance(text, str) else json.dumps(text))


@pytest.mark.parametrize(
    ("stored", "arguments"),
    [
        (
            {
                "data_type": "matrix",
                "value_type": "double",
                "rows": 2,
                "cols": 2,
                "format": "csv",
                "header": False,
                "sep": ",",
            },
            {},
        ),
        ({"format": "csv"}, {}),
        ({"format": "CSV", "data_type": "Matrix", "value_type": "FP64"}, {}),
        ({"format": "csv", "rows": 2, "sep": ","}, {"rows": 2.0, "sep": ",", "format": "csv", "data_type": "matrix"}),
        ({"format": "csv", "header": "false", "default": 0}, {"header": False, "default": 0.0}),
        ({"format": "csv", "rows": -1, "cols": -1, "nnz": -1}, {"rows": 2}),
        (
            {
                "format": "csv",
                "nnz": 1,
                "author": 3,
                "created": "x",
                "description": {"a": 1},
                "privacy": "x",
                "schema": "x",
            },
            {},
        ),
        ({"rows": 2}, {"format": "csv"}),
    ],
)
def test_accepted(data, stored, arguments):
    describe(data, stored)
    assert same_bits(read_dense(data, **arguments), ONE)


@pytest.mark.parametrize(
    ("key", "stored", "argument", "message"),
    [
        ("rows", 2, 3, "rows is 2 in {p}.mtd, but 3 in the read statement"),
        ("format", "csv", "text", 'format is "csv" in {p}.mtd, but "text" in the read statement'),
        ("sep", ",", ";", 'sep is "," in {p}.mtd, but ";" in the read statement'),
        ("header", False, True, "header is false in {p}.mtd, but true in the read statement"),
        ("data_type", "matrix", "frame", 'data_type is "matrix"'),
        ("value_type", "double", "int", 'value_type is "double"'),
        ("nnz", 4, 3, "nnz is 4"),
        ("fill", True, False, "fill is true"),
        ("default", 0, 1, "default is 0.0 in {p}.mtd, but 1.0 in"),
        ("naStrings", ["NA", "x"], ("NA",), 'naStrings is ["NA", "x"] in {p}.mtd, but ["NA"] in'),
    ],
)
def test_contradiction(data, key, stored, argument, message):
    describe(data, {"format": "csv", key: stored})
    found = error(read, data, **{key: argument})
    assert found.id == "metadata"
    assert message.format(p=data) in found.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"format":"csv","rows":"2"}', 'rows must be a whole number, got "2"'),
        ('{"format":"csv","rows":2.5}', "rows must be a whole number, got 2.5"),
        ('{"format":"csv","rows":true}', "rows must be a whole number, got true"),
        ('{"format":"csv","rows":-3}', "rows must be positive, got -3"),
        ('{"format":"csv","rows":null}', "rows must be a whole number, got null"),
        ('{"format":"csv","rows":NaN}', "rows must be a whole number, got NaN"),
        ('{"format":"csv","header":"maybe"}', 'header must be true or false, got "maybe"'),
        ('{"format":"csv","sep":null}', "sep must be a text, got null"),
        (
            '{"format":"csv","value_type":"float"}',
            'value_type must be double, int, boolean, string or unknown, got "float"',
        ),
        ('{"format":"csv","data_type":"foo"}', 'data_type must be matrix, frame, scalar or list, got "foo"'),
        ('{"format":"csv","foo":1}', "there is no key foo"),
        ('{"format":"csv","format":"text"}', "the key format is given twice"),
        ('{"format":"csv",', "is not JSON: "),
        ("", "is not JSON: "),
        ("[1]", 'must hold a JSON object, such as {"rows": 3, "cols": 2}'),
    ],
)
def test_malformed(data, text, message):
    describe(data, text)
    found = error(read, data)
    assert found.id == "metadata"
    assert message in found.message
    assert "t.csv.mtd" in found.message


def test_unknown_and_foreign_formats(data):
    describe(data, {"format": "cvs"})
    assert error(read, data).diagnostic.help == "did you mean csv?"
    describe(data, {"format": "spreadsheet"})
    found = error(read, data)
    assert (found.id, found.diagnostic.help) == ("value", "formats are " + ", ".join(f.name for f in formats()))
    describe(data, {"format": "delta"})
    assert error(read, data).id == "not-supported"


def test_misspelt_key_gets_a_suggestion(data):
    describe(data, {"format": "csv", "row": 2})
    assert error(read, data).diagnostic.help == "did you mean rows?"


def test_missing_file(tmp_path, monkeypatch):
    (tmp_path / "train.csv").write_text("1\n")
    found = error(read, tmp_path / "trian.csv", format="csv")
    assert found.id == "file"
    assert found.message == f"there is no file {tmp_path}/trian.csv"
    assert found.diagnostic.help == f"did you mean {tmp_path}/train.csv?"
    assert error(read, tmp_path / "Train.CSV").diagnostic.help == f"did you mean {tmp_path}/train.csv?"
    found = error(read, tmp_path / "a" / "b" / "x.csv")
    assert found.diagnostic.notes == (f"the folder {tmp_path}/a does not exist",)
    monkeypatch.chdir(tmp_path)
    assert error(read, "zzzzz").diagnostic.help == f"the path starts from the working folder, {tmp_path}"
    (tmp_path / "lost.mtd").write_text('{"rows": 1, "cols": 1}')
    assert error(read, "lost").diagnostic.notes == ("there is a lost.mtd, but not the data that it describes",)


def test_paths(tmp_path):
    assert error(read, "hdfs://host/x").id == "not-supported"
    assert error(read, "").id == "file"
    assert error(read, "a\0b").id == "file"
    assert error(write, 1, tmp_path / "x.mtd").id == "file"
    write(3, f"file://{tmp_path}/x")
    assert read(tmp_path / "x") == 3


def keys(path):
    return {k: v for k, v in json.loads(path.read_text()).items() if k not in ("author", "created")}


def test_written(tmp_path):
    write(np.eye(3), tmp_path / "m.csv", format="csv", sep=";", header=True, description='a "b"\nü')
    text = (tmp_path / "m.csv.mtd").read_text()
    assert list(json.loads(text)) == [
        *(
            "data_type",
            "value_type",
            "rows",
            "cols",
            "nnz",
            "format",
            "description",
            "author",
            "header",
            "sep",
            "created",
        )
    ]
    assert text.startswith('{\n    "data_type": "matrix",\n    "value_type": "double",\n    "rows": 3,\n')
    assert keys(tmp_path / "m.csv.mtd") == {
        "data_type": "matrix",
        "value_type": "double",
        "rows": 3,
        "cols": 3,
        "nnz": 3,
        "format": "csv",
        "description": 'a "b"\nü',
        "header": True,
        "sep": ";",
    }
    write(True, tmp_path / "s")
    assert keys(tmp_path / "s.mtd") == {"data_type": "scalar", "value_type": "boolean", "format": "text"}
    write(List([]), tmp_path / "l")
    assert keys(tmp_path / "l.mtd") == {
        "data_type": "list",
        "value_type": "unknown",
        "rows": 0,
        "cols": 1,
        "format": "text",
    }


def test_a_format_without_metadata_removes_the_old_one(tmp_path):
    write(np.eye(3), tmp_path / "m")
    write(np.eye(2), tmp_path / "m", format="mm")
    assert not (tmp_path / "m.mtd").exists()
    assert same_bits(read_dense(tmp_path / "m"), np.eye(2))


def test_types_before_the_run(tmp_path, data):
    describe(data, {"format": "csv", "rows": 2, "cols": 2})
    assert str(static_type(str(data), {})) == "matrix 2 x 2"
    (tmp_path / "u.csv").write_text("a;b\n1;2\n")
    assert str(static_type(str(tmp_path / "u.csv"), {"format": "csv", "sep": ";", "header": True})) == "matrix ? x 2"
    write(np.eye(4), tmp_path / "m", format="mm")
    assert str(static_type(str(tmp_path / "m"), {})) == "matrix 4 x 4"
    write("x", tmp_path / "s")
    assert str(static_type(str(tmp_path / "s"), {})) == "string"
    assert str(static_type(str(tmp_path / "s"), {"data_type": "scalar"})) == "string"
    write(List([1, 2]), tmp_path / "l")
    found = static_type(str(tmp_path / "l"), {})
    assert (str(found), found.rows) == ("list", 2)
