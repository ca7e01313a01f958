"""The builtin tokenize; `pydml.transform.tokenizer` does it and is loaded by the first call."""

from __future__ import annotations

from pydml.builtins.registry import builtin
from pydml.diagnostics import fail
from pydml.types import FRAME, Type


def _tokenize_type(target: Type, spec: Type, max_tokens: Type) -> Type:
    limit = max_tokens.const
    if limit is not None and (not isinstance(limit, (int, float)) or limit < 1 or limit != int(limit)):
        fail("value", f"tokenize: max_tokens must be a positive integer, got {limit}")
    if not isinstance(spec.const, str) or limit is None:
        return Type(FRAME)
    from pydml.transform.tokenizer import columns_of, read_specification

    return Type(FRAME, cols=columns_of(read_specification(spec.const, None), int(limit)))


@builtin("tokenize(target: frame, spec: string, max_tokens: number) -> frame", infer=_tokenize_type)
def tokenize(target, spec, max_tokens):
    """The tokens of texts in a column of a frame.

    target: (n, m), a document in each row.  max_tokens: how many rows (long format) or columns (wide format) a document gives at most.
    spec: a JSON object:

      algo: split         parts between matches of a regular expression, algo_params: {regex: "\\\\s+"}; empty ones are left out
      algo: ngram         runs of min_gram to max_gram tokens, algo_params: {min_gram: 1, max_gram: 2}; with
                          ngram_type: token runs of characters within the tokens
      out: count          tokens and how often they occur, in the order of a Java hash map, out_params: {sort_alpha: true} by text
      out: position       the place of the first character, and the token; looked for from the token before on
      out: hash           hash values from 1 to out_params: {num_features: 1048576}, and how often they occur
      id_cols: [1]        columns that are repeated in the result
      tokenize_col: 2     the column with the texts
      format_wide: true   a row for each document, with the tokens (position), or counts by hash value (hash)
      apply_padding: true fills up to max_tokens rows, or empty texts in wide format

    Columns are given by number or name.  Returns a frame with columns C1, C2, ...; ids are STRING.  As SystemDS
    `tokenize`, which takes columns by number only.
    """
    from pydml.transform import tokenizer

    return tokenizer.tokenize(target, spec, int(max_tokens))


tokenize.case(
    's = "{algo:split, out:count, out_params:{sort_alpha:true}, id_cols:[1], tokenize_col:2}"\n'
    'RESULT = toString(tokenize(target=frame(["d", "b a b"], rows=1, cols=2), spec=s, max_tokens=9), linesep=";")',
    "# FRAME: nrow = 2, ncol = 3;# C1 C2 C3;# STRING STRING INT64;d a 1;d b 2;",
)
tokenize.case(
    's = "{algo:split, out:hash, out_params:{num_features:4}, format_wide:true, id_cols:[1], tokenize_col:2}"\n'
    'RESULT = toString(tokenize(target=frame(["d", "b a b"], rows=1, cols=2), spec=s, max_tokens=4), linesep=";")',
    "# FRAME: nrow = 1, ncol = 5;# C1 C2 C3 C4 C5;# STRING INT64 INT64 INT64 INT64;d 0 1 2 0;",
)
tokenize.fails(
    'tokenize(target=frame("a", rows=1, cols=2), spec="{algo:splt, out:count, id_cols:[1], tokenize_col:2}", max_tokens=9)',
    "value",
    "algo has no value splt",
)
tokenize.fails(
    'tokenize(target=frame("a", rows=1, cols=2), spec="{algo:split, out:count, id_cols:[1], tokenize_col:3}", max_tokens=9)',
    "value",
    "tokenize_col names the column 3, but there are 2",
)
tokenize.fails(
    'tokenize(target=frame("a", rows=1, cols=2), spec="{algo:split, out:count, id_cols:[1], tokenize_col:2}", max_tokens=0)',
    "value",
    "max_tokens must be a positive integer, got 0",
)
