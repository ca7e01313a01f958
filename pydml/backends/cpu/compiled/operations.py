"""What the machine of fused elementwise operations can do, in numbers: shared by its code (`machine`) and by those who write its tables.

It stands here because compiled code is kept by a digest of this folder.
"""

RUN = 2048  # cells of a run: a few of them, in single or double precision, fit in the first-level cache
MAX_INPUTS = 8
LANES = 16  # at least the cells of a vector

# The operations, by the name of the builtin; their numbers are places in this list.
OPERATIONS = [*"+ - * / max min > >= < <= == != & |".split(), "replace NaN"]
OPERATIONS += ["unary -", "abs", "sqrt", "sign", "floor", "ceil", "!", "round", "is.nan"]
CODES = {name: i for i, name in enumerate(OPERATIONS)}
CODES["bias_add"] = CODES["+"]
CODES["bias_multiply"] = CODES["*"]

SCALAR, FULL, ROW, COLUMN, CHANNEL = range(5)  # how an input is laid over the result
CELLS, SUM, COLUMN_SUMS, ROW_SUMS = range(4)  # what becomes of the last step
