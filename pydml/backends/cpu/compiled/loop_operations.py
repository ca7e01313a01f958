"""The operations of the loop machine, in numbers: shared by its code (`loop_machine`) and by what writes its programs.

It stands here because compiled code is kept by a digest of this folder.

An instruction is WIDTH unsigned numbers, the number of the operation and up to seven operands: places of doubles (in one array with the
cells of the matrices), places of ints and booleans, targets of jumps, sizes.  `loop_machine` says which operation takes what.
"""

import numpy as np

WIDTH = 8

# Of scalars, of the control of loops, and of single cells; the order is that of their numbers.
SCALARS = """
add_d sub_d mul_d div_d min_d max_d mod_d idiv_d pow_d move_d neg_d abs_d
sqrt exp log sin cos tan asin acos atan sinh cosh tanh round floor ceil sign is_nan is_inf
add_i sub_i mul_i mod_i idiv_i min_i max_i move_i neg_i abs_i
lt_d le_d eq_d ne_d lt_i le_i eq_i ne_i and or not truth_d truth_i
to_double to_exact_double to_int
jump jump_unless for_start for_next get put halt
""".split()
# Of matrices, each in a function of its own kind; `cells` and `map` find their variants by number.
MATRICES = "sum row_sums column_sums min_of max_of product product_column product_row dot copy trace".split()
CELLS = ["+", "-", "*", "/", "min", "max", "==", "!=", "<", "<=", ">", ">=", "&", "|", "%%"]
MAPS = ["unary -", "!", "abs", "sqrt", "sign", "floor", "ceil", "round", "square", "cube", "fourth"]

NAMES = [*SCALARS, *MATRICES, *("cells " + n for n in CELLS), *("map " + n for n in MAPS)]
CODES = {name: number for number, name in enumerate(NAMES)}
NUMBERS = {
    name: np.uint64(number) for name, number in CODES.items()
}  # as Numba must have them: an int would make doubles of sums

# Places of what a run keeps between two stays in the machine, and of the addresses of the functions of BLAS.
PC, FUEL, GEMM, GEMV, DOT, STATE = range(6)
DONE, AGAIN, TROUBLE = range(3)  # what the machine returns
