"""The loop machine: runs the instructions that `pydml.execution.loops` wrote for a loop of DML.

Compiled once, for all loops.  Doubles lie in one array, `D`, with the cells of the matrices behind them, so that a number is a matrix
of one cell for the elementwise operations; ints and booleans lie in `I`.  An operation gives the bits that the Python path
gives; where that path would raise, or where what it gives is not certain, the machine stops with TROUBLE.

Indexes are unsigned: Numba would look for negative ones otherwise.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from pydml.backends.cpu.compiled.loop_operations import AGAIN, DONE, DOT, FUEL, GEMM, GEMV, NUMBERS, PC, TROUBLE
from pydml.backends.cpu.jit import compiled

O = NUMBERS["add_d"] - NUMBERS["add_d"]
ONE = O + NUMBERS["sub_d"]
TWO = ONE + ONE
THREE = TWO + ONE
FOUR = TWO + TWO
FIVE = FOUR + ONE
SIX = FOUR + TWO
SEVEN = FOUR + THREE
EIGHT = FOUR + FOUR
BLOCK = EIGHT * EIGHT * TWO

_N = NUMBERS
ADD_D, SUB_D, MUL_D, DIV_D, MIN_D, MAX_D = _N["add_d"], _N["sub_d"], _N["mul_d"], _N["div_d"], _N["min_d"], _N["max_d"]
MOD_D, IDIV_D, POW_D, MOVE_D, NEG_D, ABS_D = (
    _N["mod_d"],
    _N["idiv_d"],
    _N["pow_d"],
    _N["move_d"],
    _N["neg_d"],
    _N["abs_d"],
)
SQRT, EXP, LOG, SIN, COS, TAN, ASIN = _N["sqrt"], _N["exp"], _N["log"], _N["sin"], _N["cos"], _N["tan"], _N["asin"]
ACOS, ATAN, SINH, COSH, TANH = _N["acos"], _N["atan"], _N["sinh"], _N["cosh"], _N["tanh"]
ROUND, FLOOR, CEIL, SIGN, IS_NAN, IS_INF = _N["round"], _N["floor"], _N["ceil"], _N["sign"], _N["is_nan"], _N["is_inf"]
ADD_I, SUB_I, MUL_I, MOD_I, IDIV_I = _N["add_i"], _N["sub_i"], _N["mul_i"], _N["mod_i"], _N["idiv_i"]
MIN_I, MAX_I, MOVE_I, NEG_I, ABS_I = _N["min_i"], _N["max_i"], _N["move_i"], _N["neg_i"], _N["abs_i"]
LT_D, LE_D, EQ_D, NE_D = _N["lt_d"], _N["le_d"], _N["eq_d"], _N["ne_d"]
LT_I, LE_I, EQ_I, NE_I = _N["lt_i"], _N["le_i"], _N["eq_i"], _N["ne_i"]
AND, OR, NOT, TRUTH_D, TRUTH_I = _N["and"], _N["or"], _N["not"], _N["truth_d"], _N["truth_i"]
TO_DOUBLE, TO_EXACT_DOUBLE, TO_INT = _N["to_double"], _N["to_exact_double"], _N["to_int"]
JUMP, JUMP_UNLESS, FOR_START, FOR_NEXT = _N["jump"], _N["jump_unless"], _N["for_start"], _N["for_next"]
GET, PUT, HALT = _N["get"], _N["put"], _N["halt"]
SUM, ROW_SUMS, COLUMN_SUMS = _N["sum"], _N["row_sums"], _N["column_sums"]
MIN_OF, MAX_OF, COPY, TRACE = _N["min_of"], _N["max_of"], _N["copy"], _N["trace"]
PRODUCT, PRODUCT_COLUMN, PRODUCT_ROW, DOT_OF = _N["product"], _N["product_column"], _N["product_row"], _N["dot"]
C_ADD, C_SUB, C_MUL, C_DIV, C_MIN, C_MAX = (
    _N["cells +"],
    _N["cells -"],
    _N["cells *"],
    _N["cells /"],
    _N["cells min"],
    _N["cells max"],
)
C_EQ, C_NE, C_LT, C_LE, C_GT, C_GE = (
    _N["cells =="],
    _N["cells !="],
    _N["cells <"],
    _N["cells <="],
    _N["cells >"],
    _N["cells >="],
)
C_AND, C_OR, C_MOD = _N["cells &"], _N["cells |"], _N["cells %%"]
M_NEG, M_NOT, M_ABS, M_SQRT, M_SIGN = _N["map unary -"], _N["map !"], _N["map abs"], _N["map sqrt"], _N["map sign"]
M_FLOOR, M_CEIL, M_ROUND, M_SQUARE = _N["map floor"], _N["map ceil"], _N["map round"], _N["map square"]
M_CUBE, M_FOURTH = _N["map cube"], _N["map fourth"]

_INT_MIN = -(2**63)
_EXACT = 2**53
_FAR = 2**61
_NAN = math.nan


# ---- calls of BLAS

_I32, _I64, _F64 = ir.IntType(32), ir.IntType(64), ir.DoubleType()
_POINTER = _F64.as_pointer()


def _number(builder: Any, context: Any, value: Any, type_: Any, target: Any) -> Any:
    if isinstance(target, ir.PointerType):
        return builder.inttoptr(context.cast(builder, value, type_, types.intp), target)
    if target is _I32:
        return builder.trunc(context.cast(builder, value, type_, types.intp), _I32)
    return context.cast(builder, value, type_, types.float64 if target is _F64 else types.intp)


def _call(result: Any, *targets: Any) -> Any:
    """An intrinsic that calls a C function by its address with a tuple of numbers; pointers are given as addresses."""

    def call(typingctx: Any, code: Any, numbers: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            values = [builder.extract_value(args[1], k) for k in range(len(numbers))]
            values = [_number(builder, context, v, t, to) for v, t, to in zip(values, numbers, targets, strict=True)]
            declared = ir.FunctionType(ir.VoidType() if result is None else result, targets)
            address = context.cast(builder, args[0], code, types.intp)
            found = builder.call(builder.inttoptr(address, declared.as_pointer()), values)
            return context.get_dummy_value() if result is None else found

        return (types.void if result is None else types.float64)(code, numbers), generate

    return intrinsic(call)


_gemm = _call(None, _I32, _I32, _I32, _I64, _I64, _I64, _F64, _POINTER, _I64, _POINTER, _I64, _F64, _POINTER, _I64)
_gemv = _call(None, _I32, _I32, _I64, _I64, _F64, _POINTER, _I64, _POINTER, _I64, _F64, _POINTER, _I64)
_dot = _call(_F64, _I64, _POINTER, _I64, _POINTER, _I64)

# Compiled with the machine itself, and so kept with it.
_KERNEL = {"nogil": True, "error_model": "numpy", "boundscheck": False, "no_cfunc_wrapper": True}


# ---- matrices


@njit(**_KERNEL)
def _short_sum(D, at, n, step):
    """Up to 128 cells in NumPy's order: eight sums side by side."""
    if n < EIGHT:
        total = -0.0
        for k in range(n):
            total += D[at + k * step]
        return total
    r0, r1, r2, r3 = D[at], D[at + step], D[at + TWO * step], D[at + THREE * step]
    r4, r5, r6, r7 = D[at + FOUR * step], D[at + FIVE * step], D[at + SIX * step], D[at + SEVEN * step]
    k = EIGHT
    whole = n - n % EIGHT
    while k < whole:
        p = at + k * step
        r0 += D[p]
        r1 += D[p + step]
        r2 += D[p + TWO * step]
        r3 += D[p + THREE * step]
        r4 += D[p + FOUR * step]
        r5 += D[p + FIVE * step]
        r6 += D[p + SIX * step]
        r7 += D[p + SEVEN * step]
        k += EIGHT
    total = ((r0 + r1) + (r2 + r3)) + ((r4 + r5) + (r6 + r7))
    while k < n:
        total += D[at + k * step]
        k += ONE
    return total


@njit(**_KERNEL)
def _sum(D, at, n, step):
    """Sum in NumPy's order: halves, down to 128 cells."""
    if n <= BLOCK:
        return _short_sum(D, at, n, step)
    half = n // TWO
    half -= half % EIGHT
    return _sum(D, at, half, step) + _sum(D, at + half * step, n - half, step)


@njit(**_KERNEL)
def _cell(op, x, y):
    if op == C_ADD:
        return x + y
    elif op == C_SUB:
        return x - y
    elif op == C_MUL:
        return x * y
    elif op == C_DIV:
        return x / y
    elif op == C_MIN:
        return x if x <= y or x != x else y
    elif op == C_MAX:
        return x if x >= y or x != x else y
    elif op == C_EQ:
        return 1.0 if x == y else 0.0
    elif op == C_NE:
        return 1.0 if x != y else 0.0
    elif op == C_LT:
        return 1.0 if x < y else 0.0
    elif op == C_LE:
        return 1.0 if x <= y else 0.0
    elif op == C_GT:
        return 1.0 if x > y else 0.0
    elif op == C_GE:
        return 1.0 if x >= y else 0.0
    elif op == C_AND:
        return 1.0 if x != 0.0 and y != 0.0 else 0.0
    elif op == C_OR:
        return 1.0 if x != 0.0 or y != 0.0 else 0.0
    elif op == C_MOD:
        return x - np.trunc(x / y) * y
    elif op == M_NEG:
        return 0.0 - x
    elif op == M_NOT:
        return 1.0 if x == 0.0 else 0.0
    elif op == M_ABS:
        return abs(x)
    elif op == M_SQRT:
        return math.sqrt(x)
    elif op == M_SIGN:
        return 1.0 if x > 0.0 else -1.0 if x < 0.0 else 0.0 if x == 0.0 else x
    elif op == M_FLOOR:
        return np.floor(x)
    elif op == M_CEIL:
        return np.ceil(x)
    elif op == M_ROUND:
        f = np.floor(x)
        return f + (1.0 if x - f >= 0.5 else 0.0)
    elif op == M_SQUARE:
        return x * x
    elif op == M_CUBE:
        return x * x * x
    square = x * x
    return square * square


@njit(**_KERNEL)
def _cells(op, to, a, b, rows, cols, sa, sb, D):
    """An elementwise operation.  sa, sb: of an operand, twice the step from row to row, plus the step from cell to cell.

    False where both operands of an extremum are zeros of different signs: which one NumPy takes depends on the processor.
    """
    ra, ca, rb, cb = sa // TWO, sa % TWO, sb // TWO, sb % TWO
    if op in (C_MIN, C_MAX):
        for i in range(rows):
            for j in range(cols):
                x, y = D[a + i * ra + j * ca], D[b + i * rb + j * cb]
                if x == 0.0 and y == 0.0 and math.copysign(1.0, x) != math.copysign(1.0, y):
                    return False
    elif rows == ONE:
        if op == C_ADD and ca == ONE:
            if cb == ONE:
                for j in range(cols):
                    D[to + j] = D[a + j] + D[b + j]
            else:
                y = D[b]
                for j in range(cols):
                    D[to + j] = D[a + j] + y
            return True
        if op == C_SUB and ca == ONE:
            if cb == ONE:
                for j in range(cols):
                    D[to + j] = D[a + j] - D[b + j]
            else:
                y = D[b]
                for j in range(cols):
                    D[to + j] = D[a + j] - y
            return True
        if op == C_MUL and ca == ONE:
            if cb == ONE:
                for j in range(cols):
                    D[to + j] = D[a + j] * D[b + j]
            else:
                y = D[b]
                for j in range(cols):
                    D[to + j] = D[a + j] * y
            return True
        if op == C_DIV and ca == ONE:
            if cb == ONE:
                for j in range(cols):
                    D[to + j] = D[a + j] / D[b + j]
            else:
                y = D[b]
                for j in range(cols):
                    D[to + j] = D[a + j] / y
            return True
    for i in range(rows):
        for j in range(cols):
            D[to] = _cell(op, D[a + i * ra + j * ca], D[b + i * rb + j * cb])
            to += ONE
    return True


@njit(**_KERNEL)
def _extreme(op, D, a, n):
    """(extreme cell, whether it is certain): NumPy may give either of two zeros of different signs."""
    best = D[a]
    signs = 0
    for k in range(n):
        x = D[a + k]
        if x == 0.0:
            signs |= 1 if math.copysign(1.0, x) > 0.0 else 2
        if op == MIN_OF:
            best = best if best <= x or best != best else x
        else:
            best = best if best >= x or best != best else x
    return best, best != 0.0 or signs != 3


@njit(**_KERNEL)
def _matrix(op, code, pc, D, state, base):
    """An operation of matrices; False: TROUBLE.  base: the address of D."""
    to, a, b = code[pc + ONE], code[pc + TWO], code[pc + THREE]
    m, n, k, last = code[pc + FOUR], code[pc + FIVE], code[pc + SIX], code[pc + SEVEN]
    state[FUEL] -= np.int64(m * n) + 40
    if op == PRODUCT:  # (m, k) times (k, n), by rows
        state[FUEL] -= np.int64(m * n * k) // 4
        numbers = (101, 111, 111, m, n, k, 1.0, base + a * EIGHT, k, base + b * EIGHT, n, 0.0, base + to * EIGHT, n)
        _gemm(state[GEMM], numbers)
    elif op == PRODUCT_COLUMN:  # (m, n) times (n, 1)
        _gemv(state[GEMV], (101, 111, m, n, 1.0, base + a * EIGHT, n, base + b * EIGHT, 1, 0.0, base + to * EIGHT, 1))
    elif op == PRODUCT_ROW:  # (1, m) times (m, n)
        _gemv(state[GEMV], (101, 112, m, n, 1.0, base + b * EIGHT, n, base + a * EIGHT, 1, 0.0, base + to * EIGHT, 1))
    elif op == DOT_OF:
        D[to] = _dot(state[DOT], (n, base + a * EIGHT, 1, base + b * EIGHT, 1))
    elif op in (SUM, TRACE):  # n cells, b from each to the next
        D[to] = 0.0 + _sum(D, a, n, b)
    elif op == ROW_SUMS:
        for i in range(m):
            D[to + i] = 0.0 + _sum(D, a + i * n, n, ONE)
    elif op == COLUMN_SUMS:
        for j in range(n):
            D[to + j] = 0.0
        for i in range(m):
            for j in range(n):
                D[to + j] += D[a + i * n + j]
    elif op in (MIN_OF, MAX_OF):
        best, certain = _extreme(op, D, a, n)
        D[to] = best
        return certain
    elif op == COPY:
        for j in range(n):
            D[to + j] = D[a + j]
    else:
        return _cells(op, to, a, b, m, n, k, last, D)
    return True


# ---- the machine


@njit(**_KERNEL)
def _remainder(a, b):
    """Of ints, with the sign of a; b is not 0."""
    r = abs(a) % abs(b)
    return -r if a < 0 else r


@njit(**_KERNEL)
def _function(op, x):
    """The functions of one number that call the C library."""
    if op == EXP:
        return math.exp(x)
    elif op == LOG:
        return math.log(x)
    elif op == SIN:
        return math.sin(x)
    elif op == COS:
        return math.cos(x)
    elif op == TAN:
        return math.tan(x)
    elif op == ASIN:
        return math.asin(x)
    elif op == ACOS:
        return math.acos(x)
    elif op == ATAN:
        return math.atan(x)
    elif op == SINH:
        return math.sinh(x)
    elif op == COSH:
        return math.cosh(x)
    elif op == TANH:
        return math.tanh(x)
    elif op == ROUND:
        f = np.floor(x)
        return (f + 1.0 if x - f >= 0.5 else f) + 0.0
    elif op == FLOOR:
        return np.floor(x)
    elif op == CEIL:
        return np.ceil(x)
    elif op == SIGN:
        return 1.0 if x > 0.0 else -1.0 if x < 0.0 else 0.0 if x == 0.0 else x
    elif op == IS_NAN:
        return 1.0 if x != x else 0.0
    return 1.0 if abs(x) == math.inf else 0.0


@compiled
def machine() -> Any:
    """run(code, D, I, state) -> DONE, AGAIN (the fuel is used up: call again) or TROUBLE."""

    def run(code, D, I, state):
        pc = np.uint64(state[PC])
        base = np.uint64(D.ctypes.data)
        while True:
            op = code[pc]
            to = code[pc + ONE]
            a = code[pc + TWO]
            b = code[pc + THREE]
            if op == ADD_D:
                D[to] = D[a] + D[b]
            elif op == SUB_D:
                D[to] = D[a] - D[b]
            elif op == MUL_D:
                D[to] = D[a] * D[b]
            elif op == DIV_D:
                D[to] = D[a] / D[b]
            elif op == MIN_D:
                D[to] = D[a] if D[a] < D[b] or D[a] != D[a] else D[b]
            elif op == MAX_D:
                D[to] = D[a] if D[a] > D[b] or D[a] != D[a] else D[b]
            elif op == MOD_D:
                q = D[a] / D[b]
                D[to] = D[a] - (np.trunc(q) + 0.0) * D[b] if q - q == 0.0 else _NAN
            elif op == IDIV_D:
                q = D[a] / D[b]
                if q - q == 0.0:
                    q = min(max(np.trunc(q) + 0.0, -9223372036854775808.0), 9223372036854775808.0)
                D[to] = q
            elif op == POW_D:
                x, y = D[a], D[b]
                if y == 2.0:
                    D[to] = x * x
                else:
                    r = math.pow(x, y)
                    D[to] = _NAN if r == 1.0 and y - y != 0.0 else r
            elif op == MOVE_D:
                D[to] = D[a]
            elif op == NEG_D:
                D[to] = -D[a]
            elif op == ABS_D:
                D[to] = abs(D[a])
            elif op == SQRT:
                D[to] = math.sqrt(D[a])
            elif op == ADD_I:
                I[to] = I[a] + I[b]
            elif op == SUB_I:
                I[to] = I[a] - I[b]
            elif op == MUL_I:
                if abs(np.float64(I[a]) * np.float64(I[b])) > 9.2e18:
                    return TROUBLE
                I[to] = I[a] * I[b]
            elif op == MOD_I:
                if I[a] == _INT_MIN or I[b] == _INT_MIN:
                    return TROUBLE
                I[to] = 0 if I[b] == 0 else _remainder(I[a], I[b])
            elif op == IDIV_I:
                if I[a] == _INT_MIN or I[b] == _INT_MIN or I[b] == 0:
                    return TROUBLE
                q_i = abs(I[a]) // abs(I[b])
                I[to] = -q_i if (I[a] < 0) != (I[b] < 0) else q_i
            elif op == MIN_I:
                I[to] = min(I[a], I[b])
            elif op == MAX_I:
                I[to] = max(I[a], I[b])
            elif op == MOVE_I:
                I[to] = I[a]
            elif op == NEG_I:
                I[to] = -I[a]
            elif op == ABS_I:
                if I[a] == _INT_MIN:
                    return TROUBLE
                I[to] = abs(I[a])
            elif op == LT_D:
                I[to] = D[a] < D[b]
            elif op == LE_D:
                I[to] = D[a] <= D[b]
            elif op == EQ_D:
                I[to] = D[a] == D[b]
            elif op == NE_D:
                I[to] = D[a] != D[b]
            elif op == LT_I:
                I[to] = I[a] < I[b]
            elif op == LE_I:
                I[to] = I[a] <= I[b]
            elif op == EQ_I:
                I[to] = I[a] == I[b]
            elif op == NE_I:
                I[to] = I[a] != I[b]
            elif op == AND:
                I[to] = I[a] & I[b]
            elif op == OR:
                I[to] = I[a] | I[b]
            elif op == NOT:
                I[to] = 1 - I[a]
            elif op == TRUTH_D:
                I[to] = D[a] != 0.0
            elif op == TRUTH_I:
                I[to] = I[a] != 0
            elif op == TO_DOUBLE:
                D[to] = np.float64(I[a])
            elif op == TO_EXACT_DOUBLE:  # Python compares and divides ints exactly
                if I[a] > _EXACT or I[a] < -_EXACT:
                    return TROUBLE
                D[to] = np.float64(I[a])
            elif op == TO_INT:
                x = D[a]
                if not (abs(x) < 9.2e18):
                    return TROUBLE
                I[to] = np.int64(x + 1.1102230246251565e-16 if x >= 0.0 else x - 1.1102230246251565e-16)
            elif op == JUMP:  # to
                state[FUEL] -= 10
                if state[FUEL] < 0:
                    state[PC] = np.int64(to)
                    return AGAIN
                pc = to
                continue
            elif op == JUMP_UNLESS:  # to, condition
                if I[a] == 0:
                    pc = to
                    continue
            elif (
                op == FOR_START
            ):  # next, left, step (three places in a row), first, last, whether a step is given, jump to
                first, last = I[a], I[b]
                if abs(first) > _FAR or abs(last) > _FAR:
                    return TROUBLE
                if code[pc + FOUR] == O:
                    step = 1 if first <= last else -1
                else:
                    step = I[to + TWO]
                if step == 0 or abs(step) > _FAR:
                    return TROUBLE
                span = last - first if step > 0 else first - last
                I[to] = first
                I[to + ONE] = span // abs(step) + 1 if span >= 0 else 0
                I[to + TWO] = step
                pc = code[pc + FIVE]
                continue
            elif op == FOR_NEXT:  # next, variable, jump to
                if I[to + ONE] > 0:
                    I[to + ONE] -= 1
                    I[a] = I[to]
                    I[to] += I[to + TWO]
                    state[FUEL] -= 10
                    pc = b
                    if state[FUEL] < 0:
                        state[PC] = np.int64(b)
                        return AGAIN
                    continue
            elif op == GET:  # to, row, column, matrix, rows, columns
                i, j = I[a] - 1, I[b] - 1
                rows, cols = np.int64(code[pc + FIVE]), np.int64(code[pc + SIX])
                if i < 0 or j < 0 or i >= rows or j >= cols:
                    return TROUBLE
                D[to] = D[code[pc + FOUR] + np.uint64(i * cols + j)]
            elif op == PUT:  # value, row, column, matrix, rows, columns
                i, j = I[a] - 1, I[b] - 1
                rows, cols = np.int64(code[pc + FIVE]), np.int64(code[pc + SIX])
                if i < 0 or j < 0 or i >= rows or j >= cols:
                    return TROUBLE
                D[code[pc + FOUR] + np.uint64(i * cols + j)] = D[to]
            elif op == HALT:
                return DONE
            elif op < HALT:
                D[to] = _function(op, D[a])
            else:
                if not _matrix(op, code, pc, D, state, base):
                    return TROUBLE
            pc += EIGHT

    signature = types.intp(types.uint64[::1], types.float64[::1], types.int64[::1], types.int64[::1])
    return signature, run
