# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Kernel of the local search; `guide.py` is its only caller and checks all input."""

from libc.math cimport fmin, sqrt

import numpy as np


cdef void _push(double[::1] keys, int[::1] items, int* size, double key, int item) noexcept nogil:
    cdef int i = size[0], parent
    size[0] += 1
    while i > 0:
        parent = (i - 1) // 2
        if keys[parent] <= key:
            break
        keys[i], items[i] = keys[parent], items[parent]
        i = parent
    keys[i], items[i] = key, item


cdef int _pop(double[::1] keys, int[::1] items, int* size, double* key) noexcept nogil:
    cdef int top = items[0], i = 0, child, last
    cdef double k
    key[0] = keys[0]
    size[0] -= 1
    last, k = items[size[0]], keys[size[0]]
    while 2 * i + 1 < size[0]:
        child = 2 * i + 1
        if child + 1 < size[0] and keys[child + 1] < keys[child]:
            child += 1
        if keys[child] >= k:
            break
        keys[i], items[i] = keys[child], items[child]
        i = child
    keys[i], items[i] = k, last
    return top


def cheapest_ways(const float[:, ::1] cell_cost, int start, double[::1] cost, int[::1] parent):
    """
    Dijkstra's algorithm on an 8-connected grid.

    `cell_cost` is the cost per cell length, negative where no way leads; `cost` gets the cost of
    reaching each cell (inf where unreached) and `parent` the cell before it (-1 for none).
    """
    cdef int rows = cell_cost.shape[0], columns = cell_cost.shape[1]
    cdef int n = rows * columns, size = 0, cell, other, i, j, di, dj
    cdef double key, step, c
    cdef double diagonal = sqrt(2.0)
    # A cell is pushed at most once per neighbour.
    cdef double[::1] keys = np.empty(8 * n + 1)
    cdef int[::1] items = np.empty(8 * n + 1, np.int32)
    cost[:] = np.inf
    parent[:] = -1
    with nogil:
        cost[start] = 0.0
        _push(keys, items, &size, 0.0, start)
        while size > 0:
            cell = _pop(keys, items, &size, &key)
            if key > cost[cell]:
                continue
            i, j = cell // columns, cell % columns
            for di in range(-1, 2):
                if i + di < 0 or i + di >= rows:
                    continue
                for dj in range(-1, 2):
                    if (di == 0 and dj == 0) or j + dj < 0 or j + dj >= columns:
                        continue
                    c = cell_cost[i + di, j + dj]
                    if c < 0.0:
                        continue
                    step = (diagonal if di != 0 and dj != 0 else 1.0)
                    step *= 0.5 * (c + (cell_cost[i, j] if cell_cost[i, j] > 0.0 else c))
                    other = cell + di * columns + dj
                    if key + step < cost[other]:
                        cost[other] = key + step
                        parent[other] = cell
                        _push(keys, items, &size, key + step, other)


cdef double _clearance(const float[:, ::1] field, double fx, double fy) noexcept nogil:
    """Bilinear value at cell coordinates; no clearance outside."""
    cdef int i, j
    cdef double a, b
    if fx < 0.0 or fy < 0.0 or fx >= field.shape[1] - 1 or fy >= field.shape[0] - 1:
        return 0.0
    j, i = <int>fx, <int>fy
    a, b = fx - j, fy - i
    return ((1 - b) * ((1 - a) * field[i, j] + a * field[i, j + 1])
            + b * ((1 - a) * field[i + 1, j] + a * field[i + 1, j + 1]))


def relax(const float[:, ::1] field, double[:, ::1] cells, double enough, double give, int sweeps):
    """
    Pull a chain straight, in cell coordinates (x, y); both ends stay.

    A point moves to the middle of its neighbours if its clearance there is `enough`, or at most
    `give` less than it was.
    """
    cdef int sweep, k, n = cells.shape[0]
    cdef double x, y, c
    cdef double[::1] clearance = np.empty(n)
    with nogil:
        for k in range(n):
            clearance[k] = _clearance(field, cells[k, 0], cells[k, 1])
        for sweep in range(sweeps):
            k = 1 + sweep % 2
            while k < n - 1:
                x = 0.5 * (cells[k - 1, 0] + cells[k + 1, 0])
                y = 0.5 * (cells[k - 1, 1] + cells[k + 1, 1])
                c = _clearance(field, x, y)
                if c >= fmin(enough, clearance[k] - give):
                    cells[k, 0], cells[k, 1], clearance[k] = x, y, c
                k += 2
