"""transformencode and its kin: what tests/systemds cannot show, as files of SystemDS, sparse results, and messages."""

from pathlib import Path

import numpy as np
import pytest
from frame_testing import cells, frame, read, run, same

from pydml.diagnostics import DMLError
from pydml.transform.encoding import Encoding
from pydml.transform.json_text import parse_json
from pydml.transform.specification import Specification, read_entries
from pydml.values import Sparse

DATA = Path(__file__).parent / "data"
SPEC = (
    "{ids:true, recode:[1], bin:[{id:3, method:equi-width, numbins:2}], hash:[4], K:5, "
    "impute:[{id:1, method:global_mode}, {id:2, method:global_mode}]}"
)


def encode(value, spec):
    encoding = Encoding.build(value, read_entries(spec, "test"), "test")
    return encoding.apply(encoding.omitted(value), np.float64, None), encoding


def test_encodes_as_systemds_did():
    data, expected = read(DATA / "data.csv"), read(DATA / "encoded.csv")
    matrix, encoding = encode(data, SPEC)
    assert np.array_equal(matrix, expected)
    assert same(encoding.metadata(), read(DATA / "meta.bin"))


@pytest.mark.parametrize("format", ["bin", "csv", "text"])
def test_applies_metadata_of_systemds(format):
    data, meta = read(DATA / "data.csv"), read(DATA / f"meta.{format}")
    encoding = Encoding.load(meta, read_entries(SPEC, "test"), "test", data.column_names)
    assert np.array_equal(encoding.apply(data, np.float64, None), read(DATA / "encoded.csv"))


def test_many_categories_give_a_sparse_matrix():
    n = 3000
    value = frame([f"c{i % 500}" for i in range(n)], [str(i) for i in range(n)])
    matrix, encoding = encode(value, "{ids:true, dummycode:[1]}")
    assert isinstance(matrix, Sparse) and matrix.shape == (n, 501)
    dense = matrix.to_dense()
    assert (dense[:, :500].sum(axis=1) == 1).all() and (dense[:, 500] == np.arange(n)).all()
    assert (dense[:, :500].argmax(axis=1) == np.arange(n) % 500).all()
    assert cells(encoding.decode(matrix))[0] == cells(value)[0]


def test_sparse_and_dense_results_are_equal(monkeypatch):
    value = frame([f"w {'ab'[i % 2] * (i % 40 + 1)} b" for i in range(900)], [str(i % 3) for i in range(900)])
    spec = "{ids:true, bag_of_words:[1], dummycode:[2]}"
    sparse, _ = encode(value, spec)
    monkeypatch.setattr("pydml.transform.encoding.SPARSITY_TURN_POINT", -1)
    dense, _ = encode(value, spec)
    assert isinstance(sparse, Sparse) and isinstance(dense, np.ndarray)
    assert np.array_equal(sparse.to_dense(), dense)


def test_what_was_encoded_is_decoded():
    value = frame(["x", None, "y", "x"], ["1", "2", "2", "1"], ["4", "5", "6", "7"], names=["a", "b", "c"])
    matrix, encoding = encode(value, "{recode:[a], dummycode:[b]}")
    decoded = encoding.decode(matrix)
    assert decoded.column_names == ("a", "b", "c")
    assert cells(decoded) == [["x", None, "y", "x"], ["1", "2", "2", "1"], ["4.0", "5.0", "6.0", "7.0"]]


def test_scale():
    value = frame(["1", "2", None, "6"], ["1", "1", "1", "1"])
    spec = "{ids:true, scale:[{id:1, method:z-score}, {id:2, method:mean-subtraction}]}"
    matrix, encoding = encode(value, spec)
    expected = (np.array([1, 2, np.nan, 6]) - 3) / np.std([1, 2, 6], ddof=1)
    np.testing.assert_allclose(matrix, np.column_stack([expected, np.zeros(4)]), rtol=1e-14)
    again = Encoding.load(encoding.metadata(), read_entries(spec, "test"), "test")
    np.testing.assert_array_equal(again.apply(value, np.float64, None), matrix)
    np.testing.assert_allclose(again.decode(matrix).columns[0].data, [1, 2, np.nan, 6], rtol=1e-14)


def test_equal_heights_hold_equal_counts():
    values = np.random.default_rng(0).permutation(1000)
    matrix, _ = encode(frame(list(map(str, values))), "{ids:true, bin:[{id:1, method:equi-height, numbins:8}]}")
    assert np.bincount(matrix[:, 0].astype(int))[1:].tolist() == [125] * 8


@pytest.mark.parametrize("type", ["STRING", "INT32", "INT64", "FP32", "FP64", "BOOLEAN", "UINT8"])
def test_recode_of_all_types(type):
    cell = ["1", "0", "1", "0", "1"]
    matrix, encoding = encode(frame(cell, types=[type]), "{ids:true, recode:[1]}")
    assert matrix[:, 0].tolist() == [1, 2, 1, 2, 1]
    decoded = encoding.decode(matrix)
    assert decoded.columns[0].as_type(type).texts() == frame(cell, types=[type]).columns[0].texts()


def test_from_python_and_back():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"name": ["Ann", "Bob", None, "Ann"], "size": [1.5, 2.5, np.nan, 3.5]})
    text = """
        s = "{recode:[name], impute:[{name:size, method:global_mean}]}"
        [X, M] = transformencode(target=F, spec=s)
        D = transformdecode(target=X, spec=s, meta=M)
    """
    matrix, meta, decoded = run(text, ["X", "M", "D"], F=table)
    np.testing.assert_array_equal(matrix, [[1, 1.5], [2, 2.5], [np.nan, 2.5], [1, 3.5]])
    assert list(meta.columns) == ["name", "size"] and sorted(meta["name"]) == ["Ann\xb71", "Bob\xb72"]
    assert decoded["size"].tolist() == [1.5, 2.5, 2.5, 3.5]
    assert decoded["name"].isna().tolist() == [False, False, True, False]
    assert decoded["name"][1] == "Bob"


def test_metadata_in_a_folder(tmp_path):
    files = {
        "column.names": "a,b,c",
        "Recode/a.map": '"x",1,2\n"y y",2,1\n"q,""r",3,1\n',
        "Recode/a.ndistinct": "3",
        "Bin/b.bin": "2,1.0,5.0,2.0,2\n",
        "Impute/a.impute": "1,x\n",
        "Impute/c.impute": "3,7.5",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    text = f"""
        s = "{{ids:true, recode:[1], bin:[{{id:2, method:equi-width, numbins:2}}], \
             impute:[{{id:1, method:global_mode}}, {{id:3, method:global_mean}}]}}"
        M = transformmeta(spec=s, transformPath="{tmp_path}")
        X = transformapply(target=F, spec=s, meta=M)
    """.replace("\\\n", "")
    data = frame(["y y", None], ["1", "4"], [None, "2"], names=["a", "b", "c"])
    assert run(text, "X", F=data).tolist() == [[2, 1, 7.5], [1, 2, 2]]
    (tmp_path / "Bin" / "b.bin").write_text("2,1.0\n")
    with pytest.raises(DMLError, match="expected a line of 5 fields, found 2"):
        run(text, "X", F=data)
    (tmp_path / "Recode" / "a.map").write_text("x\n")
    with pytest.raises(DMLError, match='line 1: expected "text",code,count'):
        run(text, "X", F=data)
    (tmp_path / "Recode" / "a.map").unlink()
    with pytest.raises(DMLError, match="there is no file"):
        run(text, "X", F=data)


def test_udf_calls_a_function():
    text = """
        twice = function(matrix[double] X) return (matrix[double] Y) { Y = 2 * X }
        [X, M] = transformencode(target=as.frame(matrix("1 2 3 4", rows=2, cols=2)), spec="{ids:true, udf:{name:twice, ids:[2]}}")
    """
    assert run(text, "X").tolist() == [[1, 4], [3, 8]]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("[1]", "must be a JSON object"),
        ("{ids:true, recode:[9]}", "recode names the column 9, but there are 2"),
        ("{ids:true, recode:[C1]}", "recode names the column C1"),
        ("{recode:[c1]}", "recode names the column c1, which does not exist"),
        ("{ids:maybe}", "ids must be true or false, got maybe"),
        ("{ids:true, recode:1}", "recode must be a list of columns, got 1"),
        ("{ids:true, recode:[1], hash:[1], K:3}", "the column C1 is in both recode and hash"),
        ("{ids:true, hash:[1]}", "hash needs K"),
        ("{ids:true, hash:[1], K:0}", "K must be a positive integer, got 0"),
        ("{ids:true, bin:[1]}", "bin must be a list of objects"),
        ("{ids:true, bin:[{name:C1, method:equi-width}]}", "an entry of bin has no id"),
        ("{ids:true, bin:[{id:1, numbins:3}]}", "an entry of bin has no method"),
        ("{ids:true, bin:[{id:1, method:equal, numbins:3}]}", "bin has no method equal"),
        ("{ids:true, impute:[{id:1, method:constant}]}", "impute by a constant needs a value"),
        ("{ids:true, recode:[1], impute:[{id:1, method:global_mean}]}", "is in recode and cannot have a mean"),
        ("{ids:true, bag_of_words:[1], dummycode:[1]}", "is in both bag_of_words and dummycode"),
        ("{ids:true, udf:f}", "udf must name a function"),
    ],
)
def test_messages(spec, message):
    with pytest.raises(DMLError) as caught:
        Specification.of(read_entries(spec, "test"), ["C1", "C2"], "test")
    assert message in caught.value.message and caught.value.id == "value"


def test_suggestions():
    with pytest.raises(DMLError) as caught:
        read_entries("{ids:true, dummycodes:[1]}", "test")
    assert caught.value.diagnostics[0].help == "did you mean dummycode?"
    with pytest.raises(DMLError) as caught:
        Specification.of(read_entries("{recode:[citi]}", "test"), ["name", "city"], "test")
    assert caught.value.diagnostics[0].help == "did you mean city?"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, -2.5e1, true, false, null, "x\\n\\u00e4"]}', {"a": [1, -25.0, True, False, None, "x\nä"]}),
        ("{a: equi-width, 'b' : [x,y, ], /* c */ // d\n}", {"a": "equi-width", "b": ["x", "y"]}),
        ("[]", []),
        (" 7 ", 7),
    ],
)
def test_json(text, value):
    assert parse_json(text, "test") == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{a 1}", "line 1, column 4: expected ':', found \"1}\""),
        ("{a: 1\n b: 2}", "line 2, column 2: expected ',' or '}'"),
        ("{a: [1, 2}", "expected ',' or ']', found \"}\""),
        ("{a: }", "expected a value"),
        ("{a: 'x}", "expected a text that ends with '"),
        ("{} x", "expected nothing more"),
        ('["\\u00g0"]', "four hexadecimal digits"),
        ("", "expected a value, found the end"),
    ],
)
def test_json_messages(text, message):
    with pytest.raises(DMLError) as caught:
        parse_json(text, "test")
    assert message in caught.value.message
