"""The encoders of all columns of a frame: from a frame or from metadata, to a matrix and back.

The metadata are a frame with the names of the data and one column for each of its columns, filled up with missing cells.
Beside the cells it keeps the texts that replace missing cells (`imputed`) and the numbers of categories (`distinct`).

The steps: rows with missing cells are left out (omit), missing cells are replaced (impute), cells become codes (recode, bin, hash, ...),
codes become columns of 0 and 1 (dummycode).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pydml.diagnostics import fail
from pydml.transform.encoders import Bin, Embedding, Encoder, Hash, Pass, Recode, Scale, Words, absent, distinct
from pydml.transform.specification import CONSTANT, MEAN, Specification
from pydml.values.columns import FP32, FP64, STRING, CellError, Column, hash_order, object_array
from pydml.values.frame import Frame
from pydml.values.storage import SPARSITY_TURN_POINT, Sparse, check_dense_size, to_dense
from pydml.values.text import double_text


class Encoding:
    """encoders: one for each column.  imputed: for each column the text for missing cells, or None."""

    def __init__(
        self,
        what: str,
        specification: Specification,
        names: tuple[str, ...] | None,
        encoders: list[Encoder],
        imputed: list[str | None],
    ):
        self.what = what
        self.specification = specification
        self.names = names
        self.encoders = encoders
        self.imputed = imputed

    # ---- making

    @staticmethod
    def build(frame: Frame, entries: dict[str, Any], what: str) -> Encoding:
        """The encoding that a frame asks for.  Rows that omit leaves out count, as in SystemDS."""
        specification = Specification.of(entries, frame.column_names, what)
        encoders: list[Encoder] = []
        imputed: list[str | None] = []
        for j, (column, name) in enumerate(zip(frame.columns, frame.column_names, strict=True)):
            text = _imputed_text(column, name, specification.impute.get(j), what)
            kind = specification.encoder.get(j)
            gone = _missing(column) if j in specification.impute else None
            known = column if gone is None or not gone.any() else column.take(~gone)
            encoder: Encoder
            if kind == "recode":
                encoder = Recode.build(known)
                if text is not None:
                    encoder.add(text)
            elif kind == "bin":
                encoder = Bin.build(known, specification.bins[j], name, what)
            elif kind == "hash":
                encoder = Hash(specification.K)
            elif kind == "scale":
                encoder = Scale.build(known, specification.scale[j], name, what)
            elif kind == "bag_of_words":
                encoder = Words.build(column)
            elif kind == "word_embedding":
                fail(
                    "value",
                    f"{what}: word_embedding is for transformapply only",
                    help="build the metadata by recode, then apply them with an embedding",
                )
            else:
                encoder = Pass()
            encoders.append(encoder)
            imputed.append(text)
        return Encoding(what, specification, frame.names, encoders, imputed)

    @staticmethod
    def load(meta: Frame, entries: dict[str, Any], what: str, names: tuple[str, ...] | None = None) -> Encoding:
        """The encoding that metadata describe.  names: of the data, where they are not those of the metadata."""
        columns = names or meta.column_names
        specification = Specification.of(entries, columns, what)
        encoders: list[Encoder] = []
        imputed: list[str | None] = []
        places = {n: i for i, n in enumerate(meta.column_names)} if not entries.get("ids") else {}
        for j, name in enumerate(columns):
            kind = specification.encoder.get(j)
            place = places.get(name, j)  # where columns are given by name, those of the metadata are, too
            if place >= len(meta.columns):
                fail("shape-mismatch", f"{what}: the metadata have no column {name}")
            cells = _entries(meta.columns[place]) if kind is not None else []
            encoder: Encoder
            if kind == "recode":
                encoder = Recode.load(cells, name, what)
            elif kind == "bin":
                encoder = Bin.load(cells, name, what)
            elif kind == "hash":
                encoder = Hash.load(cells, name, what)
            elif kind == "scale":
                encoder = Scale.load(cells, name, what)
            elif kind == "bag_of_words":
                encoder = Words.load(cells, name, what)
            elif kind == "word_embedding":
                encoder = Embedding.load(cells, name, what)
            else:
                encoder = Pass()
            encoders.append(encoder)
            method, constant = specification.impute.get(j, (None, None))
            noted = None if meta.imputed is None else meta.imputed[place]
            imputed.append(None if method is None else noted if noted is not None else constant)
        return Encoding(what, specification, names, encoders, imputed)

    # ---- metadata

    def metadata(self) -> Frame:
        entries = [e.entries() for e in self.encoders]
        rows = max(map(len, entries), default=0)
        columns = [Column(STRING, object_array([*cells, *[None] * (rows - len(cells))])) for cells in entries]
        counts = [e.size if isinstance(e, (Recode, Bin)) else -1 for e in self.encoders]
        return Frame(columns, self.names, rows, self.imputed, counts)

    # ---- encoding

    def apply(self, frame: Frame, dtype: Any, call: Callable[..., Any], embedding: Any = None) -> np.ndarray | Sparse:
        """The matrix for a frame whose rows are to be encoded as they are.  call: runs a DML function by name."""
        if embedding is not None and not isinstance(embedding, np.ndarray):
            embedding = to_dense(embedding)
        result = _Assembly(frame.rows, dtype)
        names = frame.column_names
        places = []
        for j, (column, encoder) in enumerate(zip(frame.columns, self.encoders, strict=True)):
            places.append(result.width)
            if self.imputed[j] is not None:
                column = self._filled(column, names[j], str(self.imputed[j]))
            elif j in self.specification.impute and _missing(column).any():
                fail("value", f"{self.what}: the metadata hold no value for missing cells of column {names[j]}")
            if isinstance(encoder, Words):
                result.add_counts(*encoder.counts(column), encoder.size)
            elif isinstance(encoder, Embedding):
                result.add_columns(_embedded(encoder.codes(column), embedding, encoder, names[j], self.what))
            else:
                if isinstance(encoder, (Recode, Hash)):
                    codes = encoder.codes(column)
                else:
                    codes = encoder.codes(column, names[j], self.what)
                if j in self.specification.dummycode:
                    result.add_dummies(codes, encoder.size)
                else:
                    result.add_columns(codes.reshape(-1, 1))
        matrix = result.matrix()
        if self.specification.udf is None:
            return matrix
        return self._with_udf(to_dense(matrix).copy(), [places[j] for j in self.specification.udf[1]], call)

    def _with_udf(self, matrix: np.ndarray, columns: list[int], call: Callable[..., Any]) -> np.ndarray:
        assert self.specification.udf is not None
        name = self.specification.udf[0]
        made = call(name, matrix[:, columns])
        if not hasattr(made, "shape") or made.shape != (len(matrix), len(columns)):
            shape = f"{len(matrix)} x {len(columns)}"
            fail("shape-mismatch", f"{self.what}: the function {name} of udf must return a matrix of {shape}")
        matrix[:, columns] = to_dense(made)
        return matrix

    def _filled(self, column: Column, name: str, text: str) -> Column:
        gone = _missing(column)
        if not gone.any():
            return column
        kind = column.type
        if kind not in (STRING, FP32, FP64):  # a mean or a constant need not be of the column's type
            column = column.as_type(STRING)
        try:
            new = Column.of_texts([text], column.type, strict=True)
        except CellError as error:
            error.row = int(np.flatnonzero(gone)[0])
            error.fail_in(f"{self.what}: the value for missing cells", name)
        data = column.data.copy()
        data[gone] = new.data[0]
        return Column(column.type, data, None)

    def omitted(self, frame: Frame) -> Frame:
        return _without_omitted(frame, self.specification)

    # ---- decoding

    def widths(self) -> list[int]:
        """How many columns of the matrix belong to each column of the frame."""
        widths = []
        for j, encoder in enumerate(self.encoders):
            several = j in self.specification.dummycode or isinstance(encoder, Words)
            widths.append(encoder.size if several else 1)
        return widths

    def decode(self, matrix: np.ndarray | Sparse) -> Frame:
        widths = self.widths()
        if any(isinstance(e, Embedding) for e in self.encoders):
            fail("value", f"{self.what}: the rows of an embedding cannot be turned into words again")
        if matrix.shape[1] < sum(widths):
            cols = matrix.shape[1]
            fail("shape-mismatch", f"{self.what}: target has {cols} columns, the metadata describe {sum(widths)}")
        columns = []
        start = 0
        for j, (encoder, width) in enumerate(zip(self.encoders, widths, strict=True)):
            first, stop = start, start + width
            start = stop
            if isinstance(encoder, Words):
                columns.append(encoder.cells(_columns_of(matrix, first, stop)))
                continue
            if j in self.specification.dummycode:
                codes = _first_nonzero(matrix, first, stop)
                if isinstance(encoder, Bin):  # no bin is set where there was no number
                    codes = np.where(codes == 0, np.nan, codes)
            else:
                codes = _columns_of(matrix, first, stop)[:, 0].astype(np.float64)
                if isinstance(encoder, Hash):
                    columns.append(Column(FP64, codes))
                    continue
            columns.append(encoder.cells(codes))
        return Frame(columns, self.names, matrix.shape[0])

    def column_map(self) -> np.ndarray:
        """For each column of the frame: its number, and the first and last column of the matrix that belong to it."""
        widths = np.array(self.widths(), np.float64)
        ends = np.cumsum(widths)
        return np.column_stack([np.arange(1.0, len(widths) + 1), ends - widths + 1, ends])


def _columns_of(matrix: np.ndarray | Sparse, start: int, stop: int) -> np.ndarray:
    if isinstance(matrix, Sparse):
        return matrix.csr[:, start:stop].toarray()
    return matrix[:, start:stop]


def _first_nonzero(matrix: np.ndarray | Sparse, start: int, stop: int) -> np.ndarray:
    """For each row the 1-based place in these columns of the first cell that is not 0, or 0."""
    result = np.zeros(matrix.shape[0])
    if isinstance(matrix, Sparse):
        part = matrix.csr[:, start:stop]
        rows = np.flatnonzero(np.diff(part.indptr))
        result[rows] = part.indices[part.indptr[rows]] + 1
    elif stop > start:
        there = matrix[:, start:stop] != 0
        result = np.where(there.any(axis=1), there.argmax(axis=1) + 1.0, 0.0)
    return result


def _entries(column: Column) -> list[str]:
    """The cells of a column of metadata; missing and empty ones fill it up."""
    return [t for t in column.texts() if t]


def _missing(column: Column) -> np.ndarray:
    """Where cells are missing for impute and omit: NaN in columns of numbers, too, which is what as.frame makes of NaN."""
    gone = absent(column)
    return gone | np.isnan(column.data) if column.type in (FP32, FP64) else gone


def _without_omitted(frame: Frame, specification: Specification) -> Frame:
    if not specification.omit:
        return frame
    gone = np.logical_or.reduce([_missing(frame.columns[j]) for j in specification.omit])
    return frame.select(np.flatnonzero(~gone), 0) if gone.any() else frame


def _imputed_text(column: Column, name: str, wanted: tuple[str, str | None] | None, what: str) -> str | None:
    """The text for missing cells of a column, None where it has no value to take it from."""
    if wanted is None:
        return None
    method, constant = wanted
    if method == CONSTANT:
        return constant
    known = column.take(~_missing(column))
    if not len(known):
        fail(
            "value", f"{what}: all cells of column {name} are missing, so that nothing can be imputed", help="constant"
        )
    if method == MEAN:
        try:
            return double_text(float(known.numbers().mean()))
        except CellError as error:
            error.fail_in(what, name)
    texts, numbers = distinct(known)
    counts = np.bincount(numbers, minlength=len(texts)).tolist()
    # of several the first in the order of a Java map, as in SystemDS
    return texts[max(hash_order(texts), key=counts.__getitem__)]


def _embedded(codes: np.ndarray, embedding: Any, encoder: Recode, name: str, what: str) -> np.ndarray:
    if embedding is None:
        fail("call", f"{what}: word_embedding needs the argument embedding, a matrix with a row for each code")
    if embedding.shape[0] < encoder.size:
        rows = embedding.shape[0]
        fail("shape-mismatch", f"{what}: the embedding has {rows} rows, column {name} has {encoder.size} words")
    unknown = np.isnan(codes)
    rows = embedding[np.where(unknown, 1, codes).astype(np.int64) - 1]
    return np.where(unknown[:, None], 0.0, rows)


class _Assembly:
    """The matrix that grows by columns; sparse where that is worth it."""

    def __init__(self, rows: int, dtype: Any):
        self.rows, self.dtype = rows, dtype
        self.width = 0
        self.dense: list[tuple[int, np.ndarray]] = []  # first column, cells
        self.dummies: list[tuple[int, np.ndarray]] = []  # first column, 0-based place of the 1 in each row, or -1
        self.counts: list[tuple[np.ndarray, np.ndarray]] = []  # rows, columns of cells to which 1 is added

    def add_columns(self, cells: np.ndarray) -> None:
        self.dense.append((self.width, cells))
        self.width += cells.shape[1]

    def add_dummies(self, codes: np.ndarray, size: int) -> None:
        with np.errstate(invalid="ignore"):
            known = (codes >= 1) & (codes <= size)
        self.dummies.append((self.width, np.where(known, codes, 0).astype(np.int64) - 1))
        self.width += size

    def add_counts(self, rows: np.ndarray, columns: np.ndarray, size: int) -> None:
        self.counts.append((rows, columns + self.width))
        self.width += size

    def matrix(self) -> np.ndarray | Sparse:
        size = self.rows * self.width
        nonzeros = sum(int(np.count_nonzero(c)) for _, c in self.dense)
        nonzeros += sum(int(np.count_nonzero(p >= 0)) for _, p in self.dummies) + sum(len(r) for r, _ in self.counts)
        if self.width > 1 and size >= 4096 and nonzeros < SPARSITY_TURN_POINT * size:
            return self._sparse()
        check_dense_size(self.rows, self.width, np.dtype(self.dtype).itemsize)
        result = np.zeros((self.rows, self.width), self.dtype)
        for first, cells in self.dense:
            result[:, first : first + cells.shape[1]] = cells
        for first, places in self.dummies:
            rows = np.flatnonzero(places >= 0)
            result[rows, places[rows] + first] = 1
        for r, c in self.counts:
            np.add.at(result, (r, c), 1)
        return result

    def _sparse(self) -> Sparse:
        from scipy.sparse import csr_matrix

        # one slot in each row for each column of cells and each set of dummies, in the order of the columns
        slots: list[tuple[int, Any, Any]] = [(first, first + places, places >= 0) for first, places in self.dummies]
        for first, cells in self.dense:
            slots += [(first + k, first + k, cells[:, k]) for k in range(cells.shape[1])]
        slots.sort(key=lambda slot: slot[0])
        columns = np.empty((self.rows, len(slots)), np.int32)
        values = np.empty((self.rows, len(slots)), self.dtype)
        for k, (_, column, value) in enumerate(slots):
            columns[:, k], values[:, k] = column, value
        kept = values != 0
        starts = np.zeros(self.rows + 1, np.int64)
        np.cumsum(kept.sum(axis=1), out=starts[1:])
        shape = self.rows, self.width
        csr = csr_matrix((values[kept], columns[kept], starts), shape=shape)
        for r, c in self.counts:
            csr = csr + csr_matrix((np.ones(len(r), self.dtype), (r, c)), shape=shape)
        csr.sort_indices()
        return Sparse(csr)


__all__ = ["Encoding"]
