# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Two motion models side by side for many tracks; called from motion_models.py only."""

from libc.math cimport exp, log, log1p

cdef enum:
    MOST = 4


cdef void mix(const double[::1] x_a, const double[:, ::1] P_a, const double[::1] x_b,
              const double[:, ::1] P_b, double weight, double[::1] x,
              double[:, ::1] P) noexcept nogil:
    """Write the moments of a mixture of two Gaussians, of which the first has `weight`."""
    cdef Py_ssize_t n = x.shape[0], i, j
    cdef double[MOST] da, db
    for i in range(n):
        x[i] = weight * x_a[i] + (1.0 - weight) * x_b[i]
        da[i] = x_a[i] - x[i]
        db[i] = x_b[i] - x[i]
    for i in range(n):
        for j in range(n):
            P[i, j] = (weight * (P_a[i, j] + da[i] * da[j])
                       + (1.0 - weight) * (P_b[i, j] + db[i] * db[j]))


cdef void move(double[::1] x, double[:, ::1] P, double dt, double variance) noexcept nogil:
    """Carry x, y, vx, vy on at constant velocity; `variance` is that of the acceleration."""
    cdef Py_ssize_t i
    x[0] += dt * x[2]
    x[1] += dt * x[3]
    for i in range(4):
        P[0, i] += dt * P[2, i]
        P[1, i] += dt * P[3, i]
    for i in range(4):
        P[i, 0] += dt * P[i, 2]
        P[i, 1] += dt * P[i, 3]
    for i in range(2):
        P[i, i] += variance * dt * dt * dt * dt / 4.0
        P[i, 2 + i] += variance * dt * dt * dt / 2.0
        P[2 + i, i] += variance * dt * dt * dt / 2.0
        P[2 + i, 2 + i] += variance * dt * dt


def predict(
    const double[:, ::1] moving,
    const double[:, :, ::1] moving_P,
    const double[:, ::1] standing,
    const double[:, :, ::1] standing_P,
    const double[::1] p_moving,
    double dt,
    double switches,
    double speed_variance,
    double acceleration_variance,
    double drift_variance,
    double[:, ::1] as_moving,
    double[:, :, ::1] as_moving_P,
    double[:, ::1] moving_after,
    double[:, :, ::1] moving_P_after,
    double[:, ::1] standing_after,
    double[:, :, ::1] standing_P_after,
    double[::1] p_after,
):
    """Mix the models and carry both on; `as_moving` (1, 4), (1, 4, 4) comes as zeros, scratch."""
    cdef Py_ssize_t n, i, j
    cdef double to_moving, to_standing, p
    with nogil:
        for n in range(p_moving.shape[0]):
            p = p_moving[n]
            to_moving = p * (1.0 - switches) + (1.0 - p) * switches
            to_standing = (1.0 - p) * (1.0 - switches) + p * switches
            for i in range(2):
                as_moving[0, i] = standing[n, i]
                as_moving_P[0, 2 + i, 2 + i] = speed_variance
                for j in range(2):
                    as_moving_P[0, i, j] = standing_P[n, i, j]
            mix(moving[n], moving_P[n], as_moving[0], as_moving_P[0],
                p * (1.0 - switches) / to_moving, moving_after[n], moving_P_after[n])
            mix(standing[n], standing_P[n], moving[n], moving_P[n],
                (1.0 - p) * (1.0 - switches) / to_standing, standing_after[n], standing_P_after[n])
            move(moving_after[n], moving_P_after[n], dt, acceleration_variance)
            standing_P_after[n, 0, 0] += drift_variance * dt
            standing_P_after[n, 1, 1] += drift_variance * dt
            p_after[n] = to_moving


cdef double kalman(double[::1] x, double[:, ::1] P, double zx, double zy,
                   double R) noexcept nogil:
    """Correct by a measured position of variance R; return its log likelihood."""
    cdef Py_ssize_t n = x.shape[0], i, j
    cdef double dx = zx - x[0], dy = zy - x[1]
    cdef double a = P[0, 0] + R, b = P[0, 1], d = P[1, 1] + R
    cdef double determinant = a * d - b * b
    cdef double[MOST][2] K, PH
    for i in range(n):
        PH[i][0] = P[i, 0]
        PH[i][1] = P[i, 1]
        K[i][0] = (P[i, 0] * d - P[i, 1] * b) / determinant
        K[i][1] = (P[i, 1] * a - P[i, 0] * b) / determinant
    for i in range(n):
        x[i] += K[i][0] * dx + K[i][1] * dy
        # Half of it at a time, so that the covariance stays symmetric.
        for j in range(i + 1):
            P[i, j] = P[j, i] = (
                0.5 * (P[i, j] + P[j, i])
                - 0.5 * (K[i][0] * PH[j][0] + K[i][1] * PH[j][1])
                - 0.5 * (K[j][0] * PH[i][0] + K[j][1] * PH[i][1])
            )
    return -0.5 * ((dx * dx * d - 2.0 * dx * dy * b + dy * dy * a) / determinant
                   + log(determinant))


cdef inline double within(double value, double most) noexcept nogil:
    return -most if value < -most else (most if value > most else value)


def correct(
    double[:, ::1] moving,
    double[:, :, ::1] moving_P,
    double[:, ::1] standing,
    double[:, :, ::1] standing_P,
    double[::1] p_moving,
    const double[:, ::1] position,
    const double[::1] sigma,
    const double[::1] log_evidence,
):
    """Correct both models of each track in place and weigh them by their likelihoods."""
    cdef Py_ssize_t n
    cdef double R, odds
    with nogil:
        for n in range(p_moving.shape[0]):
            R = sigma[n] * sigma[n]
            odds = kalman(moving[n], moving_P[n], position[n, 0], position[n, 1], R)
            odds -= kalman(standing[n], standing_P[n], position[n, 0], position[n, 1], R)
            odds = (log(p_moving[n]) - log1p(-p_moving[n]) + within(odds, 6.0) + log_evidence[n])
            p_moving[n] = 1.0 / (1.0 + exp(-within(odds, 7.0)))
