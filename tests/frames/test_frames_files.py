"""Frames in text files, jsonl and parquet, from DML, from the command line, and with pandas."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from frame_testing import cells, frame, read, run, same, write

from pydml.diagnostics import DMLError

MIXED = dict(names=["name", "n", "x", "yes"], types=["STRING", "INT64", "FP64", "BOOLEAN"])


def mixed():
    return frame(["a", "b c", "d,e"], ["1", "-2", "3"], ["1.5", "0.1", "1.0E10"], ["true", "false", "true"], **MIXED)


@pytest.mark.parametrize(
    ("format", "options"),
    [
        ("csv", {"header": True}),
        ("csv", {"header": True, "sep": ";"}),
        ("csv", {"header": True, "sep": "||"}),
        ("jsonl", {}),
        ("parquet", {}),
        ("binary", {}),
    ],
)
def test_what_is_written_is_read_again(tmp_path, format, options):
    if format == "parquet":
        pytest.importorskip("pyarrow")
    write(mixed(), tmp_path / "F", format=format, **options)
    found = read(tmp_path / "F")  # all is in the .mtd
    if options == {"header": True}:  # the cell with a separator was quoted, and keeps its quotes as in SystemDS
        assert cells(found)[0] == ["a", "b c", '"d,e"']
        found = frame(cells(mixed())[0], *cells(found)[1:], **MIXED)
    assert same(found, mixed())


def test_text_keeps_all_but_names(tmp_path):
    write(mixed(), tmp_path / "F", format="text")
    found = read(tmp_path / "F")
    assert found.schema == mixed().schema and cells(found) == cells(mixed())


@pytest.mark.parametrize("format", ["jsonl", "parquet", "binary"])
def test_missing_cells_stay_missing(tmp_path, format):
    if format == "parquet":
        pytest.importorskip("pyarrow")
    value = frame(["a", None], ["1", None], [None, "true"], types=["STRING", "INT64", "BOOLEAN"])
    write(value, tmp_path / "F", format=format)
    assert cells(read(tmp_path / "F")) == cells(value)


def test_missing_cells_get_the_default(tmp_path):
    path = tmp_path / "F.csv"
    path.write_text("a,,3\n,5,\nNA,,7\n")
    options = {"data_type": "frame", "format": "csv", "naStrings": "NA"}
    schema = "STRING,INT64,FP64"
    assert cells(read(path, **options, default=9.5)) == [["a", "9.5", "9.5"], ["9.5", "5", "9.5"], ["3", "9.5", "7"]]
    assert cells(read(path, **options, default=9.5, schema=schema)) == [
        ["a", "9.5", "9.5"],
        ["9", "5", "9"],
        ["3.0", "9.5", "7.0"],
    ]
    for kept in ({"default": 0}, {"default": 9, "fill": False}, {}):
        assert cells(read(path, **options, **kept))[1] == [None, "5", None]


def test_options_of_csv(tmp_path):
    path = tmp_path / "F.csv"
    path.write_text('id;what\n1;"x;y"\n2;NA\n3;\n')
    found = read(path, data_type="frame", format="csv", sep=";", header=True, naStrings="NA", schema="INT64,STRING")
    assert found.column_names == ("id", "what") and found.schema == ("INT64", "STRING")
    assert cells(found) == [["1", "2", "3"], ['"x;y"', None, None]]


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        ("a,b\n1\n", {}, "line 2 has 1 cells, the first line has 2"),
        ("1,x\n2,3\n", {"schema": "INT64,INT64"}, 'line 1, column 2: "x" is no value of type INT64'),
        ("1,x\n", {"schema": "INT64"}, "is no value of type INT64"),
        ("1,x\n", {"schema": "INT64,STRING,STRING"}, "has 2 columns, the schema in the read statement names 3"),
        ("1,x\n", {"rows": 1, "cols": 3}, "has 2 columns, the read statement says 3"),
        ("", {}, "holds no rows"),
    ],
)
def test_messages_of_csv(tmp_path, content, arguments, message):
    path = tmp_path / "F.csv"
    path.write_text(content)
    with pytest.raises(DMLError) as caught:
        read(path, data_type="frame", format="csv", **arguments)
    assert message in caught.value.message


def test_jsonl(tmp_path):
    path = tmp_path / "F"
    path.write_text('{"a": 1, "b": "x"}\n{"b": "y", "c": {"d": [1]}}\n\n{"a": null, "c": true}\n')
    found = read(path, data_type="frame", format="jsonl")
    assert found.column_names == ("a", "b", "c") and found.schema == ("INT64", "STRING", "STRING")
    assert cells(found) == [["1", None, None], ["x", "y", None], [None, '{"d": [1]}', "true"]]
    write(found, tmp_path / "G", format="jsonl")
    first, *_ = (tmp_path / "G").read_text().splitlines()
    assert json.loads(first) == {"a": 1, "b": "x", "c": None}
    path.write_text('{"a": 1}\n[2]\n')
    with pytest.raises(DMLError, match="line 2 is not an object"):
        read(path, data_type="frame", format="jsonl")


def test_a_schema_beside_the_one_of_the_metadata(tmp_path):
    write(mixed(), tmp_path / "F", format="csv", sep=";")
    assert read(tmp_path / "F", schema="string, int64, fp64, boolean").schema == mixed().schema
    with pytest.raises(DMLError, match=r"schema is .* in .*mtd, but .* in the read statement"):
        read(tmp_path / "F", schema="STRING,STRING,FP64,BOOLEAN")


def test_a_folder_of_parts_is_one_frame(tmp_path):
    folder = tmp_path / "F"
    folder.mkdir()
    (folder / "0-m-00000").write_text("k,v\na,1\n")
    (folder / "0-m-00001").write_text("b,2\n")
    (folder / "_SUCCESS").write_text("")
    found = read(folder, data_type="frame", format="csv", header=True)
    assert (found.column_names, cells(found)) == (("k", "v"), [["a", "b"], ["1", "2"]])


def test_pandas_in_and_out():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(
        {
            "s": ["a", None, "c"],
            "i": pandas.array([1, None, 3], dtype="Int64"),
            "f": [1.5, 2.5, float("nan")],
            "b": [True, False, True],
            "k": pandas.Categorical(["u", "v", "u"]),
        }
    )
    found, names, types = run("G = F[2:3,]\nN = colnames(F)\nT = typeof(F)", ["G", "N", "T"], F=table)
    assert names.iloc[0].tolist() == ["s", "i", "f", "b", "k"]
    assert types.iloc[0].tolist() == ["STRING", "INT64", "FP64", "BOOLEAN", "STRING"]
    assert list(found.columns) == ["s", "i", "f", "b", "k"]
    assert found["i"].isna().tolist() == [True, False] and found["i"][1] == 3
    assert found["b"].tolist() == [False, True] and found["k"].tolist() == ["v", "u"]


def test_pandas_through_files(tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    table = pandas.DataFrame({"a": ["x", "y"], "b": [1, 2]})
    table.to_parquet(tmp_path / "T.parquet")
    text = f'F = read("{tmp_path}/T.parquet", data_type="frame", format="parquet")\nwrite(F, "{tmp_path}/T.csv", format="csv", header=TRUE)'
    run(text)
    assert pandas.read_csv(tmp_path / "T.csv").equals(table)


def test_command_line(tmp_path):
    (tmp_path / "people.csv").write_text("name,city\nAnn,Rome\nBob,Oslo\n")
    script = tmp_path / "encode.dml"
    script.write_text(
        'F = read($in, data_type="frame", format="csv", header=TRUE)\n'
        's = read($spec, data_type="scalar", value_type="string")\n'
        "[X, M] = transformencode(target=F, spec=s)\n"
        'write(X, $out, format="csv")\n'
        'write(M, $meta, format="csv", header=TRUE)\n'
    )
    (tmp_path / "spec.json").write_text('{\n  "recode": ["name"],\n  "dummycode": ["city"]\n}\n')
    arguments = ["in=people.csv", "spec=spec.json", "out=X.csv", "meta=M.csv"]
    command = [sys.executable, "-m", "pydml", str(script), "-nvargs", *arguments]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "X.csv").read_text() == "1.0,1.0,0\n2.0,0,1.0\n"
    assert (tmp_path / "M.csv").read_text().startswith("name,city\n")
    assert "Ann\xb71" in (tmp_path / "M.csv").read_text()
