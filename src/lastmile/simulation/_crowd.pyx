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


def foresee(
    const double[:, ::1] positions,
    const double[:, ::1] velocities,
    double strength,
    double horizon_s,
    double keep_m,
    double[:, ::1] force,
):
    """
    Turn people aside who would meet others soon; `force` (N, 2) is added to.

    Who walks straight on past another at less than `keep_m` within `horizon_s` is pushed to the
    side on which the other is not, to the right where that is hard to tell: the more so, the
    nearer and the sooner.
    """
    cdef Py_ssize_t count = positions.shape[0], i, j
    cdef double x, y, u, v, speed, square, soon_s, miss_x, miss_y, miss, left, push
    with nogil:
        for i in range(count):
            speed = sqrt(velocities[i, 0] ** 2 + velocities[i, 1] ** 2)
            if speed < 0.2:
                continue
            for j in range(count):
                if j == i:
                    continue
                x, y = positions[j, 0] - positions[i, 0], positions[j, 1] - positions[i, 1]
                u, v = velocities[j, 0] - velocities[i, 0], velocities[j, 1] - velocities[i, 1]
                square = u * u + v * v
                if x * u + y * v >= 0.0 or square < 1e-6:
                    continue
                soon_s = -(x * u + y * v) / square
                miss_x, miss_y = x + soon_s * u, y + soon_s * v
                miss = sqrt(miss_x * miss_x + miss_y * miss_y)
                if soon_s >= horizon_s or miss >= keep_m:
                    continue
                push = strength * (1.0 - miss / keep_m) * (1.0 - soon_s / horizon_s)
                left = (velocities[i, 0] * miss_y - velocities[i, 1] * miss_x) / speed
                if left < -0.1:
                    push = -push
                force[i, 0] += push * velocities[i, 1] / speed
                force[i, 1] -= push * velocities[i, 0] / speed
