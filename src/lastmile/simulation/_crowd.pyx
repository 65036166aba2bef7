# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Distances to an outline, and how people keep apart; called from people.py only."""

from libc.math cimport INFINITY, exp, sqrt


def nearest(
    const double[:, ::1] outline,
    const double[:, ::1] points,
    double[:, ::1] feet,
    double[::1] distances,
    unsigned char[::1] inside,
):
    """Find the nearest points on a convex counter-clockwise outline; all as in people.py."""
    cdef Py_ssize_t corners = outline.shape[0], i, k, following
    cdef double ax, ay, dx, dy, px, py, t, x, y, square, best
    with nogil:
        for i in range(points.shape[0]):
            best = INFINITY
            inside[i] = True
            for k in range(corners):
                following = k + 1 if k + 1 < corners else 0
                ax, ay = outline[k, 0], outline[k, 1]
                dx, dy = outline[following, 0] - ax, outline[following, 1] - ay
                px, py = points[i, 0] - ax, points[i, 1] - ay
                if dx * py - dy * px < 0.0:
                    inside[i] = False
                t = min(max((px * dx + py * dy) / (dx * dx + dy * dy), 0.0), 1.0)
                x, y = px - t * dx, py - t * dy
                square = x * x + y * y
                if square < best:
                    best = square
                    feet[i, 0], feet[i, 1] = ax + t * dx, ay + t * dy
            distances[i] = sqrt(best)


def part(
    const double[:, ::1] positions,
    const double[:, ::1] velocities,
    double strength,
    double range_m,
    double touch_m,
    double behind,
    double aside,
    double[:, ::1] force,
):
    """
    Push people apart, who are at `positions` (N, 2); `force` (N, 2) is written.

    At `touch_m` the push is `strength`; from who is not ahead it is `behind` of that, and from who
    is ahead `aside` of it goes to the right.
    """
    cdef Py_ssize_t count = positions.shape[0], i, j
    cdef double x, y, distance, push, fx, fy
    with nogil:
        for i in range(count):
            fx = fy = 0.0
            for j in range(count):
                if j == i:
                    continue
                x, y = positions[i, 0] - positions[j, 0], positions[i, 1] - positions[j, 1]
                distance = sqrt(x * x + y * y) + 1e-6
                push = strength * exp((touch_m - distance) / range_m) / distance
                if x * velocities[i, 0] + y * velocities[i, 1] < 0.0:
                    fx += push * (x - aside * y)
                    fy += push * (y + aside * x)
                else:
                    fx += behind * push * x
                    fy += behind * push * y
            force[i, 0], force[i, 1] = fx, fy
