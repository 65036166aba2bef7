# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Bring an organised cloud into base, column by column; called from sweep.py only."""

from libc.math cimport isinf, sqrt


def to_base(
    const float[:, :, ::1] points,
    const double[:, ::1] T_base_sensor,
    const double[:, ::1] pose_base_column,
    double range_min,
    double range_max,
    double x_min,
    double x_max,
    double y_min,
    double y_max,
    double z_max,
    bint flip,
    float[:, :, ::1] out,
    unsigned char[:, ::1] label,
):
    """Fill `out` (rows, columns, 4: x, y, z, planar range) and `label`; see sweep.py."""
    cdef Py_ssize_t rows = points.shape[0], columns = points.shape[1], i, j, k
    cdef double px, py, pz, d2, x, y, z, bx, by, bz, nan = float("nan")
    cdef double low2 = range_min * range_min, high2 = range_max * range_max
    cdef double ox = T_base_sensor[0, 3], oy = T_base_sensor[1, 3]
    cdef unsigned char kind
    cdef double[9] T
    cdef double tx = T_base_sensor[0, 3], ty = T_base_sensor[1, 3], tz = T_base_sensor[2, 3]
    for i in range(3):
        for j in range(3):
            T[3 * i + j] = T_base_sensor[i, j]
    with nogil:
        for i in range(rows):
            # Rows of `out` run from the ground near the sensor outwards.
            k = rows - 1 - i if flip else i
            for j in range(columns):
                px = points[k, j, 0]
                py = points[k, j, 1]
                pz = points[k, j, 2]
                d2 = px * px + py * py + pz * pz
                if not low2 <= d2 <= high2:
                    kind = 1 if d2 > high2 else 0
                    if isinf(d2) and not (isinf(px) and isinf(py) and isinf(pz)):
                        # inf in some coordinates only is malformed, and nothing is known of it.
                        kind = 0
                    out[i, j, 0] = nan
                    out[i, j, 1] = nan
                    out[i, j, 2] = nan
                    out[i, j, 3] = nan
                    label[i, j] = kind
                    continue
                bx = T[0] * px + T[1] * py + T[2] * pz + tx
                by = T[3] * px + T[4] * py + T[5] * pz + ty
                bz = T[6] * px + T[7] * py + T[8] * pz + tz
                # The robot's own body is where it was when this column was taken.
                if x_min < bx < x_max and y_min < by < y_max and bz < z_max:
                    label[i, j] = 2
                else:
                    label[i, j] = 3
                x = pose_base_column[j, 0] * bx - pose_base_column[j, 1] * by
                y = pose_base_column[j, 1] * bx + pose_base_column[j, 0] * by
                x = x + pose_base_column[j, 2]
                y = y + pose_base_column[j, 3]
                out[i, j, 0] = x
                out[i, j, 1] = y
                out[i, j, 2] = bz
                out[i, j, 3] = sqrt((x - ox) * (x - ox) + (y - oy) * (y - oy))
