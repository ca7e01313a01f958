"""Kernels: decimal text to doubles, and doubles to the shortest decimal text, bit for bit as Python and Java do.

Reading follows D. Lemire, "Number Parsing at a Gigabyte per Second", Software: Practice and Experience 51 (2021), algorithm 1: the
decimal number w * 10^q is multiplied by a 128-bit approximation of 5^q; where that does not decide the rounding, or the
result is subnormal or overflows, the cell is left to Python.

Writing follows R. Giulietti, "The Schubfach way to render doubles" (2020): of the decimals inside of the rounding interval, found with
126-bit approximations of powers of ten, the shortest that is nearest.

Python's integers make the tables of powers; every entry is exact by construction.

All of it is one file, for Numba takes compiled code from the disk as long as the file of a kernel is the same (`cpu.jit`).
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from pydml.backends.cpu.jit import compiled

_BYTES = types.Array(types.uint8, 1, "C", readonly=True)
_WORDS = types.Array(types.uint64, 2, "C", readonly=True)
_DOUBLES = types.Array(types.float64, 1, "C", readonly=True)
_INTS = types.Array(types.int64, 1, "C")
_READ_INTS = types.Array(types.int64, 1, "C", readonly=True)
_WRITTEN_BYTES = types.Array(types.uint8, 1, "C")
_WRITTEN_DOUBLES = types.Array(types.float64, 1, "C")
_TABLE = types.Array(types.int64, 2, "C")

# what a kernel says when it stops
DONE, FULL, WRONG_COUNT, EMPTY_LINE, MALFORMED = range(5)

_MIN_Q, _MAX_Q = -342, 308
_MIN_K, _MAX_K = -324, 292


def powers_of_five() -> np.ndarray:
    """Row q - _MIN_Q: the 128 leading bits of 5^q, high and low word; rounded down for q >= 0, up for negative q."""
    table = np.empty((_MAX_Q - _MIN_Q + 1, 2), np.uint64)
    for q in range(_MIN_Q, _MAX_Q + 1):
        power = 5 ** abs(q)
        if q >= 0:
            bits = power.bit_length()
            value = power << 128 - bits if bits <= 128 else power >> bits - 128
        else:
            # 2^b / 5^-q has 128 bits
            value = (1 << power.bit_length() + 127) // power + 1
        table[q - _MIN_Q] = value >> 64, value & (2**64 - 1)
    return table


def powers_of_ten() -> np.ndarray:
    """Row k - _MIN_K: floor(10^-k * 2^r) + 1 with 126 bits, as two words of 63 bits."""
    table = np.empty((_MAX_K - _MIN_K + 1, 2), np.uint64)
    for k in range(_MIN_K, _MAX_K + 1):
        if k <= 0:
            power = 10**-k
            shift = power.bit_length() - 126
            value = power << -shift if shift <= 0 else power >> shift
        else:
            power = 10**k
            value = (1 << power.bit_length() + 125) // power
        value += 1
        table[k - _MIN_K] = value >> 63, value & (2**63 - 1)
    return table


@intrinsic
def _leading_zeros(typing_context, x):
    """The number of leading zero bits of a 64-bit word that is not 0."""

    def generate(context, builder, signature, arguments):
        return builder.ctlz(arguments[0], cgutils.true_bit)

    return types.int64(types.uint64), generate


@intrinsic
def _high_product(typing_context, a, b):
    """The upper 64 bits of the product of two 64-bit words."""

    def generate(context, builder, signature, arguments):
        wide = ir.IntType(128)
        product = builder.mul(*(builder.zext(x, wide) for x in arguments))
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), generate


_UNDECIDED = np.uint64(2**64 - 1)  # the bits of a NaN that no result has


@njit
def _double_bits(w, q, fives):
    """The bits of the double nearest to w * 10^q, w > 0, or _UNDECIDED."""
    if q < _MIN_Q or q > _MAX_Q:
        return _UNDECIDED
    zeros = _leading_zeros(w)
    w <<= np.uint64(zeros)
    row = q - _MIN_Q
    high, low = _high_product(w, fives[row, 0]), w * fives[row, 0]
    if high & np.uint64(0x1FF) == np.uint64(0x1FF):
        more = _high_product(w, fives[row, 1])
        low += more
        if more > low:
            high += np.uint64(1)
    if low == np.uint64(0xFFFFFFFFFFFFFFFF) and not -27 <= q <= 55:
        return _UNDECIDED
    upper = high >> np.uint64(63)
    mantissa = high >> (upper + np.uint64(9))
    # 217706 / 2^16 is log2(10): the exponent of the leading bit, biased
    exponent = ((217706 * q) >> 16) + 63 + np.int64(upper) - zeros + 1023
    if exponent <= 0:
        return _UNDECIDED
    if low <= np.uint64(1) and -4 <= q <= 23 and mantissa & np.uint64(3) == np.uint64(1):
        return _UNDECIDED  # perhaps in the middle between two doubles
    mantissa += mantissa & np.uint64(1)
    mantissa >>= np.uint64(1)
    if mantissa >> np.uint64(53):
        mantissa >>= np.uint64(1)
        exponent += 1
    if exponent >= 2047:
        return _UNDECIDED
    return (mantissa & np.uint64((1 << 52) - 1)) | (np.uint64(exponent) << np.uint64(52))


@njit
def _number(data, p, fives, exact_powers):
    """The number that starts at p: (value, position after it).  A position of -1: not a plain number, or undecided.

    A line end follows somewhere, so that no position needs to be compared with the end of the data.
    """
    c = data[p]
    negative = c == 45
    if negative or c == 43:
        p += 1
    first = p
    w = np.uint64(0)
    d = np.uint64(data[p]) - np.uint64(48)
    while d <= np.uint64(9):
        w = w * np.uint64(10) + d
        p += 1
        d = np.uint64(data[p]) - np.uint64(48)
    digits = p - first
    q = 0
    if data[p] == 46:
        p += 1
        point = p
        d = np.uint64(data[p]) - np.uint64(48)
        while d <= np.uint64(9):
            w = w * np.uint64(10) + d
            p += 1
            d = np.uint64(data[p]) - np.uint64(48)
        q = point - p
        digits -= q
    if digits == 0:
        return 0.0, -1
    inexact = False
    if digits > 19:
        w, q, inexact = _many_digits(data, first)
    if data[p] == 101 or data[p] == 69:
        e, p = _exponent(data, p + 1)
        if p < 0:
            return 0.0, -1
        q += e
    if w == 0:
        return (-0.0 if negative else 0.0), p
    if not inexact and w <= np.uint64(1 << 53) and -22 <= q <= 22:
        # both factors are exact, so the result is rounded once
        value = np.float64(w)
        value = value / exact_powers[-q] if q < 0 else value * exact_powers[q]
        return (-value if negative else value), p
    bits = _double_bits(w, q, fives)
    if bits == _UNDECIDED or (inexact and bits != _double_bits(w + np.uint64(1), q, fives)):
        return 0.0, -1
    value = np.uint64(bits).view(np.float64)
    return (-value if negative else value), p


@njit
def _many_digits(data, p):
    """The first 19 digits that count of a longer number, the power of ten of the last one, and whether any follow but zeros."""
    w = np.uint64(0)
    q = 0
    digits = 0
    inexact = False
    after_point = False
    while True:
        if data[p] == 46:
            if after_point:
                break
            after_point = True
        else:
            d = np.uint64(data[p]) - np.uint64(48)
            if d > np.uint64(9):
                break
            if digits < 19:
                w = w * np.uint64(10) + d
                digits += w != 0
                q -= after_point
            else:
                inexact |= d != 0
                q += not after_point
        p += 1
    return w, q, inexact


@njit
def _exponent(data, p):
    """The exponent that starts at p, and the position after it; -1 if there is none."""
    negative = data[p] == 45
    if negative or data[p] == 43:
        p += 1
    start = p
    e = np.int64(0)
    while 48 <= data[p] <= 57:
        if e < 100000:
            e = e * 10 + (np.int64(data[p]) - 48)
        p += 1
    return (-e if negative else e), (p if p > start else -1)


@njit
def _at(data, p, stop, sep):
    """Whether the separator stands at p."""
    if data[p] != sep[0] or p + len(sep) > stop:
        return False
    for k in range(1, len(sep)):  # noqa: SIM110 (Numba knows no all())
        if data[p + k] != sep[k]:
            return False
    return True


@njit(inline="always")
def _separates(one_character, data, p, stop, sep):
    """Whether a separator is at a position; the first argument is a constant of the kernel."""
    if one_character:
        return data[p] == sep[0]
    return _at(data, p, stop, sep)


@compiled
def count_lines():
    """Line ends in data[start:stop]."""

    def run(data, start, stop):
        count = 0
        for p in range(start, stop):
            count += data[p] == 10
        return count

    return types.int64(_BYTES, types.int64, types.int64), run


@compiled
def parse_csv(dtype, one_character):
    """Parse whole lines of csv, up to the line end before `stop`.

    state: position, row and column to go on from; the kernel leaves there where it stopped.  Cell c of row r goes to
    out[r * cols + c].  special: (row, column, position, length) of the cells that are left to the caller.  numeric_missing: values
    whose texts may stand for missing cells; they are left to the caller as well.  Returns what ended it and the number of
    special cells: DONE; FULL: there is no room for one more; WRONG_COUNT, EMPTY_LINE: see the row in `state`.
    """

    def run(data, stop, sep, cols, fill, default, numeric_missing, fives, exact_powers, state, out, special):
        p, row, col = state[0], state[1], state[2]
        found = 0
        status = DONE
        while p < stop:
            cell = p
            while (
                data[p] <= 32 and (data[p] == 32 or data[p] == 9) and not _separates(one_character, data, p, stop, sep)
            ):
                p += 1
            ended = data[p] == 10 or (data[p] == 13 and data[p + 1] == 10)
            if ended or _separates(one_character, data, p, stop, sep):
                if ended and cols == 1:
                    status = EMPTY_LINE
                    break
                value = default
                after = p if fill else -1
            else:
                value, after = _number(data, p, fives, exact_powers)
                if after < 0 and p + 3 < stop and data[p] == 78 and data[p + 1] == 97 and data[p + 2] == 78:
                    value = np.nan
                    after = p + 3
                for k in range(len(numeric_missing)):
                    if value == numeric_missing[k]:
                        after = -1
            if after >= 0:
                p = after
                while (data[p] == 32 or data[p] == 9) and not _separates(one_character, data, p, stop, sep):
                    p += 1
                if data[p] == 13 and data[p + 1] == 10:
                    p += 1
                if data[p] != 10 and not _separates(one_character, data, p, stop, sep):
                    after = -1
            if col == cols:
                status = WRONG_COUNT
                break
            if after >= 0:
                out[row * cols + col] = value
            else:
                if found == len(special):
                    p = cell
                    status = FULL
                    break
                p = cell
                while data[p] != 10 and not _separates(one_character, data, p, stop, sep):
                    p += 1
                special[found, 0] = row
                special[found, 1] = col
                special[found, 2] = cell
                special[found, 3] = p - cell
                found += 1
            col += 1
            if data[p] != 10:
                p += len(sep)
                continue
            if col != cols:
                status = WRONG_COUNT
                break
            row += 1
            col = 0
            p += 1
        state[0] = p
        state[1] = row
        state[2] = col
        return status, found

    element = types.float32 if dtype == np.float32 else types.float64
    signature = types.UniTuple(types.int64, 2)(
        *(_BYTES, types.int64, _BYTES, types.int64, types.boolean, types.float64, _DOUBLES, _WORDS, _DOUBLES, _INTS),
        *(types.Array(element, 1, "C"), _TABLE),
    )
    return signature, run


@compiled
def parse_triples():
    """Parse whole lines `row column value` (pattern: `row column`), up to the line end before `stop`.

    state: position and number of cells to go on from.  The cells go to i, j (0-based) and values.  Returns DONE, or MALFORMED where
    the line at the position in `state` is left to the caller.
    """

    def run(data, stop, pattern, rows, cols, fives, exact_powers, state, i, j, values):
        p, n = state[0], state[1]
        while p < stop:
            line = p
            good = True
            row = 0
            col = 0
            for part in range(2):
                while data[p] == 32 or data[p] == 9:
                    p += 1
                start = p
                index = np.int64(0)
                while 48 <= data[p] <= 57:
                    index = index * 10 + (np.int64(data[p]) - 48)
                    p += 1
                if not 0 < p - start < 18:
                    good = False
                if part == 0:
                    row = index
                else:
                    col = index
                if data[p] != 32 and data[p] != 9 and not (pattern and part == 1 and (data[p] == 10 or data[p] == 13)):
                    good = False
                if not good:
                    break
            value = 1.0
            if good and not pattern:
                while data[p] == 32 or data[p] == 9:
                    p += 1
                value, p = _number(data, p, fives, exact_powers)
                good = p >= 0
            if good:
                while data[p] == 32 or data[p] == 9 or data[p] == 13:
                    p += 1
                good = data[p] == 10 and 1 <= row <= rows and 1 <= col <= cols
            if not good:
                state[0] = line
                state[1] = n
                return MALFORMED
            i[n] = row - 1
            j[n] = col - 1
            values[n] = value
            n += 1
            p += 1
        state[0] = p
        state[1] = n
        return DONE

    signature = types.int64(
        *(_BYTES, types.int64, types.boolean, types.int64, types.int64, _WORDS, _DOUBLES, _INTS),
        *(_INTS, _INTS, _WRITTEN_DOUBLES),
    )
    return signature, run


@njit(inline="always")
def _divides(c, sep):
    return c == sep or (sep < 0 and (c == 32 or c == 9 or c == 44))


@njit(inline="always")
def _ends(data, p):
    return data[p] == 10 or data[p] == 35 or (data[p] == 13 and data[p + 1] == 10)


@njit
def _after_entry(data, p, sep):
    """The position after the blanks behind an entry; -1 if something else follows."""
    while (data[p] == 32 or data[p] == 9) and not _divides(data[p], sep):
        p += 1
    return p if _divides(data[p], sep) or _ends(data, p) else -1


@njit
def _next_entry(data, p, sep):
    while _divides(data[p], sep) or data[p] == 32 or data[p] == 9:
        p += 1
    return p


@compiled
def parse_libsvm():
    """Parse whole lines `label index:value ...`, up to the line end before `stop`.

    sep: the character between entries, or -1: blanks, tabs and commas.  state: position, number of cells and of rows to go on from.  The
    cells go to i (from 0 in this part), j (0-based; the label in column `features`) and values.  Returns DONE, or MALFORMED where the line at
    the position in `state` is left to the caller.
    """

    def run(data, stop, sep, index_sep, features, fives, exact_powers, state, i, j, values):
        p, n, row = state[0], state[1], state[2]
        while p < stop:
            line = p
            first = n
            p = _next_entry(data, p, sep)
            if not _ends(data, p):
                label, p = _number(data, p, fives, exact_powers)
                if p >= 0:
                    p = _after_entry(data, p, sep)
                if p >= 0:
                    p = _next_entry(data, p, sep)
                while p >= 0 and not _ends(data, p):
                    start = p
                    index = np.int64(0)
                    while 48 <= data[p] <= 57:
                        index = index * 10 + (np.int64(data[p]) - 48)
                        p += 1
                    if not 0 < p - start < 18 or data[p] != index_sep or not 1 <= index <= features:
                        p = -1
                        break
                    value, p = _number(data, p + 1, fives, exact_powers)
                    if p < 0:
                        break
                    i[n] = row
                    j[n] = index - 1
                    values[n] = value
                    n += 1
                    p = _after_entry(data, p, sep)
                    if p >= 0:
                        p = _next_entry(data, p, sep)
                if p < 0:
                    state[0] = line
                    state[1] = first
                    state[2] = row
                    return MALFORMED
                i[n] = row
                j[n] = features
                values[n] = label
                n += 1
                row += 1
            while data[p] != 10:
                p += 1
            p += 1
        state[0] = p
        state[1] = n
        state[2] = row
        return DONE

    signature = types.int64(
        *(_BYTES, types.int64, types.int64, types.int64, types.int64, _WORDS, _DOUBLES, _INTS),
        *(_INTS, _INTS, _WRITTEN_DOUBLES),
    )
    return signature, run


# ---- writing


@njit
def _scaled(g1, g0, c):
    """c times the power of ten (g1, g0), shifted right by 127 bits, with the last bit set where bits were lost."""
    mask = np.uint64(2**63 - 1)
    x1 = _high_product(g0, c)
    y1 = _high_product(g1, c)
    z = ((g1 * c) >> np.uint64(1)) + x1
    w = y1 + (z >> np.uint64(63))
    return w | (((z & mask) + mask) >> np.uint64(63))


@njit
def _shortest(bits, tens):
    """The shortest decimal d * 10^k that rounds to the positive, normal double: (d, k).  d may end in zeros."""
    fraction = bits & np.uint64(2**52 - 1)
    exponent = np.int64(bits >> np.uint64(52))
    c = fraction | np.uint64(1 << 52)
    q = exponent - 1075
    if -53 < q <= 0 and c & np.uint64((1 << -q) - 1) == 0:
        return c >> np.uint64(-q), 0  # a whole number
    odd = c & np.uint64(1)
    middle = c << np.uint64(2)
    upper = middle + np.uint64(2)
    # 2^41 * log10(2), and the same for 3/4
    if fraction != 0 or exponent == 1:
        lower = middle - np.uint64(2)
        k = (q * 661971961083) >> 41
    else:
        lower = middle - np.uint64(1)
        k = (q * 661971961083 - 274743187321) >> 41
    # 2^38 * log2(10)
    shift = np.uint64(q + ((-k * 913124641741) >> 38) + 2)
    g1, g0 = tens[k - _MIN_K, 0], tens[k - _MIN_K, 1]
    v = _scaled(g1, g0, middle << shift)
    low = _scaled(g1, g0, lower << shift) + odd
    high = _scaled(g1, g0, upper << shift) - odd
    s = v >> np.uint64(2)
    if s >= np.uint64(100):
        short = np.uint64(10) * (s // np.uint64(10))
        longer = short + np.uint64(10)
        below, above = low <= short << np.uint64(2), longer << np.uint64(2) <= high
        if below != above:
            return (short if below else longer), k
    t = s + np.uint64(1)
    below, above = low <= s << np.uint64(2), t << np.uint64(2) <= high
    if below != above:
        return (s if below else t), k
    twice = (s + t) << np.uint64(1)
    return (s if v < twice or (v == twice and s & np.uint64(1) == 0) else t), k


_PAIRS = np.frombuffer("".join(f"{k:02d}" for k in range(100)).encode(), np.uint8).copy()
_TENS = 10 ** np.arange(20, dtype=np.uint64)


@njit
def _put_digits(out, p, d, count):
    """Write the `count` decimal digits of d."""
    p += count
    while d >= np.uint64(100):
        rest = d // np.uint64(100)
        pair = (d - rest * np.uint64(100)) * np.uint64(2)
        d = rest
        p -= 2
        out[p] = _PAIRS[pair]
        out[p + 1] = _PAIRS[pair + np.uint64(1)]
    if d >= np.uint64(10):
        out[p - 1] = _PAIRS[d * np.uint64(2) + np.uint64(1)]
        out[p - 2] = _PAIRS[d * np.uint64(2)]
    else:
        out[p - 1] = np.uint8(48) + np.uint8(d)


@njit
def _digit_count(d):
    # 1233 / 4096 is log10(2): an estimate from the number of bits, one too small or right
    n = ((64 - _leading_zeros(d | np.uint64(1))) * 1233) >> 12
    return n + (d >= _TENS[n])


@njit
def _put_int(out, p, value):
    n = _digit_count(np.uint64(value))
    _put_digits(out, p, np.uint64(value), n)
    return p + n


@njit
def is_special(value):
    """Texts that are left to the caller: those whose digits Java chooses in its own way, and what is not finite."""
    size = abs(value)
    if 1e-3 <= size < 1e7 or value == 0:
        return False
    bits = np.float64(size).view(np.uint64)
    return not 2.2250738585072014e-308 <= size < 9007199254740992.0 or bits & np.uint64(2**52 - 1) == 0


@njit
def _put_double(out, p, value, tens):
    """Write a double, not zero and not special, as Java does; returns the position after it."""
    if value < 0:
        out[p] = 45
        p += 1
        value = -value
    d, k = _shortest(np.float64(value).view(np.uint64), tens)
    rest = d // np.uint64(10)
    while rest * np.uint64(10) == d:
        d = rest
        k += 1
        rest = d // np.uint64(10)
    n = _digit_count(d)
    point = n + k  # the number is 0.d * 10^point
    if not 1e-3 <= value < 1e7:
        _put_digits(out, p + 1, d, n)
        out[p] = out[p + 1]
        out[p + 1] = 46
        if n == 1:
            out[p + 2] = 48
            p += 3
        else:
            p += n + 1
        out[p] = 69
        p += 1
        e = point - 1
        if e < 0:
            out[p] = 45
            p += 1
            e = -e
        return _put_int(out, p, e)
    if point <= 0:
        out[p] = 48
        out[p + 1] = 46
        p += 2
        for _ in range(-point):
            out[p] = 48
            p += 1
        _put_digits(out, p, d, n)
        return p + n
    if n <= point:
        _put_digits(out, p, d, n)
        p += n
        for _ in range(point - n):
            out[p] = 48
            p += 1
        out[p] = 46
        out[p + 1] = 48
        return p + 2
    _put_digits(out, p + 1, d, n)
    for m in range(point):
        out[p + m] = out[p + m + 1]
    out[p + point] = 46
    return p + n + 1


@njit
def _put_value(out, p, value, tens, texts, ends, number):
    """Write any double but zero; `number` counts the special ones, whose texts are given.  Returns position and number."""
    if is_special(value):
        for m in range(ends[number], ends[number + 1]):
            out[p] = texts[m]
            p += 1
        return p, number + 1
    return _put_double(out, p, value, tens), number


@compiled
def mark_special():
    """Set marks[k] where values[k] is special."""

    def run(values, marks):
        for k in range(len(values)):
            marks[k] = is_special(values[k])

    return types.void(_DOUBLES, types.Array(types.boolean, 1, "C")), run


@compiled
def format_csv():
    """Write the cells of whole rows as lines; returns the number of bytes.  texts, ends: of the special values."""

    def run(values, cols, sep, zero, tens, texts, ends, out):
        p = 0
        number = 0
        for cell in range(len(values)):
            value = values[cell]
            if value == 0:
                for m in range(len(zero)):
                    out[p] = zero[m]
                    p += 1
            else:
                p, number = _put_value(out, p, value, tens, texts, ends, number)
            if (cell + 1) % cols == 0:
                out[p] = 10
                p += 1
            else:
                for m in range(len(sep)):
                    out[p] = sep[m]
                    p += 1
        return p

    return types.int64(_DOUBLES, types.int64, _BYTES, _BYTES, _WORDS, _BYTES, _READ_INTS, _WRITTEN_BYTES), run


@compiled
def format_triples():
    """Write lines `row column value` of 0-based cells, which are not zero; returns the number of bytes."""

    def run(i, j, values, tens, texts, ends, out):
        p = 0
        number = 0
        for cell in range(len(values)):
            p = _put_int(out, p, i[cell] + 1)
            out[p] = 32
            p = _put_int(out, p + 1, j[cell] + 1)
            out[p] = 32
            p, number = _put_value(out, p + 1, values[cell], tens, texts, ends, number)
            out[p] = 10
            p += 1
        return p

    return types.int64(_READ_INTS, _READ_INTS, _DOUBLES, _WORDS, _BYTES, _READ_INTS, _WRITTEN_BYTES), run


@compiled
def format_libsvm():
    """Write lines `label index:value ...` of compressed rows; the label is the cell in the last column, 0.0 if that is not stored.

    Returns the number of bytes.  texts, ends: of the special values in the order of the cells.
    """

    def run(starts, indices, values, cols, sep, index_sep, tens, texts, ends, out):
        p = 0
        number = 0
        for row in range(len(starts) - 1):
            first, last = starts[row], starts[row + 1]
            special = 0
            for cell in range(first, last):
                special += is_special(values[cell])
            if last > first and indices[last - 1] == cols - 1:
                last -= 1
                p, _ = _put_value(out, p, values[last], tens, texts, ends, number + special - 1)
            else:
                out[p] = 48
                out[p + 1] = 46
                out[p + 2] = 48
                p += 3
            in_order = number
            for cell in range(first, last):
                for m in range(len(sep)):
                    out[p] = sep[m]
                    p += 1
                p = _put_int(out, p, indices[cell] + 1)
                for m in range(len(index_sep)):
                    out[p] = index_sep[m]
                    p += 1
                p, in_order = _put_value(out, p, values[cell], tens, texts, ends, in_order)
            number += special
            out[p] = 10
            p += 1
        return p

    return types.int64(
        *(_READ_INTS, _READ_INTS, _DOUBLES, types.int64, _BYTES, _BYTES, _WORDS, _BYTES, _READ_INTS),
        _WRITTEN_BYTES,
    ), run
