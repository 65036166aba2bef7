# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""
Kernels of the clearance field; `grid.py` is their only caller and checks all input.

Squared distances to the nearest cell of the other kind, in both kinds at once: down the columns
first, then along each run of like cells of a row by the lower envelope of parabolas (Felzenszwalb
and Huttenlocher 2012). A run ends at cells of the other kind, beyond which nothing is nearer.
"""

import numpy as np

cdef double NOWHERE = 1e18


cdef void _down_columns(const unsigned char[:, ::1] taken, int far, int[:, ::1] steps) noexcept nogil:
    """Cells up or down to the nearest of the other kind, at most `far`."""
    cdef int i, j, rows = taken.shape[0], columns = taken.shape[1], back
    for j in range(columns):
        steps[0, j] = far
    for i in range(1, rows):
        for j in range(columns):
            back = steps[i - 1, j] + 1
            back = back if back < far else far
            steps[i, j] = back if taken[i, j] == taken[i - 1, j] else 1
    for i in range(rows - 2, -1, -1):
        for j in range(columns):
            back = steps[i + 1, j] + 1
            back = back if taken[i, j] == taken[i + 1, j] else 1
            steps[i, j] = back if back < steps[i, j] else steps[i, j]


cdef struct Envelope:
    # Parabolas height - place^2 + (x - place)^2, each the lowest from `begin` on.
    int count
    int* place
    int* height
    double* begin


cdef inline void _add(Envelope* envelope, const double* half, int place, int square) noexcept nogil:
    """Add a parabola to the right of the others; `half[d]` is 1 / (2 d)."""
    cdef int k = envelope.count - 1, height = square + place * place
    cdef double begin = -NOWHERE
    while k >= 0:
        begin = (height - envelope.height[k]) * half[place - envelope.place[k]]
        if begin > envelope.begin[k]:
            break
        begin = -NOWHERE
        k -= 1
    k += 1
    envelope.place[k], envelope.height[k], envelope.begin[k] = place, height, begin
    envelope.count = k + 1


cdef void _along_run(
    const int* steps, int first, int last, int columns, int far, Envelope* envelope,
    const double* half, const float* table, float sign, float* out,
) noexcept nogil:
    """Distances of the like cells first to last of a row."""
    cdef int j, k = 0, square
    envelope.count = 0
    if first > 0:
        _add(envelope, half, first - 1, 0)
    for j in range(first, last + 1):
        if steps[j] < far:
            _add(envelope, half, j, steps[j] * steps[j])
    if last < columns - 1:
        _add(envelope, half, last + 1, 0)
    if envelope.count == 0:
        for j in range(first, last + 1):
            out[j] = sign * table[far * far]
        return
    for j in range(first, last + 1):
        while k + 1 < envelope.count and envelope.begin[k + 1] < j:
            k += 1
        square = envelope.height[k] + j * (j - 2 * envelope.place[k])
        out[j] = sign * table[square if square < far * far else far * far]


def signed_distance(const unsigned char[:, ::1] taken, const float[::1] table, int far, float[:, ::1] out):
    """
    Fill `out` with the entry of `table` at the squared distance to the other kind, in cells.

    It is negative in taken cells (1, others are 0). `table` has far^2 + 1 entries; distances of
    `far` cells and more get the last.
    """
    cdef int rows = taken.shape[0], columns = taken.shape[1], i, first, last
    cdef int[:, ::1] steps = np.empty((rows, columns), np.int32)
    cdef int[:, ::1] places = np.empty((2, columns + 2), np.int32)
    cdef double[::1] begins = np.empty(columns + 2)
    cdef double[::1] half = 0.5 / np.maximum(np.arange(columns + 2), 1)
    cdef Envelope envelope
    envelope.place, envelope.height, envelope.begin = &places[0, 0], &places[1, 0], &begins[0]
    with nogil:
        _down_columns(taken, far, steps)
        for i in range(rows):
            first = 0
            while first < columns:
                last = first
                while last + 1 < columns and taken[i, last + 1] == taken[i, first]:
                    last += 1
                _along_run(
                    &steps[i, 0], first, last, columns, far, &envelope, &half[0], &table[0],
                    -1.0 if taken[i, first] else 1.0, &out[i, 0],
                )
                first = last + 1


def sample(
    const float[:, :] distance, double x0, double y0, double resolution,
    const double[:, ::1] points, double outside, double[::1] out,
):
    """Bilinear `distance`, whose cell (0, 0) has its corner at x0, y0, at points (K, 2)."""
    cdef Py_ssize_t rows = distance.shape[0], columns = distance.shape[1], i, j, k
    cdef double u, v, low, high
    with nogil:
        for k in range(points.shape[0]):
            u = (points[k, 0] - x0) / resolution - 0.5
            v = (points[k, 1] - y0) / resolution - 0.5
            if not (u >= 0.0 and v >= 0.0 and u < columns - 1 and v < rows - 1):
                out[k] = outside
                continue
            j = <Py_ssize_t>u
            i = <Py_ssize_t>v
            u -= j
            v -= i
            low = (1.0 - u) * distance[i, j] + u * distance[i, j + 1]
            high = (1.0 - u) * distance[i + 1, j] + u * distance[i + 1, j + 1]
            out[k] = (1.0 - v) * low + v * high
