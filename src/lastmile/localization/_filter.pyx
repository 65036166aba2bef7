# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Prediction of the planar filter; called from filter.py only, which says what the states are."""

from libc.math cimport M_PI, cos, exp, fabs, fmod, sin

cdef enum:
    X = 0
    Y = 1
    YAW = 2
    GYRO_BIAS = 3
    WHEEL_SCALE = 4
    GNSS_EAST = 5
    GNSS_NORTH = 6
    STATES = 7

ctypedef double[7][7] Matrix


cdef void move(double[::1] mean, double speed, double yaw_rate, double dt, double speed_noise,
               double lateral_noise, double gyro_noise, double scale_drift, Matrix F,
               Matrix Q) noexcept nogil:
    """Fill in the motion along an arc, its Jacobian and its noise."""
    cdef double heading = mean[YAW] + 0.5 * yaw_rate * dt, way = speed * dt
    cdef double c = cos(heading), s = sin(heading), driven, along, across, gap
    mean[X] += way * c
    mean[Y] += way * s
    mean[YAW] += yaw_rate * dt
    F[X][YAW] = -way * s
    F[Y][YAW] = way * c
    F[X][GYRO_BIAS] = 0.5 * way * s * dt
    F[Y][GYRO_BIAS] = -0.5 * way * c * dt
    F[X][WHEEL_SCALE] = way * c
    F[Y][WHEEL_SCALE] = way * s
    F[YAW][GYRO_BIAS] = -dt
    # Noise of rolling grows with the way, not with time: a robot that stands does not spread.
    driven = min(fabs(speed), 1.0) * dt
    along = speed_noise * speed_noise * driven
    across = lateral_noise * lateral_noise * driven
    Q[X][X] = along * c * c + across * s * s + 1e-6 * dt
    Q[Y][Y] = along * s * s + across * c * c + 1e-6 * dt
    Q[X][Y] = Q[Y][X] = (along - across) * c * s
    # A gap in the gyro leaves the turn within it unknown.
    gap = max(dt - 0.05, 0.0)
    Q[YAW][YAW] = gyro_noise * gyro_noise * dt + 0.25 * gap * gap
    Q[WHEEL_SCALE][WHEEL_SCALE] = scale_drift * scale_drift * driven


cdef double wrapped(double angle) noexcept nogil:
    """Bring an angle into (-pi, pi]."""
    cdef double turn = fmod(M_PI - angle, 2.0 * M_PI)
    return M_PI - (turn + 2.0 * M_PI if turn < 0.0 else turn)


def predict(
    double[::1] mean,
    const double[:, ::1] P,
    const double[::1] twist_base,
    double dt,
    bint still,
    double speed_noise,
    double lateral_noise,
    double gyro_noise,
    double scale_drift,
    double bias_drift,
    double multipath_time,
    double multipath_sigma,
    double[:, ::1] P_after,
):
    """Move `mean` (7,) on by `dt` along a twist and write the covariance (7, 7) after it."""
    cdef Matrix F, Q, FP
    cdef Py_ssize_t i, j, k
    cdef double fade = exp(-dt / multipath_time), total
    with nogil:
        for i in range(STATES):
            for j in range(STATES):
                F[i][j] = 1.0 if i == j else 0.0
                Q[i][j] = 0.0
        if not still:
            move(mean, twist_base[0], twist_base[1], dt, speed_noise, lateral_noise, gyro_noise,
                 scale_drift, F, Q)
            mean[YAW] = wrapped(mean[YAW])
        mean[GNSS_EAST] *= fade
        mean[GNSS_NORTH] *= fade
        F[GNSS_EAST][GNSS_EAST] = F[GNSS_NORTH][GNSS_NORTH] = fade
        total = multipath_sigma * multipath_sigma * (1.0 - fade * fade)
        Q[GNSS_EAST][GNSS_EAST] = Q[GNSS_NORTH][GNSS_NORTH] = total
        Q[GYRO_BIAS][GYRO_BIAS] = bias_drift * bias_drift * dt
        for i in range(STATES):
            for j in range(STATES):
                total = 0.0
                for k in range(STATES):
                    total += F[i][k] * P[k, j]
                FP[i][j] = total
        for i in range(STATES):
            for j in range(STATES):
                total = Q[i][j]
                for k in range(STATES):
                    total += FP[i][k] * F[j][k]
                P_after[i, j] = total
