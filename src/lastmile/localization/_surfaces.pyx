# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Farthest upright surface of each lidar column; called from scan.py only."""

from libc.math cimport INFINITY, sqrt


cdef bint mark(const double[::1] reach, double tolerance, Py_ssize_t least, int[::1] surface,
               double[::1] rest) noexcept nogil:
    """Mark the farthest surface of a column, and leave the others in `rest`; False if too few."""
    cdef Py_ssize_t i, count = 0
    cdef double farthest = -INFINITY
    for i in range(reach.shape[0]):
        if reach[i] > farthest:
            farthest = reach[i]
    for i in range(reach.shape[0]):
        surface[i] = reach[i] > farthest - tolerance
        rest[i] = -INFINITY if surface[i] else reach[i]
        count += surface[i]
    return count >= least


def farthest_surfaces(
    const float[:, :, ::1] points,
    const double[:, ::1] T,
    const double[::1] limits,
    Py_ssize_t least,
    Py_ssize_t column_step,
    double[:, ::1] work,
    int[::1] surface,
    double[:, ::1] out,
    Py_ssize_t[::1] columns,
):
    """
    Write the mean of each used column's surface, x and y in base, and its number; return how many.

    `T` is the mount of the lidar, T_base_lidar.
    `limits` are least and greatest range, least and greatest height, and the depth of a surface.
    `work` (4, rows) and `surface` (rows,) are scratch.
    """
    cdef Py_ssize_t rows = points.shape[0], i, j, k, n, count = 0
    cdef double px, py, pz, x, y, height, reach, x_sum, y_sum
    with nogil:
        for k in range((points.shape[1] + column_step - 1) // column_step):
            j = k * column_step
            for i in range(rows):
                px = points[i, j, 0]
                py = points[i, j, 1]
                pz = points[i, j, 2]
                x = T[0, 0] * px + T[0, 1] * py + T[0, 2] * pz + T[0, 3]
                y = T[1, 0] * px + T[1, 1] * py + T[1, 2] * pz + T[1, 3]
                height = T[2, 0] * px + T[2, 1] * py + T[2, 2] * pz + T[2, 3]
                reach = sqrt(x * x + y * y)
                work[0, i] = x
                work[1, i] = y
                if not (limits[0] < reach < limits[1] and limits[2] < height < limits[3]):
                    reach = -INFINITY
                work[2, i] = reach
            # Where the farthest return stands alone (a wire, a treetop), the next surface is taken.
            if not mark(work[2], limits[4], least, surface, work[3]):
                if not mark(work[3], limits[4], least, surface, work[2]):
                    continue
            n = 0
            x_sum = y_sum = 0.0
            for i in range(rows):
                if surface[i]:
                    x_sum += work[0, i]
                    y_sum += work[1, i]
                    n += 1
            out[count, 0] = x_sum / n
            out[count, 1] = y_sum / n
            columns[count] = k
            count += 1
    return count
