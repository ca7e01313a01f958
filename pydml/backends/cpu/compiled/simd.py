"""Vector instructions for kernels: intrinsics that emit LLVM vectors of a chosen number of lanes.

Numba vectorises plain loops, but it does not keep a tile of sums in registers nor transpose in them; that is what the few
functions here do.  They work on one-dimensional contiguous arrays and element offsets, check no bounds, and allow any
alignment.  The number of lanes and other sizes marked "constant" must be compile-time constants of the calling kernel.

A product tile of 6 rows by 2 vectors leaves registers for its operands on processors with 16 vector registers; on one core of
an AVX2 machine it runs at 95 to 99 GFLOP/s where OpenBLAS reaches 85 to 90.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from pydml.backends.cpu.compiled.operations import OPERATIONS
from pydml.backends.cpu.compiled.winograd_matrices import input_matrix, kernel_matrix, output_matrix

_I32 = ir.IntType(32)
_I64 = ir.IntType(64)

NUMBA_TYPES = {np.dtype(np.float32): types.float32, np.dtype(np.float64): types.float64}
_LLVM_TYPES = {types.float32: (ir.FloatType(), "f32"), types.float64: (ir.DoubleType(), "f64")}


def vector(dtype):
    """Type of a contiguous one-dimensional array of a dtype."""
    return types.Array(NUMBA_TYPES[np.dtype(dtype)], 1, "C")


def readonly(dtype):
    """The same for an input: takes arrays that may not be written, too."""
    return types.Array(NUMBA_TYPES[np.dtype(dtype)], 1, "C", readonly=True)


indexes = types.Array(types.int64, 1, "C")


# ---- pieces that the intrinsics are built from


class _Emitter:
    """Emits code for vectors of `lanes` elements of the arrays' type."""

    def __init__(self, context, builder, element, lanes):
        self.context = context
        self.builder = builder
        self.lanes = lanes
        scalar, name = _LLVM_TYPES[element]
        self.scalar = scalar
        self.vector = ir.VectorType(scalar, lanes)
        self.size = 4 if name == "f32" else 8
        self.fma_function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(self.vector, [self.vector] * 3), f"llvm.fma.v{lanes}{name}"
        )
        self.undefined = ir.Constant(self.vector, ir.Undefined)
        self.zero = ir.Constant(self.vector, [0.0] * lanes)

    def data(self, array_type, array):
        """Pointer to the first element of an array."""
        return self.context.make_array(array_type)(self.context, self.builder, array).data

    def at(self, pointer, offset):
        return self.builder.gep(pointer, [offset])

    def int(self, value):
        return ir.Constant(_I64, value)

    def load(self, pointer, offset=0):
        """A vector from an element pointer."""
        if offset:
            pointer = self.at(pointer, self.int(offset))
        result = self.builder.load(self.builder.bitcast(pointer, self.vector.as_pointer()))
        result.align = self.size
        return result

    def store(self, value, pointer, offset=0):
        if offset:
            pointer = self.at(pointer, self.int(offset))
        self.builder.store(value, self.builder.bitcast(pointer, self.vector.as_pointer())).align = self.size

    def stream(self, value, pointer, offset=0):
        """Store past the caches, in pieces of 16 bytes; the pointer must be a multiple of that."""
        piece = min(self.lanes, 16 // self.size)
        vector = ir.VectorType(self.scalar, piece)
        for i in range(0, self.lanes, piece):
            part = self.builder.shuffle_vector(
                value, self.undefined, ir.Constant(ir.VectorType(_I32, piece), list(range(i, i + piece)))
            )
            place = self.builder.bitcast(self.at(pointer, self.int(offset + i)), vector.as_pointer())
            store = self.builder.store(part, place)
            store.align = 16
            store.set_metadata("nontemporal", self.builder.module.add_metadata([ir.Constant(_I32, 1)]))

    def broadcast(self, value):
        single = self.builder.insert_element(self.undefined, value, ir.Constant(_I32, 0))
        return self.builder.shuffle_vector(
            single, self.undefined, ir.Constant(ir.VectorType(_I32, self.lanes), [0] * self.lanes)
        )

    def constant(self, value):
        return ir.Constant(self.vector, [float(value)] * self.lanes)

    def fma(self, x, y, z):
        return self.builder.call(self.fma_function, [x, y, z])

    def shuffle(self, x, y, mask):
        return self.builder.shuffle_vector(x, y, ir.Constant(ir.VectorType(_I32, self.lanes), mask))

    def transpose(self, rows):
        """`lanes` vectors as the rows of a square matrix -> its columns.

        First blocks as wide as a 128-bit lane with the unpack instructions, then exchanges of whole blocks.
        """
        L = self.lanes
        block = min(L, 16 // self.size)
        v = list(rows)

        def within(pattern):  # a mask given for one 128-bit lane (indexes >= block: second operand), for all of them
            return [(i if i < block else L + i - block) + base for base in range(0, L, block) for i in pattern]

        if block == 4:
            low, high = within([0, 4, 1, 5]), within([2, 6, 3, 7])
            low2, high2 = within([0, 1, 4, 5]), within([2, 3, 6, 7])
            for g in range(0, L, 4):
                a, b, c, d = v[g : g + 4]
                ab, ab2, cd, cd2 = (
                    self.shuffle(a, b, low),
                    self.shuffle(a, b, high),
                    self.shuffle(c, d, low),
                    self.shuffle(c, d, high),
                )
                v[g] = self.shuffle(ab, cd, low2)
                v[g + 1] = self.shuffle(ab, cd, high2)
                v[g + 2] = self.shuffle(ab2, cd2, low2)
                v[g + 3] = self.shuffle(ab2, cd2, high2)
        else:
            low, high = within([0, 2]), within([1, 3])
            for g in range(0, L, 2):
                a, b = v[g : g + 2]
                v[g], v[g + 1] = self.shuffle(a, b, low), self.shuffle(a, b, high)
        while block < L:
            first = [e if not e & block else L + e - block for e in range(L)]
            second = [e + block if not e & block else L + e for e in range(L)]
            for i in range(L):
                if not i & block:
                    a, b = v[i], v[i + block]
                    v[i], v[i + block] = self.shuffle(a, b, first), self.shuffle(a, b, second)
            block *= 2
        return v

    def combine(self, coefficients, xs):
        """sum of coefficient * x; None if all coefficients are 0."""
        b = self.builder
        result = None
        # plain terms first: they need no multiplication to start the chain
        for c, x in sorted(zip(coefficients, xs, strict=True), key=lambda term: abs(term[0]) != 1):
            if c == 0:
                continue
            if result is None:
                result = x if c == 1 else b.fsub(self.zero, x) if c == -1 else b.fmul(self.constant(c), x)
            elif c == 1:
                result = b.fadd(result, x)
            elif c == -1:
                result = b.fsub(result, x)
            else:
                result = self.fma(self.constant(c), x, result)
        return result

    def multiply(self, matrix, xs):
        """matrix (rows of fractions) times the column xs of vectors.

        The points a and -a make two rows of B' and G, or two columns of A', that differ only in the signs of some entries.
        For such columns the sum and the difference of the two elements stand in; for such rows the sum over the common entries
        and that over the others are computed once for both.
        """
        matrix, xs = self._join_columns(matrix, list(xs))
        results = [None] * len(matrix)
        for i, row in enumerate(matrix):
            if results[i] is not None:
                continue
            partner = next(
                (j for j in range(i + 1, len(matrix)) if results[j] is None and _mirrored(row, matrix[j])), None
            )
            if partner is None:
                results[i] = self.combine(row, xs)
                continue
            pairs = list(zip(row, matrix[partner], strict=True))
            same = self.combine([x if x == y else 0 for x, y in pairs], xs)
            differing = self.combine([x if x != y else 0 for x, y in pairs], xs)
            results[i] = self.builder.fadd(same, differing)
            results[partner] = self.builder.fsub(same, differing)
        return results

    def _join_columns(self, matrix, xs):
        columns = list(zip(*matrix, strict=True))
        for i in range(len(columns)):
            for j in range(i + 1, len(columns)):
                if _mirrored(columns[i], columns[j]):
                    a, b = columns[i], columns[j]
                    columns[i] = tuple(x if x == y else 0 for x, y in zip(a, b, strict=True))
                    columns[j] = tuple(x if x != y else 0 for x, y in zip(a, b, strict=True))
                    xs[i], xs[j] = self.builder.fadd(xs[i], xs[j]), self.builder.fsub(xs[i], xs[j])
        return list(zip(*columns, strict=True)), xs


def _mirrored(a, b):
    """Whether two rows differ by the signs of some entries, and agree in another that is not 0."""
    pairs = list(zip(a, b, strict=True))
    return (
        all(abs(x) == abs(y) for x, y in pairs) and any(x != y for x, y in pairs) and any(x == y != 0 for x, y in pairs)
    )


def _literal(type_):
    return type_.literal_value if isinstance(type_, types.IntegerLiteral) else None


# ---- intrinsics


@intrinsic(prefer_literal=True)
def copy_vectors(typingctx, count, lanes, source, s, target, t):
    """target[t + i] = source[s + i] for i < count * lanes.  count and lanes are constants."""
    counts, width = _literal(count), _literal(lanes)

    def generate(context, builder, signature, args):
        e = _Emitter(context, builder, target.dtype, width)
        from_, to = e.at(e.data(source, args[2]), args[3]), e.at(e.data(target, args[4]), args[5])
        values = [e.load(from_, i * width) for i in range(counts)]
        for i, value in enumerate(values):
            e.store(value, to, i * width)
        return context.get_dummy_value()

    return types.void(count, lanes, source, types.intp, target, types.intp), generate


@intrinsic(prefer_literal=True)
def add_vectors(typingctx, count, lanes, source, s, target, t):
    """target[t + i] += source[s + i] for i < count * lanes.  count and lanes are constants."""
    counts, width = _literal(count), _literal(lanes)

    def generate(context, builder, signature, args):
        e = _Emitter(context, builder, target.dtype, width)
        from_, to = e.at(e.data(source, args[2]), args[3]), e.at(e.data(target, args[4]), args[5])
        for i in range(0, counts * width, width):
            e.store(builder.fadd(e.load(to, i), e.load(from_, i)), to, i)
        return context.get_dummy_value()

    return types.void(count, lanes, source, types.intp, target, types.intp), generate


@intrinsic
def prefetch(typingctx, source, s):
    """Ask for the line of cache of source[s], which is needed soon; a place outside of the array does no harm."""

    def generate(context, builder, signature, args):
        place = builder.gep(context.make_array(source)(context, builder, args[0]).data, [args[1]])
        number = ir.IntType(32)
        byte = ir.IntType(8).as_pointer()
        declared = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        function = cgutils.get_or_insert_function(builder.module, declared, "llvm.prefetch.p0")
        reading, second_level, data = (ir.Constant(number, n) for n in (0, 2, 1))
        builder.call(function, [builder.bitcast(place, byte), reading, second_level, data])
        return context.get_dummy_value()

    return types.void(source, types.intp), generate


def _row_loop(context, builder, element, width, length, emit):
    """Code that covers a row of `length` cells: emit(emitter, place) does a vector of cells from a place on.

    The last vector ends with the row and may overlap the one before.  Rows shorter than a vector take narrower ones.  Written
    as a plain loop, a row of a dozen cells costs a call of memcpy or the prologue of a vectorised loop; that was half of the time
    of Winograd's transforms.
    """
    e = _Emitter(context, builder, element, width)
    if width == 1:
        with builder.if_then(builder.icmp_signed(">", length, e.int(0))):
            emit(e, e.int(0))
        return
    with builder.if_else(builder.icmp_signed(">=", length, e.int(width))) as (long, short):
        with long:
            last = builder.sub(length, e.int(width))
            with cgutils.for_range_slice(builder, e.int(0), last, e.int(width)) as (place, _):
                emit(e, place)
            emit(e, last)
        with short:
            _row_loop(context, builder, element, width // 2, length, emit)


@intrinsic(prefer_literal=True)
def copy_row(typingctx, lanes, source, s, target, t, length):
    """target[t + i] = source[s + i] for i < length; the rows must not overlap.  lanes is a constant."""

    def generate(context, builder, signature, args):
        _, source_, s_, target_, t_, length_ = args

        def emit(e, place):
            value = e.load(e.at(e.data(source, source_), builder.add(s_, place)))
            e.store(value, e.at(e.data(target, target_), builder.add(t_, place)))

        _row_loop(context, builder, target.dtype, _literal(lanes), length_, emit)
        return context.get_dummy_value()

    return types.void(lanes, source, types.intp, target, types.intp, types.intp), generate


@intrinsic(prefer_literal=True)
def copy_reversed(typingctx, lanes, source, s, target, t, length):
    """target[t + i] = source[s + length - 1 - i] for i < length; the rows must not overlap.  lanes is a constant."""

    def generate(context, builder, signature, args):
        _, source_, s_, target_, t_, length_ = args
        end = builder.add(s_, length_)

        def emit(e, place):
            begin = builder.sub(end, builder.add(place, e.int(e.lanes)))
            value = e.load(e.at(e.data(source, source_), begin))
            value = e.shuffle(value, e.undefined, list(range(e.lanes - 1, -1, -1)))
            e.store(value, e.at(e.data(target, target_), builder.add(t_, place)))

        _row_loop(context, builder, target.dtype, _literal(lanes), length_, emit)
        return context.get_dummy_value()

    return types.void(lanes, source, types.intp, target, types.intp, types.intp), generate


@intrinsic(prefer_literal=True)
def copy_strided(typingctx, lanes, source, s, step, target, t, length):
    """target[t + i] = source[s + i*step] for i < length.  lanes is a constant, and even."""
    width = _literal(lanes)

    def generate(context, builder, signature, args):
        _, source_, s_, step_, target_, t_, length_ = args

        def every(e, place):
            value = e.load(e.at(e.data(source, source_), builder.add(s_, place)))
            e.store(value, e.at(e.data(target, target_), builder.add(t_, place)))

        def every_second(e, place):
            from_ = e.at(e.data(source, source_), builder.add(s_, builder.mul(place, e.int(2))))
            value = _load_strided(e, from_, 2)
            e.store(value, e.at(e.data(target, target_), builder.add(t_, place)))

        def one_by_one():
            e = _Emitter(context, builder, target.dtype, 1)
            from_, to = e.at(e.data(source, source_), s_), e.at(e.data(target, target_), t_)
            with cgutils.for_range(builder, length_) as loop:
                value = builder.load(e.at(from_, builder.mul(loop.index, step_)))
                builder.store(value, e.at(to, loop.index))

        def is_step(number):
            return builder.icmp_signed("==", step_, ir.Constant(_I64, number))

        # In plain Python each index would be checked for being negative, and nothing vectorised.
        with builder.if_else(is_step(1)) as (dense, strided):
            with dense:
                _row_loop(context, builder, target.dtype, width, length_, every)
            with strided, builder.if_else(is_step(2)) as (two, more):
                with two:
                    _row_loop(context, builder, target.dtype, width, length_, every_second)
                with more:
                    one_by_one()
        return context.get_dummy_value()

    ints = types.intp
    return types.void(lanes, source, ints, ints, target, ints, ints), generate


@intrinsic(prefer_literal=True)
def alternate_row(typingctx, lanes, source, s, s2, target, t, length):
    """target[t + 2*i] = source[s + i] and target[t + 2*i + 1] = source[s2 + i] for i < length.  lanes is a constant, and even."""

    def generate(context, builder, signature, args):
        _, source_, s_, s2_, target_, t_, length_ = args

        def emit(e, place):
            first, second = (e.load(e.at(e.data(source, source_), builder.add(at, place))) for at in (s_, s2_))
            to = e.at(e.data(target, target_), builder.add(t_, builder.mul(place, e.int(2))))
            L = e.lanes
            if L == 1:
                pieces = [first, second]
            else:
                mask = [i // 2 + (L if i % 2 else 0) for i in range(2 * L)]
                pieces = [e.shuffle(first, second, mask[:L]), e.shuffle(first, second, mask[L:])]
            for i, piece in enumerate(pieces):
                e.store(piece, to, i * L)

        _row_loop(context, builder, target.dtype, _literal(lanes), length_, emit)
        return context.get_dummy_value()

    i = types.intp
    return types.void(lanes, source, i, i, target, i, i), generate


@intrinsic(prefer_literal=True)
def add_row(typingctx, lanes, source, s, number, target, t, length):
    """target[t + i] = source[s + i] + number for i < length; the rows must not overlap.  lanes is a constant."""

    def generate(context, builder, signature, args):
        _, source_, s_, number_, target_, t_, length_ = args

        def emit(e, place):
            value = e.load(e.at(e.data(source, source_), builder.add(s_, place)))
            e.store(builder.fadd(value, e.broadcast(number_)), e.at(e.data(target, target_), builder.add(t_, place)))

        _row_loop(context, builder, target.dtype, _literal(lanes), length_, emit)
        return context.get_dummy_value()

    return types.void(lanes, source, types.intp, number, target, types.intp, types.intp), generate


def _stored_row(builder, e, single, length, stream, emit, to):
    """Code for a row of results emit(emitter, place), stored at `to` by whole vectors and then cell by cell.

    stream: write the vectors past the caches; then `to` must be at a multiple of 16 bytes.
    """
    whole = builder.sub(length, builder.srem(length, e.int(e.lanes)))
    with builder.if_else(builder.trunc(stream, ir.IntType(1))) as (past, through):
        with past, cgutils.for_range_slice(builder, e.int(0), whole, e.int(e.lanes)) as (place, _):
            e.stream(emit(e, place), e.at(to, place))
        with through, cgutils.for_range_slice(builder, e.int(0), whole, e.int(e.lanes)) as (place, _):
            e.store(emit(e, place), e.at(to, place))
    with cgutils.for_range_slice(builder, whole, length, e.int(1)) as (place, _):
        single.store(emit(single, place), single.at(to, place))


@intrinsic(prefer_literal=True)
def scale_row(typingctx, lanes, x, at, scale, shift, target, t, length, stream):
    """target[t + i] = scale * x[at + i] + shift for i < length; stream as in `_stored_row`.  lanes is a constant."""

    def generate(context, builder, signature, args):
        _, x_, at_, scale_, shift_, target_, t_, length_, stream_ = args
        e, single = (_Emitter(context, builder, target.dtype, w) for w in (_literal(lanes), 1))
        row = e.at(e.data(x, x_), at_)

        def emit(e, place):
            return e.fma(e.broadcast(scale_), e.load(e.at(row, place)), e.broadcast(shift_))

        _stored_row(builder, e, single, length_, stream_, emit, e.at(e.data(target, target_), t_))
        return context.get_dummy_value()

    i = types.intp
    return types.void(lanes, x, i, scale, shift, target, i, i, types.boolean), generate


@intrinsic(prefer_literal=True)
def finish_row(typingctx, lanes, add, cut, x, at, scale, shift, y, length):
    """x[at + i] = x[at + i]*scale + shift, + y[at + i] if `add`, and at least 0 if `cut`, for i < length.  Constants: lanes, add, cut.

    A NaN stays NaN.  Each operation rounds, as it would on its own.
    """
    added, cut_off = bool(_literal(add)), bool(_literal(cut))

    def generate(context, builder, signature, args):
        _, _, _, x_, at_, scale_, shift_, y_, length_ = args
        e, single = (_Emitter(context, builder, x.dtype, w) for w in (_literal(lanes), 1))
        row, y_row = e.at(e.data(x, x_), at_), e.at(e.data(y, y_), at_)

        def emit(e, place):
            value = builder.fmul(e.load(e.at(row, place)), e.broadcast(scale_))
            value = builder.fadd(value, e.broadcast(shift_))
            if added:
                value = builder.fadd(value, e.load(e.at(y_row, place)))
            return _operation(e, "max", value, e.zero) if cut_off else value

        _stored_row(builder, e, single, length_, ir.Constant(ir.IntType(8), 0), emit, row)
        return context.get_dummy_value()

    i = types.intp
    return types.void(lanes, add, cut, x, i, scale, shift, y, i), generate


@intrinsic(prefer_literal=True)
def combine_rows(typingctx, lanes, x, y, at, a, b, center, shift, target, length, stream):
    """target[at + i] = a*y[at + i] + b*(x[at + i] - center) + shift for i < length; stream as in `_stored_row`.  lanes is a constant."""

    def generate(context, builder, signature, args):
        _, x_, y_, at_, a_, b_, center_, shift_, target_, length_, stream_ = args
        e, single = (_Emitter(context, builder, target.dtype, w) for w in (_literal(lanes), 1))
        x_row, y_row = e.at(e.data(x, x_), at_), e.at(e.data(y, y_), at_)

        def emit(e, place):
            centered = builder.fsub(e.load(e.at(x_row, place)), e.broadcast(center_))
            rest = e.fma(e.broadcast(b_), centered, e.broadcast(shift_))
            return e.fma(e.broadcast(a_), e.load(e.at(y_row, place)), rest)

        _stored_row(builder, e, single, length_, stream_, emit, e.at(e.data(target, target_), at_))
        return context.get_dummy_value()

    i = types.intp
    return types.void(lanes, x, y, i, a, b, center, shift, target, i, types.boolean), generate


UNROLLED = 4  # vectors of a turn of `_add_sums`: enough sums that need not wait for each other


def _add_sums(context, builder, element, lanes, length, count, emit, sums):
    """Code that adds sums over a row of `length` cells to numbers in double precision, from the pointer `sums` on.

    emit(emitter, place) gives the `count` values of the cells from a place on.  Sums are kept in the precision of the cells, in
    vectors of their own for neighbouring cells, so that rows of some thousand cells lose little.
    """
    double = ir.DoubleType()
    e, single = _Emitter(context, builder, element, lanes), _Emitter(context, builder, element, 1)
    vectors = [[cgutils.alloca_once_value(builder, e.zero) for _ in range(count)] for _ in range(UNROLLED)]
    singles = [cgutils.alloca_once_value(builder, single.zero) for _ in range(count)]
    for pointer in [p for row in vectors for p in row]:
        builder.store(e.zero, pointer)
    for pointer in singles:
        builder.store(single.zero, pointer)

    def add(emitter, pointers, place):
        for pointer, value in zip(pointers, emit(emitter, place), strict=True):
            builder.store(builder.fadd(builder.load(pointer), value), pointer)

    turn = UNROLLED * lanes
    turns = builder.sub(length, builder.srem(length, e.int(turn)))
    whole = builder.sub(length, builder.srem(length, e.int(lanes)))
    with cgutils.for_range_slice(builder, e.int(0), turns, e.int(turn)) as (place, _):
        for u in range(UNROLLED):
            add(e, vectors[u], builder.add(place, e.int(u * lanes)))
    with cgutils.for_range_slice(builder, turns, whole, e.int(lanes)) as (place, _):
        add(e, vectors[0], place)
    with cgutils.for_range_slice(builder, whole, length, e.int(1)) as (place, _):
        add(single, singles, place)
    for k in range(count):
        total = builder.load(vectors[0][k])
        for u in range(1, UNROLLED):
            total = builder.fadd(total, builder.load(vectors[u][k]))
        place = builder.gep(sums, [e.int(k)])
        result = builder.load(place)
        parts = [builder.extract_element(total, ir.Constant(_I32, i)) for i in range(lanes)]
        parts.append(builder.extract_element(builder.load(singles[k]), ir.Constant(_I32, 0)))
        for part in parts:
            result = builder.fadd(result, part if e.size == 8 else builder.fpext(part, double))
        builder.store(result, place)


@intrinsic(prefer_literal=True)
def add_moments(typingctx, lanes, x, at, length, center, sums, k):
    """Add to sums[k] and sums[k + 1] the sums of x - center and of its square, over x[at + i] for i < length.  lanes is a constant."""

    def generate(context, builder, signature, args):
        _, x_, at_, length_, center_, sums_, k_ = args
        e = _Emitter(context, builder, x.dtype, _literal(lanes))
        row = e.at(e.data(x, x_), at_)

        def emit(e, place):
            value = builder.fsub(e.load(e.at(row, place)), e.broadcast(center_))
            return value, builder.fmul(value, value)

        _add_sums(context, builder, x.dtype, _literal(lanes), length_, 2, emit, e.at(e.data(sums, sums_), k_))
        return context.get_dummy_value()

    i = types.intp
    return types.void(lanes, x, i, i, center, sums, i), generate


@intrinsic(prefer_literal=True)
def add_products(typingctx, lanes, x, y, at, length, center, sums, k):
    """Add to sums[k] and sums[k + 1] the sums of y and of y * (x - center), over cells at + i for i < length.  lanes is a constant."""

    def generate(context, builder, signature, args):
        _, x_, y_, at_, length_, center_, sums_, k_ = args
        e = _Emitter(context, builder, x.dtype, _literal(lanes))
        x_row, y_row = e.at(e.data(x, x_), at_), e.at(e.data(y, y_), at_)

        def emit(e, place):
            value = e.load(e.at(y_row, place))
            return value, builder.fmul(value, builder.fsub(e.load(e.at(x_row, place)), e.broadcast(center_)))

        _add_sums(context, builder, x.dtype, _literal(lanes), length_, 2, emit, e.at(e.data(sums, sums_), k_))
        return context.get_dummy_value()

    i = types.intp
    return types.void(lanes, x, y, i, i, center, sums, i), generate


MAXIMUM, SUM = 0, 1  # what `reduce_rows` and `reduce_columns` do


def _identity(e, operation):
    return e.zero if operation == SUM else ir.Constant(e.vector, [float("-inf")] * e.lanes)


def _combine(e, operation, x, y):
    """Sum, or maximum; a maximum with a NaN is NaN."""
    if operation == SUM:
        return e.builder.fadd(x, y)
    larger = e.builder.fcmp_ordered(">", y, x)
    nan = e.builder.fcmp_unordered("uno", y, y)
    return e.builder.select(e.builder.or_(larger, nan), y, x)


def _load_strided(e, pointer, step):
    """A vector of every step-th cell; step is a number here.  Nothing behind the last of them is read."""
    if e.lanes == 1 or step == 1:
        return e.load(pointer)
    if step == 2:  # the second vector begins one cell early
        mask = [*range(0, e.lanes, 2), *range(e.lanes + 1, 2 * e.lanes, 2)]
        return e.shuffle(e.load(pointer), e.load(pointer, e.lanes - 1), mask)
    value = e.undefined
    for lane in range(e.lanes):
        cell = e.builder.load(e.at(pointer, e.int(lane * step)))
        value = e.builder.insert_element(value, cell, ir.Constant(_I32, lane))
    return value


@intrinsic(prefer_literal=True)
def reduce_rows(typingctx, operation, lanes, source, s, s_row, rows, target, t, length):
    """target[t + x] = maximum or sum over i < rows of source[s + i*s_row + x], for x < length.

    operation and lanes are constants.  No rows: -Infinity or 0.
    """
    kind = _literal(operation)

    def generate(context, builder, signature, args):
        _, _, source_, s_, s_row_, rows_, target_, t_, length_ = args

        def emit(e, place):
            pointer = e.at(e.data(source, source_), builder.add(s_, place))
            total = cgutils.alloca_once_value(builder, _identity(e, kind))
            builder.store(_identity(e, kind), total)
            with cgutils.for_range(builder, rows_) as loop:
                value = e.load(e.at(pointer, builder.mul(loop.index, s_row_)))
                builder.store(_combine(e, kind, builder.load(total), value), total)
            e.store(builder.load(total), e.at(e.data(target, target_), builder.add(t_, place)))

        _row_loop(context, builder, target.dtype, _literal(lanes), length_, emit)
        return context.get_dummy_value()

    ints = types.intp
    return types.void(operation, lanes, source, ints, ints, ints, target, ints, ints), generate


@intrinsic(prefer_literal=True)
def reduce_columns(typingctx, operation, step, lanes, source, s, columns, target, t, length):
    """target[t + x] = maximum or sum over j < columns of source[s + x*step + j], for x < length.

    operation, step and lanes are constants.
    """
    kind, distance = _literal(operation), _literal(step)

    def generate(context, builder, signature, args):
        _, _, _, source_, s_, columns_, target_, t_, length_ = args

        def emit(e, place):
            pointer = e.at(e.data(source, source_), builder.add(s_, builder.mul(place, e.int(distance))))
            total = cgutils.alloca_once_value(builder, _identity(e, kind))
            builder.store(_identity(e, kind), total)
            with cgutils.for_range(builder, columns_) as loop:
                value = _load_strided(e, e.at(pointer, loop.index), distance)
                builder.store(_combine(e, kind, builder.load(total), value), total)
            e.store(builder.load(total), e.at(e.data(target, target_), builder.add(t_, place)))

        _row_loop(context, builder, target.dtype, _literal(lanes), length_, emit)
        return context.get_dummy_value()

    ints = types.intp
    return types.void(operation, step, lanes, source, ints, ints, target, ints, ints), generate


@intrinsic(prefer_literal=True)
def reduce_squares(typingctx, operation, lanes, source, s, s_row, target, t, length):
    """target[t + x] = maximum or sum of the four cells source[s + i*s_row + 2x + j], i, j < 2, for x < length: rows first.

    operation and lanes are constants.
    """
    kind = _literal(operation)

    def generate(context, builder, signature, args):
        _, _, source_, s_, s_row_, target_, t_, length_ = args

        def emit(e, place):
            above = e.at(e.data(source, source_), builder.add(s_, builder.mul(place, e.int(2))))
            below = e.at(above, s_row_)
            halves = [_combine(e, kind, e.load(above, v), e.load(below, v)) for v in (0, e.lanes)]
            even, odd = (e.shuffle(*halves, list(range(j, 2 * e.lanes, 2))) for j in range(2))
            e.store(_combine(e, kind, even, odd), e.at(e.data(target, target_), builder.add(t_, place)))

        _row_loop(context, builder, target.dtype, _literal(lanes), length_, emit)
        return context.get_dummy_value()

    ints = types.intp
    return types.void(operation, lanes, source, ints, ints, target, ints, ints), generate


@intrinsic(prefer_literal=True)
def first_maximum(typingctx, step, lanes, like, source, s_row, rows, columns, t_row, target, t, length):
    """target[t + x] = i*t_row + j of the first largest cell source[x*step + i*s_row + j] with i < rows, j < columns.

    For x < length; the order is by rows, NaN is passed over, and -1 stands for no cell above -Infinity.  step and lanes are
    constants.  source: an address.  like: an array of the cells' type.  target: integers as wide as the cells.
    """
    distance = _literal(step)

    def generate(context, builder, signature, args):
        _, _, _, source_, s_row_, rows_, columns_, t_row_, target_, t_, length_ = args
        integer = ir.IntType(target.dtype.bitwidth)

        def emit(e, place):
            integers = ir.VectorType(integer, e.lanes)
            first = builder.inttoptr(source_, e.scalar.as_pointer())
            pointer = e.at(first, builder.mul(place, e.int(distance)))
            lowest, nowhere = _identity(e, MAXIMUM), ir.Constant(integers, [-1] * e.lanes)
            largest = cgutils.alloca_once_value(builder, lowest)
            position = cgutils.alloca_once_value(builder, nowhere)
            builder.store(lowest, largest)
            builder.store(nowhere, position)
            with cgutils.for_range(builder, rows_) as row:
                row_pointer = e.at(pointer, builder.mul(row.index, s_row_))
                row_position = builder.mul(row.index, t_row_)
                with cgutils.for_range(builder, columns_) as column:
                    value = _load_strided(e, e.at(row_pointer, column.index), distance)
                    larger = builder.fcmp_ordered(">", value, builder.load(largest))
                    builder.store(builder.select(larger, value, builder.load(largest)), largest)
                    place_number = builder.add(row_position, column.index)
                    if integer.width < 64:
                        place_number = builder.trunc(place_number, integer)
                    single = builder.insert_element(
                        ir.Constant(integers, ir.Undefined), place_number, ir.Constant(_I32, 0)
                    )
                    here = builder.shuffle_vector(
                        single,
                        ir.Constant(integers, ir.Undefined),
                        ir.Constant(ir.VectorType(_I32, e.lanes), [0] * e.lanes),
                    )
                    builder.store(builder.select(larger, here, builder.load(position)), position)
            to = e.at(e.data(target, target_), builder.add(t_, place))
            builder.store(builder.load(position), builder.bitcast(to, integers.as_pointer())).align = e.size

        _row_loop(context, builder, like.dtype, _literal(lanes), length_, emit)
        return context.get_dummy_value()

    ints = types.intp
    return types.void(step, lanes, like, ints, ints, ints, ints, ints, target, ints, ints), generate


def _emit_product(builder, e, height, a_pointers, a_offset, b_at, depth, c_pointers, accumulate, starts):
    """Code of a product tile of `height` rows by two vectors: sums from those at c_pointers or from starts, and back there.

    a_offset(k): what element k of a row of the first factor adds to the row's pointer.  b_at(k): pointer to the two vectors of row k of the second.
    """
    width = e.lanes
    function = builder.function
    start, load, loop, done = (function.append_basic_block(n) for n in ("start", "load", "loop", "done"))
    builder.branch(start)
    builder.position_at_end(start)
    first = starts()
    builder.cbranch(builder.trunc(accumulate, ir.IntType(1)), load, loop)
    builder.position_at_end(load)
    loaded = [[e.load(p, v * width) for v in range(2)] for p in c_pointers]
    builder.branch(loop)

    builder.position_at_end(loop)
    k = builder.phi(_I64)
    sums = [[builder.phi(e.vector) for _ in range(2)] for _ in range(height)]
    k.add_incoming(e.int(0), start)
    k.add_incoming(e.int(0), load)
    for i in range(height):
        for v in range(2):
            sums[i][v].add_incoming(first[i], start)
            sums[i][v].add_incoming(loaded[i][v], load)
    b_pointer = b_at(k)
    bs = [e.load(b_pointer, v * width) for v in range(2)]
    a_place = a_offset(k)
    results = []
    for i in range(height):
        x = e.broadcast(builder.load(e.at(a_pointers[i], a_place)))
        results.append([e.fma(x, bs[v], sums[i][v]) for v in range(2)])
    following = builder.add(k, e.int(1))
    k.add_incoming(following, loop)
    for i in range(height):
        for v in range(2):
            sums[i][v].add_incoming(results[i][v], loop)
    builder.cbranch(builder.icmp_signed("<", following, depth), loop, done)

    builder.position_at_end(done)
    for i in range(height):
        for v in range(2):
            e.store(results[i][v], c_pointers[i], v * width)


@intrinsic(prefer_literal=True)
def spread_to_maximum(typingctx, lanes, source, s, s_row, gradient, g, target, t, length):
    """target[t + i*s_row + 2x + j] = gradient[g + x] at the first largest of source[s + i*s_row + 2x + j], i, j < 2; else 0.

    For x < length; the order is by rows, and NaN and -Infinity are passed over, as in `first_maximum`.  lanes is a constant.
    """

    def generate(context, builder, signature, args):
        _, source_, s_, s_row_, gradient_, g_, target_, t_, length_ = args

        def emit(e, place):
            at = builder.mul(place, e.int(2))
            above = e.at(e.data(source, source_), builder.add(s_, at))
            cells = []
            for pointer in (above, e.at(above, s_row_)):
                first, second = e.load(pointer), e.load(pointer, e.lanes)
                cells += [e.shuffle(first, second, list(range(j, 2 * e.lanes, 2))) for j in range(2)]
            largest, here = _identity(e, MAXIMUM), list[Any]()
            for cell in cells:
                larger = builder.fcmp_ordered(">", cell, largest)
                largest = builder.select(larger, cell, largest)
                here = [builder.and_(mask, builder.not_(larger)) for mask in here] + [larger]
            given = e.load(e.at(e.data(gradient, gradient_), builder.add(g_, place)))
            shares = [builder.select(mask, given, e.zero) for mask in here]
            pairs = [lane + half * e.lanes for lane in range(e.lanes) for half in range(2)]
            top = e.at(e.data(target, target_), builder.add(t_, at))
            for pointer, left, right in ((top, *shares[:2]), (e.at(top, s_row_), *shares[2:])):
                e.store(e.shuffle(left, right, pairs[: e.lanes]), pointer)
                e.store(e.shuffle(left, right, pairs[e.lanes :]), pointer, e.lanes)

        _row_loop(context, builder, target.dtype, _literal(lanes), length_, emit)
        return context.get_dummy_value()

    ints = types.intp
    return types.void(lanes, source, ints, ints, gradient, ints, target, ints, ints), generate


@intrinsic(prefer_literal=True)
def product_tile(
    typingctx, rows, lanes, A, a, a_row, a_column, a_rows, B, b, depth, C, c, c_row, accumulate
):  # fmt: skip
    """C[c + i*c_row + j] (+)= sum over k < depth of A[a + i*a_row + k*a_column] * B[b + k*width + j].

    For i < rows and j < width = 2 * lanes; rows and lanes are constants.  Rows of A from a_rows on are not read: the last one
    stands for them, and their results are of no use.  depth > 0.  accumulate: add to C instead of replacing it.
    """
    height, width = _literal(rows), _literal(lanes)

    def generate(context, builder, signature, args):
        _, _, A_, a_, a_row_, a_column_, a_rows_, B_, b_, depth_, C_, c_, c_row_, accumulate_ = args
        e = _Emitter(context, builder, C.dtype, width)
        a_base = e.at(e.data(A, A_), a_)
        a_pointers = []
        for i in range(height):
            within = builder.icmp_signed("<", e.int(i), a_rows_)
            row = builder.select(within, e.int(i), builder.sub(a_rows_, e.int(1)))
            a_pointers.append(e.at(a_base, builder.mul(row, a_row_)))
        b_base = e.at(e.data(B, B_), b_)
        c_base = e.at(e.data(C, C_), c_)
        c_pointers = [e.at(c_base, builder.mul(e.int(i), c_row_)) for i in range(height)]

        _emit_product(
            builder,
            e,
            height,
            a_pointers,
            lambda k: builder.mul(k, a_column_),
            lambda k: e.at(b_base, builder.mul(k, e.int(2 * width))),
            depth_,
            c_pointers,
            accumulate_,
            lambda: [e.zero] * height,
        )
        return context.get_dummy_value()

    ints = types.intp
    return types.void(
        rows, lanes, A, ints, ints, ints, ints, B, ints, ints, C, ints, ints, types.boolean
    ), generate  # fmt: skip


@intrinsic(prefer_literal=True)
def product_rows(typingctx, rows, lanes, A, a, B, b, depth, C, c, c_row, start, s, accumulate):
    """As `product_tile` of interleaved rows, A[a + k*rows + i]; what is not accumulated begins at start[s + i] in row i."""
    height, width = _literal(rows), _literal(lanes)

    def generate(context, builder, signature, args):
        _, _, A_, a_, B_, b_, depth_, C_, c_, c_row_, start_, s_, accumulate_ = args
        e = _Emitter(context, builder, C.dtype, width)
        a_base, c_base = e.at(e.data(A, A_), a_), e.at(e.data(C, C_), c_)
        b_base, first = e.at(e.data(B, B_), b_), e.at(e.data(start, start_), s_)
        _emit_product(
            builder, e, height,
            [e.at(a_base, e.int(i)) for i in range(height)], lambda k: builder.mul(k, e.int(height)),
            lambda k: e.at(b_base, builder.mul(k, e.int(2 * width))), depth_,
            [e.at(c_base, builder.mul(e.int(i), c_row_)) for i in range(height)], accumulate_,
            lambda: [e.broadcast(builder.load(e.at(first, e.int(i)))) for i in range(height)],
        )  # fmt: skip
        return context.get_dummy_value()

    i = types.intp
    return types.void(rows, lanes, A, i, B, i, i, C, i, i, start, i, types.boolean), generate


@intrinsic(prefer_literal=True)
def product_listed(typingctx, rows, lanes, A, a, B, b, a_places, b_places, first, count, C, c, c_row, start, s):
    """C[c + i*c_row + j] = start[s + i] + sum over x from first to first + count - 1 of A[a + a_places[x] + i] * B[b + b_places[x] + j].

    For i < rows and j < 2 * lanes; rows and lanes are constants.  count > 0.
    """
    height, width = _literal(rows), _literal(lanes)

    def generate(context, builder, signature, args):
        _, _, A_, a_, B_, b_, a_places_, b_places_, first_, count_, C_, c_, c_row_, start_, s_ = args
        e = _Emitter(context, builder, C.dtype, width)
        a_base, b_base, c_base = e.at(e.data(A, A_), a_), e.at(e.data(B, B_), b_), e.at(e.data(C, C_), c_)
        a_table, b_table = (e.at(e.data(a_places, t), first_) for t in (a_places_, b_places_))
        starts = e.at(e.data(start, start_), s_)
        _emit_product(
            builder, e, height,
            [e.at(a_base, e.int(i)) for i in range(height)], lambda k: builder.load(e.at(a_table, k)),
            lambda k: e.at(b_base, builder.load(e.at(b_table, k))), count_,
            [e.at(c_base, builder.mul(e.int(i), c_row_)) for i in range(height)], cgutils.false_bit,
            lambda: [e.broadcast(builder.load(e.at(starts, e.int(i)))) for i in range(height)],
        )  # fmt: skip
        return context.get_dummy_value()

    i = types.intp
    return types.void(rows, lanes, A, i, B, i, a_places, a_places, i, i, C, i, i, start, i), generate


@intrinsic(prefer_literal=True)
def dot_shifted(
    typingctx, rows, columns, lanes, D, d, d_row, source, s, offsets, o, length, run, skip, T, t, t_row, add
):  # fmt: skip
    """Products of rows of D with shifted cells of `source`, summed lane by lane: T[t + i*t_row + j*lanes + l] (+)= the sum of

    D[d + i*d_row + x] * source[s + offsets[o + j] + x + x // run * skip] over all x < length that are l modulo lanes; i < rows, j < columns.
    rows, columns and lanes are constants; length > 0 and run are multiples of lanes.  add: to T instead of replacing it.
    """
    height, width, across = _literal(rows), _literal(lanes), _literal(columns)

    def generate(context, builder, signature, args):
        _, _, _, D_, d_, d_row_, source_, s_, offsets_, o_, length_, run_, skip_, T_, t_, t_row_, add_ = args
        e = _Emitter(context, builder, T.dtype, width)
        d_base, s_base = e.at(e.data(D, D_), d_), e.at(e.data(source, source_), s_)
        table, t_base = e.at(e.data(offsets, offsets_), o_), e.at(e.data(T, T_), t_)
        d_pointers = [e.at(d_base, builder.mul(e.int(i), d_row_)) for i in range(height)]
        s_pointers = [e.at(s_base, builder.load(e.at(table, e.int(j)))) for j in range(across)]
        t_pointers = [e.at(t_base, builder.mul(e.int(i), t_row_)) for i in range(height)]

        function = builder.function
        start, load, loop, done = (function.append_basic_block(n) for n in ("start", "load", "loop", "done"))
        builder.branch(start)
        builder.position_at_end(start)
        builder.cbranch(builder.trunc(add_, ir.IntType(1)), load, loop)
        builder.position_at_end(load)
        loaded = [[e.load(p, j * width) for j in range(across)] for p in t_pointers]
        builder.branch(loop)

        builder.position_at_end(loop)
        x, place, left = (builder.phi(_I64) for _ in range(3))  # in D, in source, cells of the run that are left
        sums = [[builder.phi(e.vector) for _ in range(across)] for _ in range(height)]
        for block, first in ((start, None), (load, loaded)):
            x.add_incoming(e.int(0), block)
            place.add_incoming(e.int(0), block)
            left.add_incoming(run_, block)
            for i in range(height):
                for j in range(across):
                    sums[i][j].add_incoming(e.zero if first is None else first[i][j], block)
        ds = [e.load(e.at(p, x)) for p in d_pointers]
        results = [[None] * across for _ in range(height)]
        for j in range(across):
            cells = e.load(e.at(s_pointers[j], place))
            for i in range(height):
                results[i][j] = e.fma(ds[i], cells, sums[i][j])
        following = builder.add(x, e.int(width))
        rest = builder.sub(left, e.int(width))
        over = builder.icmp_signed("==", rest, e.int(0))
        step = builder.select(over, builder.add(skip_, e.int(width)), e.int(width))
        x.add_incoming(following, loop)
        place.add_incoming(builder.add(place, step), loop)
        left.add_incoming(builder.select(over, run_, rest), loop)
        for i in range(height):
            for j in range(across):
                sums[i][j].add_incoming(results[i][j], loop)
        builder.cbranch(builder.icmp_signed("<", following, length_), loop, done)

        builder.position_at_end(done)
        for i in range(height):
            for j in range(across):
                e.store(results[i][j], t_pointers[i], j * width)
        return context.get_dummy_value()

    i = types.intp
    return types.void(
        rows, columns, lanes, D, i, i, source, i, offsets, i, i, i, i, T, i, i, types.boolean
    ), generate  # fmt: skip


@intrinsic(prefer_literal=True)
def transpose_block(typingctx, lanes, source, s, offsets, o, target, t, t_row):
    """target[t + q*t_row + l] = source[s + offsets[o + l] + q] for l, q < lanes (constant)."""
    width = _literal(lanes)

    def generate(context, builder, signature, args):
        _, source_, s_, offsets_, o_, target_, t_, t_row_ = args
        e = _Emitter(context, builder, target.dtype, width)
        from_ = e.at(e.data(source, source_), s_)
        table = e.at(e.data(offsets, offsets_), o_)
        rows = [e.load(e.at(from_, builder.load(e.at(table, e.int(l))))) for l in range(width)]
        to = e.at(e.data(target, target_), t_)
        for q, column in enumerate(e.transpose(rows)):
            e.store(column, e.at(to, builder.mul(e.int(q), t_row_)))
        return context.get_dummy_value()

    ints = types.intp
    return types.void(lanes, source, ints, offsets, ints, target, ints, ints), generate


@intrinsic(prefer_literal=True)
def interleave_block(typingctx, height, lanes, source, s, s_row, rows, target, t):
    """target[t + q*height + i] = source[s + i*s_row + q] for i < height and q < lanes; both are constants.

    Rows from `rows` on are not read: the last one stands for them.  Up to `lanes` cells behind the block are overwritten.
    """
    count, width = _literal(height), _literal(lanes)

    def generate(context, builder, signature, args):
        _, _, source_, s_, s_row_, rows_, target_, t_ = args
        e = _Emitter(context, builder, target.dtype, width)
        from_ = e.at(e.data(source, source_), s_)
        vectors = []
        for i in range(count):
            within = builder.icmp_signed("<", e.int(i), rows_)
            row = builder.select(within, e.int(i), builder.sub(rows_, e.int(1)))
            vectors.append(e.load(e.at(from_, builder.mul(row, s_row_))))
        vectors += [e.undefined] * (-count % width)
        blocks = [e.transpose(vectors[i : i + width]) for i in range(0, count, width)]
        to = e.at(e.data(target, target_), t_)
        for q in range(width):  # in this order the cells behind a column are overwritten by the next one
            for i, block in enumerate(blocks):
                e.store(block[q], to, q * count + i * width)
        return context.get_dummy_value()

    ints = types.intp
    return types.void(height, lanes, source, ints, ints, ints, target, ints), generate


def _element(itemsize):
    return types.float32 if _literal(itemsize) == 4 else types.float64


@intrinsic(prefer_literal=True)
def winograd_forward(typingctx, n, k, lanes, itemsize, source, offsets, s_row, target, t_point):
    """Transform `lanes` square tiles: point (i, j) of tile l goes to target[(i*n + j)*t_point + l].

    Tile l is the k x k cells source[offsets[l] + y*s_row + x].  source, offsets and target are addresses; n, k, lanes and itemsize
    are constants.  k == n transforms input tiles (B' d B), k < n a filter (or a gradient of the output) of k x k cells
    (G g G').  Rows are read in whole vectors: up to `lanes` cells beyond a tile must be readable.
    """
    points, size, width = _literal(n), _literal(k), _literal(lanes)
    element = _element(itemsize)
    matrix = input_matrix(points) if points == size else kernel_matrix(points, size)

    def generate(context, builder, signature, args):
        *_, source_, offsets_, s_row_, target_, t_point_ = args
        e = _Emitter(context, builder, element, width)
        from_, to = (builder.inttoptr(p, e.scalar.as_pointer()) for p in (source_, target_))
        table = builder.inttoptr(offsets_, _I64.as_pointer())
        tiles = [e.at(from_, builder.load(e.at(table, e.int(l)))) for l in range(width)]
        half = cgutils.alloca_once(builder, ir.ArrayType(e.vector, size * points))
        for y in range(size):
            cells = []
            row = builder.mul(e.int(y), s_row_)
            for block in range(0, size, width):
                cells += e.transpose([e.load(e.at(tile, row), block) for tile in tiles])
            for j, value in enumerate(e.multiply(matrix, cells[:size])):
                builder.store(value, builder.gep(half, [e.int(0), e.int(y * points + j)]))
        for j in range(points):
            column = [builder.load(builder.gep(half, [e.int(0), e.int(y * points + j)])) for y in range(size)]
            for i, value in enumerate(e.multiply(matrix, column)):
                e.store(value, e.at(to, builder.mul(e.int(i * points + j), t_point_)))
        return context.get_dummy_value()

    return types.void(n, k, lanes, itemsize, *[types.intp] * 5), generate


@intrinsic(prefer_literal=True)
def winograd_inverse(typingctx, n, m, lanes, itemsize, source, s_point, target, offsets, t_row, check):
    """Transform products back: A' M A, m x m cells of each of `lanes` tiles.

    Point (i, j) of tile l is source[(i*n + j)*s_point + l]; cell (y, x) of tile l goes to target[offsets[l] + y*t_row + x].  source,
    target, offsets and check are addresses; n, m, lanes and itemsize are constants.  Rows are written in whole vectors, tile
    by tile: what lies up to `lanes` cells beyond a row is overwritten, so tiles that lie side by side must be given from left
    to right.  check[l] becomes NaN if a result of tile l is not finite, and is otherwise unchanged.
    """
    points, size, width = _literal(n), _literal(m), _literal(lanes)
    element = _element(itemsize)
    matrix = output_matrix(points, size)

    def generate(context, builder, signature, args):
        *_, source_, s_point_, target_, offsets_, t_row_, check_ = args
        e = _Emitter(context, builder, element, width)
        from_, to, check_pointer = (builder.inttoptr(p, e.scalar.as_pointer()) for p in (source_, target_, check_))
        half = cgutils.alloca_once(builder, ir.ArrayType(e.vector, size * points))
        for j in range(points):
            column = [e.load(e.at(from_, builder.mul(e.int(i * points + j), s_point_))) for i in range(points)]
            for y, value in enumerate(e.multiply(matrix, column)):
                builder.store(value, builder.gep(half, [e.int(0), e.int(y * points + j)]))
        table = builder.inttoptr(offsets_, _I64.as_pointer())
        tiles = [e.at(to, builder.load(e.at(table, e.int(l)))) for l in range(width)]
        finite = e.load(check_pointer)
        for y in range(size):
            row = [builder.load(builder.gep(half, [e.int(0), e.int(y * points + j)])) for j in range(points)]
            cells = e.multiply(matrix, row)
            for cell in cells:
                finite = e.fma(cell, e.zero, finite)
            cells += [e.undefined] * (-size % width)
            blocks = [e.transpose(cells[x : x + width]) for x in range(0, size, width)]
            offset = builder.mul(e.int(y), t_row_)
            for l in range(width):
                for x, block in enumerate(blocks):
                    e.store(block[l], e.at(tiles[l], offset), x * width)
        e.store(finite, check_pointer)
        return context.get_dummy_value()

    return types.void(n, m, lanes, itemsize, *[types.intp] * 6), generate


@intrinsic
def call(typingctx, code, numbers):
    """Call a kernel that takes integers only and returns nothing, by the address of its code (`jit.code_address`)."""

    def generate(context, builder, signature, args):
        values = cgutils.unpack_tuple(builder, args[1], len(numbers))
        values = [context.cast(builder, v, t, types.intp) for v, t in zip(values, numbers, strict=True)]
        # Numba's convention: places for the result (a null pointer) and for an exception come first.
        pointer = ir.IntType(8).as_pointer()
        places = [cgutils.alloca_once(builder, pointer) for _ in range(2)]
        declared = ir.FunctionType(_I32, [pointer.as_pointer()] * 2 + [_I64] * len(values))
        builder.call(builder.inttoptr(args[0], declared.as_pointer()), places + values)
        return context.get_dummy_value()

    return types.void(types.intp, numbers), generate


# ---- elementwise operations on cells at addresses


def _operation(e, name, x, y):
    """The value of one operation of `operations.OPERATIONS`; y is of no use to those with one operand."""
    b = e.builder
    one, zero = e.constant(1), e.zero

    def truth(condition):
        return b.select(condition, one, zero)

    def function(name):
        kind = "f32" if e.size == 4 else "f64"
        declared = ir.FunctionType(e.vector, [e.vector])
        return b.call(cgutils.get_or_insert_function(b.module, declared, f"llvm.{name}.v{e.lanes}{kind}"), [x])

    if name in ("max", "min"):  # a NaN on either side is the result
        first = b.fcmp_ordered(">=" if name == "max" else "<=", x, y)
        return b.select(b.or_(first, b.fcmp_unordered("uno", x, x)), x, y)
    if name in (">", ">=", "<", "<=", "=="):
        return truth(b.fcmp_ordered(name, x, y))
    if name == "!=":
        return truth(b.fcmp_unordered("!=", x, y))
    if name in ("&", "|"):
        join = b.and_ if name == "&" else b.or_
        return truth(join(b.fcmp_unordered("!=", x, zero), b.fcmp_unordered("!=", y, zero)))
    if name == "!":
        return truth(b.fcmp_ordered("==", x, zero))
    if name == "replace NaN":
        return b.select(b.fcmp_unordered("uno", x, x), y, x)
    if name == "unary -":
        return b.fsub(zero, x)  # a zero stays positive
    if name == "sign":
        sign = b.select(b.fcmp_ordered(">", x, zero), one, b.select(b.fcmp_ordered("<", x, zero), e.constant(-1), zero))
        return b.select(b.fcmp_unordered("uno", x, x), x, sign)
    if name == "is.nan":
        return truth(b.fcmp_unordered("uno", x, x))
    if name == "round":  # halves upward
        whole = function("floor")
        return b.fadd(whole, truth(b.fcmp_ordered(">=", b.fsub(x, whole), e.constant(0.5))))
    if name in ("abs", "sqrt", "floor", "ceil"):
        return function("fabs" if name == "abs" else name)
    return {"+": b.fadd, "-": b.fsub, "*": b.fmul, "/": b.fdiv}[name](x, y)


@intrinsic(prefer_literal=True)
def operate(typingctx, lanes, like, code, x, x_step, y, y_step, target, length):
    """Cell i of the target is (cell i*x_step of x) op (cell i*y_step of y), for i < length.

    x, y, target: addresses; the target may be x or y itself.  Steps are 1, or 0 for a value that repeats, of which a whole
    vector must be there.  code: place in `operations.OPERATIONS`.  like: an array of the cells' type.  lanes is a constant.
    """
    width = _literal(lanes)

    def generate(context, builder, signature, args):
        _, _, code_, x_, x_step_, y_, y_step_, target_, length_ = args
        e = _Emitter(context, builder, like.dtype, width)
        pointers = [builder.inttoptr(p, e.scalar.as_pointer()) for p in (x_, y_, target_)]
        rest = builder.srem(length_, e.int(width))
        whole = builder.sub(length_, rest)
        # What is left of the last vector is put into vectors of its own and goes round again: so the code of each operation is
        # there once.  One vector that overlaps the one before would not do, as the target may be an operand.
        spare = []
        for _ in range(3):
            spare.append(builder.bitcast(cgutils.alloca_once(builder, e.vector), e.scalar.as_pointer()))
        start = builder.block
        turn, fill, empty, end = (builder.function.append_basic_block(n) for n in ("turn", "fill", "empty", "end"))
        builder.branch(turn)

        builder.position_at_end(turn)
        places = [builder.phi(p.type) for p in pointers]
        stop, is_rest = builder.phi(_I64), builder.phi(ir.IntType(1))
        for phi, first, second in zip(
            [*places, stop, is_rest],
            [*pointers, whole, ir.Constant(ir.IntType(1), 0)],
            [*spare, e.int(width), ir.Constant(ir.IntType(1), 1)],
            strict=True,
        ):
            phi.add_incoming(first, start)
            phi.add_incoming(second, fill)
        done = builder.append_basic_block("done")
        switch = builder.switch(code_, done)
        for number, name in enumerate(OPERATIONS):
            switch.add_case(ir.Constant(code_.type, number), block := builder.append_basic_block(f"operation{number}"))
            builder.position_at_end(block)
            with cgutils.for_range_slice(builder, e.int(0), stop, e.int(width)) as (place, _):
                x = e.load(e.at(places[0], builder.mul(place, x_step_)))
                y = e.load(e.at(places[1], builder.mul(place, y_step_)))
                e.store(_operation(e, name, x, y), e.at(places[2], place))
            builder.branch(done)
        builder.position_at_end(done)
        nothing_left = builder.icmp_signed("==", rest, e.int(0))
        builder.cbranch(builder.or_(is_rest, nothing_left), empty, fill)

        builder.position_at_end(fill)
        for pointer, step, room in zip(pointers, (x_step_, y_step_), spare[:2], strict=False):
            e.store(e.zero, room)
            with cgutils.for_range(builder, rest) as loop:
                cell = e.at(pointer, builder.mul(builder.add(whole, loop.index), step))
                builder.store(builder.load(cell), e.at(room, loop.index))
        fill_end = builder.block
        builder.branch(turn)
        for phi in [*places, stop, is_rest]:
            phi.incomings[1] = (phi.incomings[1][0], fill_end)

        builder.position_at_end(empty)
        with cgutils.for_range(builder, rest) as loop:
            builder.store(builder.load(e.at(spare[2], loop.index)), e.at(pointers[2], builder.add(whole, loop.index)))
        builder.branch(end)
        builder.position_at_end(end)
        return context.get_dummy_value()

    i = types.intp
    return types.void(lanes, like, i, i, i, i, i, i, i), generate


@intrinsic
def address(typingctx, array):
    """Where the first cell of an array is."""

    def generate(context, builder, signature, args):
        data = context.make_array(array)(context, builder, args[0]).data
        return builder.ptrtoint(data, _I64)

    return types.intp(array), generate


@intrinsic
def load_cell(typingctx, like, place):
    """The cell at an address, of the type of the cells of `like`."""

    def generate(context, builder, signature, args):
        scalar, _ = _LLVM_TYPES[like.dtype]
        return builder.load(builder.inttoptr(args[1], scalar.as_pointer()))

    return like.dtype(like, types.intp), generate
