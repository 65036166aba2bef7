# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Gauss-Newton of planar points on a distance field; called from scan_matching.py only."""

from libc.math cimport cos, fabs, floor, log, sin, sqrt


cdef double _accumulate(
    const float[:, ::1] field,
    double centre_x,
    double centre_y,
    double resolution,
    double limit,
    const double[:, ::1] points,
    double x,
    double y,
    double yaw,
    double scale,
    double[:, ::1] H,
    double[::1] g,
) noexcept nogil:
    """Sum the robust cost, its Gauss-Newton Hessian and gradient about a pose."""
    cdef Py_ssize_t rows = field.shape[0], columns = field.shape[1]
    cdef Py_ssize_t i, n = points.shape[0], r, q
    cdef double c = cos(yaw), s = sin(yaw), inverse = 1.0 / resolution
    cdef double dx, dy, u, v, fx, fy, d00, d01, d10, d11, d, gx, gy, gw, w
    cdef double ratio, product = 1.0, logs = 0.0, scale2 = scale * scale
    cdef double far_log = log(1.0 + limit * limit / scale2)
    cdef double hxx = 0, hxy = 0, hyy = 0, hxw = 0, hyw = 0, hww = 0, bx = 0, by = 0, bw = 0
    for i in range(n):
        dx = c * points[i, 0] - s * points[i, 1]
        dy = s * points[i, 0] + c * points[i, 1]
        u = (x + dx - centre_x) * inverse
        v = (y + dy - centre_y) * inverse
        if not (u >= 0.0 and v >= 0.0 and u < columns - 1 and v < rows - 1):
            logs += far_log
            continue
        q = <Py_ssize_t> u
        r = <Py_ssize_t> v
        fx = u - q
        fy = v - r
        d00 = field[r, q]
        d01 = field[r, q + 1]
        d10 = field[r + 1, q]
        d11 = field[r + 1, q + 1]
        d = (1.0 - fy) * ((1.0 - fx) * d00 + fx * d01) + fy * ((1.0 - fx) * d10 + fx * d11)
        gx = ((1.0 - fy) * (d01 - d00) + fy * (d11 - d10)) * inverse
        gy = ((1.0 - fx) * (d10 - d00) + fx * (d11 - d01)) * inverse
        gw = gy * dx - gx * dy
        ratio = 1.0 + d * d / scale2
        # One logarithm of many factors, each at least 1 and far from the greatest number.
        product *= ratio
        if product > 1e100:
            logs += log(product)
            product = 1.0
        w = 1.0 / ratio
        hxx += w * gx * gx
        hxy += w * gx * gy
        hyy += w * gy * gy
        hxw += w * gx * gw
        hyw += w * gy * gw
        hww += w * gw * gw
        w *= d
        bx += w * gx
        by += w * gy
        bw += w * gw
    H[0, 0] = hxx
    H[0, 1] = H[1, 0] = hxy
    H[1, 1] = hyy
    H[0, 2] = H[2, 0] = hxw
    H[1, 2] = H[2, 1] = hyw
    H[2, 2] = hww
    g[0] = bx
    g[1] = by
    g[2] = bw
    return 0.5 * scale2 * (logs + log(product))


cdef bint _solve(
    double[:, ::1] H, double[::1] g, double[::1] prior, double damping, double[::1] step
) noexcept nogil:
    """Solve (H + prior + damping diag) step = -g by Cholesky; False if not positive definite."""
    cdef double a = (H[0, 0] + prior[0]) * (1.0 + damping)
    cdef double b = H[0, 1]
    cdef double d = (H[1, 1] + prior[1]) * (1.0 + damping)
    cdef double e = H[0, 2]
    cdef double f = H[1, 2]
    cdef double h = (H[2, 2] + prior[2]) * (1.0 + damping)
    cdef double l00, l10, l11, l20, l21, l22, y0, y1, y2
    if not a > 0.0:
        return False
    l00 = sqrt(a)
    l10 = b / l00
    l11 = d - l10 * l10
    if not l11 > 0.0:
        return False
    l11 = sqrt(l11)
    l20 = e / l00
    l21 = (f - l20 * l10) / l11
    l22 = h - l20 * l20 - l21 * l21
    if not l22 > 0.0:
        return False
    l22 = sqrt(l22)
    y0 = -g[0] / l00
    y1 = (-g[1] - l10 * y0) / l11
    y2 = (-g[2] - l20 * y0 - l21 * y1) / l22
    step[2] = y2 / l22
    step[1] = (y1 - l21 * step[2]) / l11
    step[0] = (y0 - l10 * step[1] - l20 * step[2]) / l00
    return True


def accumulate(
    const float[:, ::1] field,
    const double[::1] grid,
    const double[:, ::1] points,
    const double[::1] pose,
    double scale,
    double[:, ::1] H,
    double[::1] g,
):
    """Cost, `H` (3, 3) and `g` (3,) at a pose; `grid` is centre x, y, resolution and limit."""
    cdef double cost
    with nogil:
        cost = _accumulate(
            field, grid[0], grid[1], grid[2], grid[3], points, pose[0], pose[1], pose[2], scale,
            H, g,
        )
    return cost


def minimise(
    const float[:, ::1] field,
    const double[::1] grid,
    const double[:, ::1] points,
    double[::1] pose,
    double[::1] prior,
    double scale,
    int iterations,
    double[:, ::1] H,
    double[::1] g,
    double[:, ::1] work,
):
    """
    Move `pose` to the least robust cost plus the hold of `prior` about where it began.

    Levenberg-Marquardt. `H` and `g` hold the Hessian and gradient without the prior at the end;
    `work` is (5, 3) of scratch. Returns the number of iterations.
    """
    cdef double cost, new_cost, damping = 1e-4, x0 = pose[0], y0 = pose[1], w0 = pose[2]
    cdef double dx, dy, dw
    cdef double[::1] step = work[0], gradient = work[1]
    cdef double[:, ::1] H_new = work[2:5]
    cdef double gx[3]
    cdef int k = 0, i, j
    with nogil:
        cost = _accumulate(
            field, grid[0], grid[1], grid[2], grid[3], points, x0, y0, w0, scale, H, g
        )
        while k < iterations:
            k += 1
            gradient[0] = g[0] + prior[0] * (pose[0] - x0)
            gradient[1] = g[1] + prior[1] * (pose[1] - y0)
            gradient[2] = g[2] + prior[2] * (pose[2] - w0)
            if not _solve(H, gradient, prior, damping, step):
                break
            dx = pose[0] + step[0]
            dy = pose[1] + step[1]
            dw = pose[2] + step[2]
            gx[0] = g[0]
            gx[1] = g[1]
            gx[2] = g[2]
            new_cost = _accumulate(
                field, grid[0], grid[1], grid[2], grid[3], points, dx, dy, dw, scale, H_new, g
            )
            new_cost += 0.5 * (
                prior[0] * (dx - x0) ** 2 + prior[1] * (dy - y0) ** 2 + prior[2] * (dw - w0) ** 2
            )
            if new_cost <= cost:
                cost = new_cost
                pose[0] = dx
                pose[1] = dy
                pose[2] = dw
                for i in range(3):
                    for j in range(3):
                        H[i, j] = H_new[i, j]
                damping = damping * 0.1 if damping > 1e-6 else damping
                if fabs(step[0]) < 2e-4 and fabs(step[1]) < 2e-4 and fabs(step[2]) < 2e-5:
                    break
            else:
                g[0] = gx[0]
                g[1] = gx[1]
                g[2] = gx[2]
                damping *= 10.0
                if damping > 1e3:
                    break
    return k


def distances(
    const float[:, ::1] field,
    const double[::1] grid,
    const double[:, ::1] points,
    const double[::1] pose,
    double[::1] out,
):
    """Distance of each point at a pose, the limit outside of the map."""
    cdef Py_ssize_t rows = field.shape[0], columns = field.shape[1], i, r, q
    cdef double c = cos(pose[2]), s = sin(pose[2]), inverse = 1.0 / grid[2], u, v, fx, fy
    with nogil:
        for i in range(points.shape[0]):
            u = (pose[0] + c * points[i, 0] - s * points[i, 1] - grid[0]) * inverse
            v = (pose[1] + s * points[i, 0] + c * points[i, 1] - grid[1]) * inverse
            if not (u >= 0.0 and v >= 0.0 and u < columns - 1 and v < rows - 1):
                out[i] = grid[3]
                continue
            q = <Py_ssize_t> floor(u)
            r = <Py_ssize_t> floor(v)
            fx = u - q
            fy = v - r
            out[i] = (
                (1.0 - fy) * ((1.0 - fx) * field[r, q] + fx * field[r, q + 1])
                + fy * ((1.0 - fx) * field[r + 1, q] + fx * field[r + 1, q + 1])
            )
