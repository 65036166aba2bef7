# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Scores of a scan at many places of a map; called from global_start.py only."""


def score_candidates(
    const unsigned char[:, ::1] likelihood,
    const int[:, :, ::1] cells,
    const int[:, ::1] candidates,
    int[::1] out,
):
    """
    Sum the likelihood under a turned and shifted scan, for each candidate.

    `cells` (yaws, points, 2) are columns and rows of the scan turned by each yaw; `candidates`
    (m, 3) are yaw index, column and row of the sensor.
    """
    cdef Py_ssize_t rows = likelihood.shape[0], columns = likelihood.shape[1], m, i, q, r
    cdef Py_ssize_t yaw, n = cells.shape[1]
    cdef int total
    with nogil:
        for m in range(candidates.shape[0]):
            yaw = candidates[m, 0]
            total = 0
            for i in range(n):
                q = cells[yaw, i, 0] + candidates[m, 1]
                r = cells[yaw, i, 1] + candidates[m, 2]
                if q >= 0 and r >= 0 and q < columns and r < rows:
                    total += likelihood[r, q]
            out[m] = total
