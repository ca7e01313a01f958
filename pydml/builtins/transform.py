"""Frames to matrices of numbers and back: transformencode, transformapply, transformdecode, transformcolmap and
getCategoricalMask.

What they compute is in `pydml.transform`, which is loaded by the first call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pydml.builtins.registry import builtin
from pydml.diagnostics import fail
from pydml.types import ANY, ANY_FRAME, FRAME, Type, matrix_type
from pydml.values.typing import NULL

if TYPE_CHECKING:
    from pydml.transform.encoding import Encoding
    from pydml.values.frame import Frame


def _entries(spec: str, what: str) -> dict[str, Any]:
    from pydml.transform.specification import read_entries

    return read_entries(spec, what)


def _checked(function: str, spec: Type) -> dict[str, Any] | None:
    """The entries of a specification that is known before the run."""
    return _entries(spec.const, function) if isinstance(spec.const, str) else None


def _rows(entries: dict[str, Any] | None, target: Type) -> int | None:
    return None if entries is None or entries.get("omit") else target.rows


def _plain(entries: dict[str, Any] | None) -> bool:
    """Whether each column of the frame gives one column."""
    return entries is not None and not {"dummycode", "word_embedding", "bag_of_words"} & entries.keys()


def _encode_types(target: Type, spec: Type) -> tuple[Type, Type]:
    entries = _checked("transformencode", spec)
    cols = target.cols if _plain(entries) else None
    return matrix_type(_rows(entries, target), cols), Type(FRAME, cols=target.cols)


def _caller(context: Any) -> Any:
    """Runs the DML function of a udf entry."""

    def call(name: str, matrix: np.ndarray) -> Any:
        results = context.functions(name).call(context, [matrix], [])
        return results[0] if results else None

    return call


@builtin(
    "transformencode(target: frame, spec: string) -> X: matrix, M: frame",
    infer=_encode_types,
    needs="context",
    effects=("call",),
)
def transformencode(context, target, spec):
    """Columns of a frame as numbers.

    target: (n, m).  spec: a JSON object that says what happens to the columns; quotes may be left out:

      ids: true           columns are given by number; else by name
      recode: [1, 2]      codes 1, 2, ... for the distinct texts, by first appearance; missing cells are NaN
      dummycode: [2]      a column of 0 and 1 for each code (of recode, unless the column is in bin or hash)
      bin: [{id: 3, method: equi-width, numbins: 5}]
                          the number of the bin; bins of equal width, or equi-height: of equal counts
      hash: [4], K: 100   a hash value of the text from 1 to K
      scale: [{id: 3, method: z-score}]
                          minus the mean, over the standard deviation; mean-subtraction: without the latter
      bag_of_words: [5]   a column for each word of the texts, with its counts
      impute: [{id: 3, method: global_mean}]
                          replaces missing cells first; global_mode: the most frequent text; constant: value
      omit: [1]           leaves rows out where these columns are missing
      udf: {name: f, ids: [3]}
                          calls a function with these columns of the result and takes what it returns

    All other columns must hold numbers.  Returns X (n, columns of the result) and M, the metadata that transformapply and
    transformdecode need: `text·code` for codes, `lower·upper` for bins, K for hashes.  As SystemDS `transformencode`, with its
    metadata; `scale` is not in SystemDS 3.4.0, docs/differences.md tells how missing cells differ.
    """
    from pydml.transform.encoding import Encoding

    what = "transformencode"
    encoding = Encoding.build(target, _entries(spec, what), what)
    return encoding.apply(encoding.omitted(target), context.dtype, _caller(context)), encoding.metadata()


transformencode.case(
    'F = frame(["b", "1", "a", "2", "b", "3"], rows=3, cols=2)\n'
    '[X, M] = transformencode(target=F, spec="{ids:true, recode:[1]}")\nRESULT = X',
    "1 1 / 2 2 / 1 3",
)
transformencode.case(
    'F = frame(["b", "1", "a", "2", "b", "3"], rows=3, cols=2)\n'
    '[X, M] = transformencode(target=F, spec="{ids:true, dummycode:[1]}")\nRESULT = X',
    "1 0 1 / 0 1 2 / 1 0 3",
)
transformencode.case(
    'F = frame(["b", "1", "a", "2", "b", "3"], rows=3, cols=2)\n'
    '[X, M] = transformencode(target=F, spec="{ids:true, recode:[1], bin:[{id:2, method:equi-width, numbins:2}]}")\n'
    'RESULT = toString(M, linesep=";")',
    "# FRAME: nrow = 2, ncol = 2;# C1 C2;# STRING STRING;a\xb72 1.0\xb72.0;b\xb71 2.0\xb73.0;",
)
transformencode.fails(
    '[X, M] = transformencode(target=frame("a", rows=1, cols=1), spec="{ids:true, recod:[1]}")\nRESULT = X',
    "value",
    "unknown key recod",
)
transformencode.fails(
    '[X, M] = transformencode(target=frame("a", rows=1, cols=1), spec="{recode:[D1]}")\nRESULT = X',
    "value",
    "recode names the column D1, which does not exist",
)
transformencode.fails(
    '[X, M] = transformencode(target=frame("a", rows=1, cols=1), spec="{ids:true, recode:[1")\nRESULT = X',
    "value",
    "line 1, column 21: expected ',' or ']', found the end",
)
transformencode.fails(
    '[X, M] = transformencode(target=frame("a", rows=1, cols=1), spec="{ids:true}")\nRESULT = X',
    "value",
    'row 1 of column C1 holds "a", which is not a number',
)


def _encoding(meta: Frame, spec: str, what: str, names: Any = None) -> Encoding:
    from pydml.transform.encoding import Encoding

    return Encoding.load(meta, _entries(spec, what), what, names)


def _apply_type(target: Type, spec: Type, meta: Type, embedding: Type) -> Type:
    if meta == NULL:
        return ANY  # an error when it runs: SystemDS takes such a call for right where it may never be reached
    entries = _checked("transformapply", spec)
    if None not in (target.cols, meta.cols) and target.cols > meta.cols:
        fail("shape-mismatch", f"transformapply: target has {target.cols} columns, the metadata have {meta.cols}")
    return matrix_type(_rows(entries, target), target.cols if _plain(entries) else None)


@builtin(
    "transformapply(target: frame, spec: string, meta: frame = NULL, embedding: matrix = NULL) -> matrix",
    infer=_apply_type,
    needs="context",
    effects=("call",),
)
def transformapply(context, target, spec, meta, embedding):
    """A frame encoded like an earlier one.

    target: (n, m).  spec, meta: the specification and the metadata of transformencode.  embedding: (words, size), for columns in
    `word_embedding`, whose metadata are those of recode: the row of their code takes the place of a text, zeros
    that of an unknown one.  Returns (n, columns of the result).  Texts that transformencode has not seen give NaN (zeros
    where they are dummycoded), numbers beyond all bins are in the first or last one.  A call without meta is an error when it is
    reached.  As SystemDS `transformapply`.
    """
    what = "transformapply"
    if meta is None:
        fail(
            "call", f"{what}: the argument meta is missing", help="it takes the metadata that transformencode returned"
        )
    encoding = _encoding(meta, spec, what, target.column_names)
    return encoding.apply(encoding.omitted(target), context.dtype, _caller(context), embedding)


transformapply.case(
    's = "{ids:true, recode:[1]}"\n'
    '[X, M] = transformencode(target=frame(["b", "a"], rows=2, cols=1), spec=s)\n'
    'RESULT = transformapply(target=frame(["a", "c", "b"], rows=3, cols=1), spec=s, meta=M)',
    "2 / NaN / 1",
)
transformapply.fails(
    'transformapply(target=frame("a", rows=1, cols=1), spec="{ids:true}")', "call", "the argument meta is missing"
)
transformapply.fails(
    'transformapply(target=frame("a", rows=1, cols=2), spec="{ids:true}", meta=frame("a", rows=1, cols=1))',
    "shape-mismatch",
    "target has 2 columns, the metadata have 1",
)
transformapply.fails(
    'transformapply(target=frame("a", rows=1, cols=1), spec="{ids:true, recode:[1]}", meta=frame("x", rows=1, cols=1))',
    "value",
    'row 1 of column C1 of the metadata is "x", expected text\xb7code',
)


def _decode_type(target: Type, spec: Type, meta: Type) -> Type:
    _checked("transformdecode", spec)
    return Type(FRAME, rows=target.rows, cols=meta.cols)


@builtin("transformdecode(target: matrix, spec: string, meta: frame) -> frame", infer=_decode_type, storages="any")
def transformdecode(target, spec, meta):
    """The frame that was encoded as a matrix.

    target: (n, columns of the result of transformencode).  spec, meta: as for transformapply.  Returns (n, m): text for
    codes and their dummy columns, the middle of a bin; all other columns are FP64.  Codes that nothing has are
    missing.  As SystemDS `transformdecode`, which fails or gives missing cells for some mixtures with dummycode.
    """
    what = "transformdecode"
    encoding = _encoding(meta, spec, what)
    encoding.names = meta.names
    return encoding.decode(target)


transformdecode.case(
    's = "{ids:true, dummycode:[1]}"\n'
    '[X, M] = transformencode(target=frame(["b", "a"], rows=2, cols=1), spec=s)\n'
    'RESULT = toString(transformdecode(target=X, spec=s, meta=M), linesep=";")',
    "# FRAME: nrow = 2, ncol = 1;# C1;# STRING;b;a;",
)
transformdecode.fails(
    'transformdecode(target=matrix(1, rows=1, cols=1), spec="{ids:true}", meta=frame("a", rows=1, cols=2))',
    "shape-mismatch",
    "target has 1 columns, the metadata describe 2",
)


def _colmap_type(target: Type, spec: Type) -> Type:
    _checked("transformcolmap", spec)
    return matrix_type(target.cols, 3)


@builtin("transformcolmap(target: frame, spec: string) -> matrix", infer=_colmap_type, needs="dtype")
def transformcolmap(dtype, target, spec):
    """Which columns of the encoded matrix belong to which column of the frame.

    target: the metadata of transformencode, with m columns.  Returns (m, 3): the number of the column, and the first and last
    column of the matrix that it has become.  As SystemDS `transformcolmap`, also for dummycoded bins and hashes.
    """
    return _encoding(target, spec, "transformcolmap").column_map().astype(dtype)


transformcolmap.case(
    's = "{ids:true, dummycode:[1]}"\n'
    '[X, M] = transformencode(target=frame(["b", "1", "a", "2"], rows=2, cols=2), spec=s)\n'
    "RESULT = transformcolmap(target=M, spec=s)",
    "1 1 2 / 2 3 3",
)
transformcolmap.fails(
    'transformcolmap(target=frame("a", rows=1, cols=1), spec="{ids:true, recode:[2]}")',
    "value",
    "recode names the column 2, but there are 1",
)


@builtin(
    "getCategoricalMask(target: frame, spec: string) -> matrix",
    infer=lambda target, spec: (_checked("getCategoricalMask", spec), matrix_type(1, None))[1],
    needs="dtype",
)
def getCategoricalMask(dtype, target, spec):
    """Which columns of the encoded matrix hold categories: codes of recode and hash, and dummy columns.

    target: the metadata of transformencode.  Returns a row of 0 and 1.  As SystemDS `getCategoricalMask`, which takes columns
    by number only, and no bins; their codes are numbers in order, so that their mask is 0 unless they are dummycoded.
    """
    encoding = _encoding(target, spec, "getCategoricalMask")
    marks = [
        [float(j in encoding.specification.dummycode or encoding.specification.encoder.get(j) in ("recode", "hash"))]
        * width
        for j, width in enumerate(encoding.widths())
    ]
    return np.array([[m for part in marks for m in part]], dtype)


getCategoricalMask.case(
    's = "{ids:true, dummycode:[1]}"\n'
    '[X, M] = transformencode(target=frame(["b", "1", "a", "2"], rows=2, cols=2), spec=s)\n'
    "RESULT = getCategoricalMask(M, s)",
    "1 1 0",
)
getCategoricalMask.fails('getCategoricalMask(frame("a", rows=1, cols=1), "{")', "value", "expected a name or '}'")


@builtin(
    'transformmeta(spec: string, transformPath: string, sep: string = ",") -> frame',
    infer=lambda spec, transformPath, sep: (_checked("transformmeta", spec), ANY_FRAME)[1],
    needs="context",
    effects=["read"],
)
def transformmeta(context, spec, transformPath, sep):
    """The metadata of transformencode from a folder, in the form of older releases of SystemDS.

    transformPath: a folder with the file `column.names`, and files for the columns that spec names: `Recode/NAME.map`, `Bin/NAME.bin`,
    `Impute/NAME.impute`.  sep: between the names.  Returns the frame that transformapply takes.  Metadata that were
    written by `write` are read by `read`.  Same as SystemDS `transformmeta`.
    """
    from pydml.io.transform_folder import read_transform_folder

    return read_transform_folder(transformPath, _entries(spec, "transformmeta"), sep, "transformmeta")


transformmeta.fails('transformmeta(spec="{ids:true}", transformPath="/no/such/folder")', "file", "there is no file")
transformmeta.fails('transformmeta(spec="{recod:[a]}", transformPath="/no")', "value", "unknown key recod")
