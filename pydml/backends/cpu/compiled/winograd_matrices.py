"""The matrices of Winograd's minimal filtering for tiles of n points, exact.

    y = A' [(G g) o (B' d)]          one dimension: m outputs from n = m + r - 1 inputs and r filter taps

Reference: Lavin & Gray, Fast Algorithms for Convolutional Neural Networks, 2016, equations 7 and 8; the matrices come from
interpolation of polynomials at n - 1 finite points and infinity (Toom and Cook).  B depends on n alone; the same n serves
several (m, r), and the gradient of the filter, where the gradient of the output is the filter: F(r, m).

The points come in pairs a, -a, so that the two rows of a pair share their sums.  Measured in float32 with 256 channels, the
largest error relative to the largest result is 4e-6 for n = 6, 1e-5 for n = 7 and 1.5e-5 for n = 8; other points (0 and an
unpaired one for n = 7, thirds and fifths) were no better.  Nine points are out: 3e-4.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache

Matrix = list[list[Fraction]]

_POINTS = {
    4: (0, 1, -1),
    6: (0, 1, -1, 2, -2),
    7: (1, -1, 2, -2, Fraction(1, 2), Fraction(-1, 2)),
    8: (0, 1, -1, 2, -2, Fraction(1, 2), Fraction(-1, 2)),
}


def _points(n: int) -> list[Fraction]:
    return [Fraction(p) for p in _POINTS[n]]


@cache
def _scales(n: int) -> tuple[Fraction, ...]:
    """Powers of two that bring the largest entry of each row of B' near 1; G is multiplied by them."""
    scales = []
    for row in _unscaled_input(n):
        largest = max(abs(x) for x in row)
        scale = Fraction(1)
        while largest / scale >= Fraction(3, 2):
            scale *= 2
        while largest / scale < Fraction(3, 4):
            scale /= 2
        scales.append(scale)
    return tuple(scales)


def _unscaled_input(n: int) -> Matrix:
    points = _points(n)
    rows = []
    for skipped in [*range(n - 1), None]:
        polynomial = [Fraction(1)]  # lowest power first
        for i, p in enumerate(points):
            if i != skipped:
                polynomial = [
                    (polynomial[k - 1] if k else 0) - p * (polynomial[k] if k < len(polynomial) else 0)
                    for k in range(len(polynomial) + 1)
                ]
        rows.append(polynomial + [Fraction(0)] * (n - len(polynomial)))
    return rows


@cache
def input_matrix(n: int) -> Matrix:
    """B', n x n: row i is the product of (x - p) over the other finite points p; the last row, over all of them."""
    return [[x / scale for x in row] for row, scale in zip(_unscaled_input(n), _scales(n), strict=True)]


@cache
def kernel_matrix(n: int, r: int) -> Matrix:
    """G, n x r: powers of the points, divided by the product of the differences to the other points."""
    points = _points(n)
    rows = []
    for i, p in enumerate(points):
        divisor = Fraction(1)
        for j, q in enumerate(points):
            if j != i:
                divisor *= p - q
        rows.append([p**k / divisor for k in range(r)])
    rows.append([Fraction(int(k == r - 1)) for k in range(r)])
    return [[x * scale for x in row] for row, scale in zip(rows, _scales(n), strict=True)]


@cache
def output_matrix(n: int, m: int) -> Matrix:
    """A', m x n: powers of the points; infinity counts for the highest power."""
    points = _points(n)
    return [[p**k for p in points] + [Fraction(int(k == m - 1))] for k in range(m)]
