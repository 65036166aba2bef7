# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Aim the rays of a lidar turn and make points of ranges; called from range_sensors.py."""

from libc.math cimport INFINITY, NAN


def aim(
    const float[:, :, ::1] directions,
    const float[:, :, ::1] rotations,
    float[:, :, ::1] aimed,
):
    """Turn `directions` (rings, columns, 3) by the rotation (columns, 3, 3) of their column."""
    cdef Py_ssize_t ring, column, i
    cdef float x, y, z
    with nogil:
        for ring in range(directions.shape[0]):
            for column in range(directions.shape[1]):
                x = directions[ring, column, 0]
                y = directions[ring, column, 1]
                z = directions[ring, column, 2]
                for i in range(3):
                    aimed[ring, column, i] = (
                        rotations[column, i, 0] * x
                        + rotations[column, i, 1] * y
                        + rotations[column, i, 2] * z
                    )


def measure(
    const float[:, ::1] ranges,
    const float[:, ::1] noise,
    const float[:, ::1] chance,
    const float[:, ::1] ghosts,
    const float[:, :, ::1] directions,
    float nearest,
    float farthest,
    float sigma,
    float sigma_ratio,
    float dropout,
    float[:, :, ::1] points,
    float[:, ::1] intensity,
):
    """
    Make points and intensities of the true ranges (rings, columns) of a turn.

    `noise` is normal, `chance` uniform in (0, 1); `ghosts` are ranges of false returns, inf where
    there is none, or None. A lost or too near return is NaN, one from nowhere inf.
    """
    cdef Py_ssize_t ring, column, i
    cdef float reach, share, measured, echo, mark
    cdef float far_loss = 0.05, full = 200.0, fade = 0.05, flicker = 10.0, top = 255.0
    cdef bint missed, haunted = ghosts is not None
    with nogil:
        for ring in range(ranges.shape[0]):
            for column in range(ranges.shape[1]):
                reach = ranges[ring, column]
                missed = reach >= farthest
                measured = reach + noise[ring, column] * (sigma + sigma_ratio * reach)
                if haunted and ghosts[ring, column] < INFINITY:
                    missed = False
                    if ghosts[ring, column] < reach:
                        measured = ghosts[ring, column]
                # A lost return is more likely far away: the echo falls with the square of the range.
                share = reach / farthest
                mark = 0.0
                if chance[ring, column] < dropout + far_loss * (share * share):
                    mark = NAN
                elif missed:
                    mark = INFINITY
                elif measured < nearest:
                    mark = NAN
                if mark != 0.0:
                    intensity[ring, column] = 0.0
                    for i in range(3):
                        points[ring, column, i] = mark
                    continue
                echo = full / (1 + fade * measured) + flicker * noise[ring, column]
                intensity[ring, column] = min(max(echo, 0), top)
                for i in range(3):
                    points[ring, column, i] = directions[ring, column, i] * measured


def measure_depth(
    const float[:, ::1] reach,
    const float[:, ::1] stretch,
    const float[:, ::1] noise,
    const float[:, ::1] chance,
    const float[:, :, ::1] rays,
    float nearest,
    float farthest,
    float sigma_ratio,
    float dropout,
    float[:, :, ::1] points,
):
    """
    Make points of how far the pixels (rows, columns) of a depth image reach.

    `rays` have z 1 and length `stretch`; `noise` is normal, `chance` uniform in (0, 1). A lost or
    too near return is NaN, one too far inf.
    """
    cdef Py_ssize_t row, column, i
    cdef float depth, measured, mark
    with nogil:
        for row in range(reach.shape[0]):
            for column in range(reach.shape[1]):
                depth = reach[row, column] / stretch[row, column]
                mark = 0.0
                if depth > farthest:
                    mark = INFINITY
                elif depth < nearest or chance[row, column] < dropout:
                    mark = NAN
                measured = depth + noise[row, column] * sigma_ratio * (depth * depth)
                for i in range(3):
                    points[row, column, i] = (
                        mark if mark != 0.0 else rays[row, column, i] * measured
                    )
