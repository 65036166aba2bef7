# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Counting of lidar rays through map cells; called from occupancy.py only."""

from libc.math cimport fabs, floor, sqrt


def count_rays(
    const double[:, ::1] ends,
    double sensor_x,
    double sensor_y,
    double origin_x,
    double origin_y,
    double resolution,
    double limit,
    double tail,
    unsigned short[:, ::1] passed,
):
    """
    Count, for each cell, the rays that pass through it.

    `ends` (n, 2) are the hits; a ray is followed to `tail` before its hit and not beyond `limit`.
    Amanatides and Woo (1987).
    """
    cdef Py_ssize_t rows = passed.shape[0], columns = passed.shape[1], i, q, r, step_q, step_r
    cdef double dx, dy, length, t, next_x, next_y, delta_x, delta_y, u0, v0
    u0 = (sensor_x - origin_x) / resolution
    v0 = (sensor_y - origin_y) / resolution
    with nogil:
        for i in range(ends.shape[0]):
            dx = (ends[i, 0] - sensor_x) / resolution
            dy = (ends[i, 1] - sensor_y) / resolution
            length = sqrt(dx * dx + dy * dy)
            if length < 1e-9:
                continue
            dx /= length
            dy /= length
            length -= tail / resolution
            if length > limit / resolution:
                length = limit / resolution
            q = <Py_ssize_t> floor(u0)
            r = <Py_ssize_t> floor(v0)
            step_q = 1 if dx > 0.0 else -1
            step_r = 1 if dy > 0.0 else -1
            delta_x = 1.0 / fabs(dx) if dx != 0.0 else 1e30
            delta_y = 1.0 / fabs(dy) if dy != 0.0 else 1e30
            next_x = ((q + 1 - u0) if dx > 0.0 else (u0 - q)) * delta_x
            next_y = ((r + 1 - v0) if dy > 0.0 else (v0 - r)) * delta_y
            t = 0.0
            while t < length:
                if q < 0 or r < 0 or q >= columns or r >= rows:
                    break
                if passed[r, q] < 65535:
                    passed[r, q] += 1
                if next_x < next_y:
                    t = next_x
                    next_x += delta_x
                    q += step_q
                else:
                    t = next_y
                    next_y += delta_y
                    r += step_r
