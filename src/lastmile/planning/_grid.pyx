# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Kernels of the local searches; `guide.py` and `maneuver.py` call them and check all input."""

from libc.math cimport M_PI, cos, fabs, fmax, fmin, hypot, round, sin, sqrt

import numpy as np

# More than sums that are equal may differ by rounding.
cdef double SLACK = 1e-6


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


def cheapest_ways(
    const float[:, ::1] cell_cost, int start, const double[::1] left, double[::1] cost,
    int[::1] parent,
):
    """
    Dijkstra's algorithm on an 8-connected grid.

    `cell_cost` is the cost per cell length, negative where no way leads, and `left` what is still
    to pay from each cell; `cost` gets the cost of reaching each cell (inf where unreached) and
    `parent` the cell before it (-1 for none). It ends when no other cell can have a least sum of
    `cost` and `left`: costs of the rest are then none or too high.
    """
    cdef int rows = cell_cost.shape[0], columns = cell_cost.shape[1]
    cdef int n = rows * columns, size = 0, cell, other, i, j, di, dj
    cdef double key, step, c, least_left = np.min(left), best = np.inf
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
            best = fmin(best, key + left[cell])
            if key + least_left > best + SLACK:
                break
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


cdef double _room(
    const float[:, ::1] clearance, const float[:, ::1] known, double ox, double oy, double cell_m,
    const double[:, ::1] outline, const double[:, ::1] discs, const double[::1] middles,
    double unknown_least, double x, double y, double yaw,
) noexcept nogil:
    """Clearance of an outline [m]; -1 over unseen ground or too near to a disc."""
    cdef double c = cos(yaw), s = sin(yaw), fx, fy, room = 1e3
    cdef int k, i
    for k in range(outline.shape[0]):
        fx = (x + c * outline[k, 0] - s * outline[k, 1] - ox) / cell_m - 0.5
        fy = (y + s * outline[k, 0] + c * outline[k, 1] - oy) / cell_m - 0.5
        if _clearance(known, fx, fy) < unknown_least:
            return -1.0
        room = fmin(room, _clearance(clearance, fx, fy))
    for k in range(discs.shape[0]):
        for i in range(middles.shape[0]):
            if hypot(x + c * middles[i] - discs[k, 0], y + s * middles[i] - discs[k, 1]) < discs[k, 2]:
                return -1.0
    return room


def shortest_maneuver(
    const float[:, ::1] clearance, const float[:, ::1] known, double ox, double oy, double cell_m,
    const double[:, ::1] outline, const double[:, ::1] discs, const double[::1] middles,
    double least, double unknown_least, double wanted,
    const double[:, ::1] moves, const double[::1] start, const double[::1] target,
    double near_m, double near_rad, double reach_m, double bin_m, int yaw_bins, double change_cost,
    int expansions_max,
):
    """
    Hybrid A* over short moves of the robot's outline.

    `moves` (M, 4) are way [m], turn [rad], cost and sense of each. Gives the indices of the moves in
    order, None where no way was found within the expansions. Less room than `wanted` costs; less
    than `least` is no way.
    """
    cdef int count = moves.shape[0], most = expansions_max * count + 2
    cdef int side = <int>(2.0 * reach_m / bin_m) + 1, size = 0, used = 1, expanded = 0
    cdef int node, m, i, j, a, where, half, reached = -1
    cdef double key, x, y, yaw, g, error, room, tight
    cdef double[:, ::1] states = np.empty((most, 4))
    cdef int[::1] before = np.full(most, -1, np.int32), made = np.full(most, -1, np.int32)
    cdef double[::1] best = np.full(side * side * yaw_bins, np.inf)
    cdef double[::1] keys = np.empty(most)
    cdef int[::1] items = np.empty(most, np.int32)
    states[0, 0], states[0, 1], states[0, 2], states[0, 3] = start[0], start[1], start[2], 0.0
    with nogil:
        _push(keys, items, &size, 0.0, 0)
        while size > 0 and expanded < expansions_max:
            node = _pop(keys, items, &size, &key)
            expanded += 1
            error = states[node, 2] - target[2]
            error -= 2.0 * M_PI * round(error / (2.0 * M_PI))
            if fabs(error) < near_rad and hypot(
                states[node, 0] - target[0], states[node, 1] - target[1]
            ) < near_m:
                reached = node
                break
            for m in range(count):
                tight = 1e3
                for half in range(2):
                    yaw = states[node, 2] + (0.25 + 0.25 * half) * moves[m, 1]
                    x = states[node, 0] + (0.5 + 0.5 * half) * moves[m, 0] * cos(yaw)
                    y = states[node, 1] + (0.5 + 0.5 * half) * moves[m, 0] * sin(yaw)
                    yaw = states[node, 2] + (0.5 + 0.5 * half) * moves[m, 1]
                    room = _room(
                        clearance, known, ox, oy, cell_m, outline, discs, middles, unknown_least,
                        x, y, yaw,
                    )
                    tight = fmin(tight, room)
                    if tight < least:
                        break
                if tight < least:
                    continue
                i = <int>((y - start[1] + reach_m) / bin_m)
                j = <int>((x - start[0] + reach_m) / bin_m)
                if i < 0 or j < 0 or i >= side or j >= side:
                    continue
                a = <int>round((yaw - start[2]) / (2.0 * M_PI) * yaw_bins) % yaw_bins
                if a < 0:
                    a += yaw_bins
                where = (i * side + j) * yaw_bins + a
                g = states[node, 3] + moves[m, 2] + fmax(wanted - tight, 0.0)
                if made[node] >= 0 and moves[made[node], 3] != moves[m, 3]:
                    g += change_cost
                if g >= best[where] - 1e-6 or used >= most:
                    continue
                best[where] = g
                states[used, 0], states[used, 1] = x, y
                states[used, 2], states[used, 3] = yaw, g
                before[used], made[used] = node, m
                _push(keys, items, &size, g + hypot(x - target[0], y - target[1]), used)
                used += 1
    if reached < 0:
        return None
    chain = []
    while before[reached] >= 0:
        chain.append(made[reached])
        reached = before[reached]
    return chain[::-1]
