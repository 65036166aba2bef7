# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""
Kernel of the model predictive controller; `mpc.py` is its only caller and checks all input.

One optimal control problem over N stages: states x, y, yaw, v, s (s is the yaw rate of a
differential drive or the steering angle of an Ackermann car), inputs acceleration and rate of s.
Quadratic tracking cost, box bounds on inputs, v and s, and soft rows that keep the discs of the
robot away from obstacle discs and from the blocked cells of a distance field.

Every SQP step linearises about a rolled-out trajectory and solves the quadratic problem with
Mehrotra's predictor-corrector interior point method. The slacks of the soft rows are eliminated by
hand, and each Newton step is a Riccati recursion (Rao, Wright and Rawlings 1998; Frison and Diehl,
HPIPM, arXiv 2003.02547). The iterates always satisfy the linearised dynamics, because they start
from a rollout, so that the recursion carries no defects.
"""

from libc.math cimport cos, fabs, fmax, fmin, sin, sqrt, tan

import numpy as np

cdef enum:
    NX = 5
    NU = 2
    NBOX = 8

cdef double FLOOR = 1e-10


cdef class Workspace:
    """Arrays of one problem size, kept between solves."""

    cdef public int stages, discs, rows, points
    cdef public double[:, ::1] X, U, x_trial, u_trial, xr
    cdef public double[:, :, ::1] A, B, obstacles
    cdef public double[::1] offsets, q, qn, r, low, high
    cdef public double[:, ::1] dx, du, ddx, ddu, gx, gu
    # Soft rows: value, gradient by x, y, yaw, slack, its dual, distance to the bound, its dual.
    cdef public double[:, ::1] g, s, t, lam, nu, ds, dt, dlam, dnu, c1, c2, zl
    cdef public double[:, :, ::1] G
    # Box bounds: four of the inputs, four of v and s.
    cdef public double[:, ::1] bt, bl, dbt, dbl, bc
    cdef public double[:, :, ::1] K, P, Quu
    cdef public double[:, ::1] kff
    cdef public float[:, ::1] field
    cdef public double field_x, field_y, field_res, field_distance, field_weight
    cdef public double step_s, wheelbase, slack_quadratic
    # Results.
    cdef public double cost, stationarity, infeasibility, complementarity
    cdef public int iterations, sqp_steps

    def __init__(self, int stages, int discs, int points):
        cdef int n = stages + 1
        self.stages, self.discs, self.points = stages, discs, points
        self.rows = points * (discs + 1)
        z = np.zeros
        self.X, self.x_trial, self.xr = z((n, NX)), z((n, NX)), z((n, NX))
        self.U, self.u_trial = z((stages, NU)), z((stages, NU))
        self.A, self.B = z((stages, NX, NX)), z((stages, NX, NU))
        self.obstacles = z((n, max(discs, 1), 4))
        self.offsets = z(points)
        self.q, self.qn, self.r = z(NX), z(NX), z(NU)
        self.low, self.high = z(4), z(4)
        self.dx, self.ddx, self.gx = z((n, NX)), z((n, NX)), z((n, NX))
        self.du, self.ddu, self.gu = z((stages, NU)), z((stages, NU)), z((stages, NU))
        for name in ("g", "s", "t", "lam", "nu", "ds", "dt", "dlam", "dnu", "c1", "c2", "zl"):
            setattr(self, name, z((n, self.rows)))
        self.G = z((n, self.rows, 3))
        for name in ("bt", "bl", "dbt", "dbl", "bc"):
            setattr(self, name, z((n, NBOX)))
        self.K, self.P, self.Quu = z((stages, NU, NX)), z((n, NX, NX)), z((stages, NU, NU))
        self.kff = z((stages, NU))
        self.field = z((1, 1), np.float32)
        self.field_res = 0.0


cdef void _advance(Workspace w, double* x, double* u, double* out, double* A, double* B) noexcept nogil:
    """RK4 step; with A not NULL also its exact derivatives."""
    cdef double h = w.step_s, c, s, th, v, q, rate = 0.0, rv, rs, hi, wi, cs, tn
    cdef double sx = 0.0, sy = 0.0, sth = 0.0
    cdef double Sx[5]
    cdef double Sy[5]
    cdef double Sth[5]
    cdef double dth[5]
    cdef double dr[5]
    cdef int i, j
    for j in range(5):
        Sx[j] = Sy[j] = Sth[j] = dr[j] = 0.0
    for i in range(4):
        hi = 0.0 if i == 0 else (h if i == 3 else 0.5 * h)
        wi = h / 6.0 if i == 0 or i == 3 else h / 3.0
        th = x[2] + hi * rate
        v = x[3] + hi * u[0]
        q = x[4] + hi * u[1]
        if A != NULL:
            for j in range(5):
                dth[j] = hi * dr[j]
            dth[0] += 1.0
        if w.wheelbase > 0.0:
            tn = tan(q) / w.wheelbase
            rate, rv, rs = v * tn, tn, v * (1.0 / w.wheelbase + tn * tn * w.wheelbase)
        else:
            rate, rv, rs = q, 0.0, 1.0
        c, s = cos(th), sin(th)
        sx += wi * v * c
        sy += wi * v * s
        sth += wi * rate
        if A != NULL:
            # Columns: yaw, v, s, input 0, input 1.
            dr[0], dr[1], dr[2], dr[3], dr[4] = 0.0, rv, rs, rv * hi, rs * hi
            for j in range(5):
                Sx[j] -= wi * v * s * dth[j]
                Sy[j] += wi * v * c * dth[j]
                Sth[j] += wi * dr[j]
            Sx[1] += wi * c
            Sy[1] += wi * s
            Sx[3] += wi * c * hi
            Sy[3] += wi * s * hi
    out[0] = x[0] + sx
    out[1] = x[1] + sy
    out[2] = x[2] + sth
    out[3] = x[3] + h * u[0]
    out[4] = x[4] + h * u[1]
    if A == NULL:
        return
    for i in range(NX):
        for j in range(NX):
            A[i * NX + j] = 1.0 if i == j else 0.0
    for j in range(3):
        A[0 * NX + 2 + j] += Sx[j]
        A[1 * NX + 2 + j] += Sy[j]
        A[2 * NX + 2 + j] += Sth[j]
    for j in range(2):
        B[0 * NU + j] = Sx[3 + j]
        B[1 * NU + j] = Sy[3 + j]
        B[2 * NU + j] = Sth[3 + j]
        B[3 * NU + j] = h if j == 0 else 0.0
        B[4 * NU + j] = h if j == 1 else 0.0


cdef double _sample(Workspace w, double px, double py, double* gx, double* gy) noexcept nogil:
    """Bilinear value and gradient of the distance field; far away outside of it."""
    cdef double fx = (px - w.field_x) / w.field_res - 0.5
    cdef double fy = (py - w.field_y) / w.field_res - 0.5
    cdef int i, j
    cdef double a, b, f00, f01, f10, f11
    gx[0] = gy[0] = 0.0
    if fx < 0.0 or fy < 0.0 or fx >= w.field.shape[1] - 1 or fy >= w.field.shape[0] - 1:
        return 1e3
    j, i = <int>fx, <int>fy
    a, b = fx - j, fy - i
    f00, f01 = w.field[i, j], w.field[i, j + 1]
    f10, f11 = w.field[i + 1, j], w.field[i + 1, j + 1]
    gx[0] = ((1 - b) * (f01 - f00) + b * (f11 - f10)) / w.field_res
    gy[0] = ((1 - a) * (f10 - f00) + a * (f11 - f01)) / w.field_res
    return (1 - b) * ((1 - a) * f00 + a * f01) + b * ((1 - a) * f10 + a * f11)


cdef double _row(Workspace w, int k, int m, double* x, double* grad) noexcept nogil:
    """Value of soft row m at stage k (at least zero when kept) and its gradient by x, y, yaw."""
    cdef int p = m // (w.discs + 1), i = m % (w.discs + 1)
    cdef double ox = w.offsets[p] * cos(x[2]), oy = w.offsets[p] * sin(x[2])
    cdef double px = x[0] + ox, py = x[1] + oy, d, ex, ey
    grad[0] = grad[1] = grad[2] = 0.0
    if i == w.discs:
        if w.field_res <= 0.0:
            return 1e3
        d = _sample(w, px, py, &grad[0], &grad[1]) - w.field_distance
    else:
        if w.obstacles[k, i, 3] <= 0.0:
            return 1e3
        ex, ey = px - w.obstacles[k, i, 0], py - w.obstacles[k, i, 1]
        d = sqrt(ex * ex + ey * ey + 1e-6)
        grad[0], grad[1] = ex / d, ey / d
        d -= w.obstacles[k, i, 2]
    grad[2] = -oy * grad[0] + ox * grad[1]
    return d


cdef inline double _weight(Workspace w, int k, int m) noexcept nogil:
    cdef int i = m % (w.discs + 1)
    return w.field_weight if i == w.discs else w.obstacles[k, i, 3]


cdef double _rollout(Workspace w, double[:, ::1] X, double[:, ::1] U) noexcept nogil:
    """Fill X from X[0] and U, and give the cost with the penalties of the soft rows."""
    cdef int k, i, m
    cdef double cost = 0.0, e, g
    cdef double grad[3]
    for k in range(w.stages + 1):
        for i in range(NX):
            e = X[k, i] - w.xr[k, i]
            cost += 0.5 * (w.q[i] if k < w.stages else w.qn[i]) * e * e
        if k > 0:
            for m in range(w.rows):
                g = _row(w, k, m, &X[k, 0], grad)
                if g < 0.0:
                    cost += 0.5 * w.slack_quadratic * g * g - _weight(w, k, m) * g
        if k == w.stages:
            break
        for i in range(NU):
            cost += 0.5 * w.r[i] * U[k, i] * U[k, i]
        _advance(w, &X[k, 0], &U[k, 0], &X[k + 1, 0], NULL, NULL)
    return cost


cdef void _linearise(Workspace w) noexcept nogil:
    cdef int k, m, i
    cdef double scratch[5]
    for k in range(w.stages):
        _advance(w, &w.X[k, 0], &w.U[k, 0], scratch, &w.A[k, 0, 0], &w.B[k, 0, 0])
    for k in range(1, w.stages + 1):
        for m in range(w.rows):
            w.g[k, m] = _row(w, k, m, &w.X[k, 0], &w.G[k, m, 0])
            w.zl[k, m] = _weight(w, k, m)


cdef inline int _used(Workspace w, int k, int m) noexcept nogil:
    # A row that is several metres from its bound cannot become active within one step.
    return w.g[k, m] < 4.0


cdef inline double _box_value(Workspace w, int k, int b) noexcept nogil:
    """Distance of the QP iterate from box bound b: even is the lower bound, odd the upper."""
    cdef int i = b // 2
    cdef double z
    if i < NU:
        z = w.U[k, i] + w.du[k, i]
    else:
        z = w.X[k, 3 + i - NU] + w.dx[k, 3 + i - NU]
    return z - w.low[i] if b % 2 == 0 else w.high[i] - z


cdef inline int _box_used(Workspace w, int k, int b) noexcept nogil:
    return k < w.stages if b < 4 else k > 0


cdef void _start(Workspace w, double mu, bint warm) noexcept nogil:
    """Start the interior point iterates at the linearisation, away from all bounds."""
    cdef int k, m, b
    cdef double floor_t = 1e-2 if warm else 1e-1
    for k in range(w.stages + 1):
        for m in range(NX):
            w.dx[k, m] = 0.0
        if k < w.stages:
            for m in range(NU):
                w.du[k, m] = 0.0
        for b in range(NBOX):
            w.bt[k, b] = fmax(_box_value(w, k, b), floor_t) if _box_used(w, k, b) else 1.0
            if not warm or w.bl[k, b] <= 0.0:
                w.bl[k, b] = mu / w.bt[k, b]
            else:
                w.bl[k, b] = fmax(w.bl[k, b], mu / w.bt[k, b])
        for m in range(w.rows):
            w.s[k, m] = fmax(-w.g[k, m], 0.0) + floor_t
            w.t[k, m] = fmax(w.g[k, m] + w.s[k, m], floor_t)
            w.lam[k, m] = fmin(mu / w.t[k, m], 0.5 * w.zl[k, m])
            w.nu[k, m] = fmax(w.zl[k, m] + w.slack_quadratic * w.s[k, m] - w.lam[k, m], mu)


cdef double _residuals(Workspace w) noexcept nogil:
    """Gradient of the Lagrangian by stage, and the residuals; gives the complementarity mean."""
    cdef int k, m, i, j, b, count = 0
    cdef double mu = 0.0, infeasibility = 0.0, worst = 0.0, stationarity = 0.0, v, e
    cdef double pi[5]
    cdef double nxt[5]
    for k in range(w.stages + 1):
        for i in range(NX):
            e = w.X[k, i] + w.dx[k, i] - w.xr[k, i]
            w.gx[k, i] = (w.q[i] if k < w.stages else w.qn[i]) * e
        if k < w.stages:
            for i in range(NU):
                w.gu[k, i] = w.r[i] * (w.U[k, i] + w.du[k, i])
        for b in range(NBOX):
            if not _box_used(w, k, b):
                continue
            i = b // 2
            v = w.bl[k, b] if b % 2 == 0 else -w.bl[k, b]
            if i < NU:
                w.gu[k, i] -= v
            else:
                w.gx[k, 3 + i - NU] -= v
            infeasibility = fmax(infeasibility, fabs(_box_value(w, k, b) - w.bt[k, b]))
            mu += w.bt[k, b] * w.bl[k, b]
            worst = fmax(worst, w.bt[k, b] * w.bl[k, b])
            count += 1
        if k == 0:
            continue
        for m in range(w.rows):
            if not _used(w, k, m):
                continue
            for i in range(3):
                w.gx[k, i] -= w.G[k, m, i] * w.lam[k, m]
            infeasibility = fmax(infeasibility, fabs(_row_gap(w, k, m)))
            e = w.slack_quadratic * w.s[k, m] + w.zl[k, m] - w.lam[k, m] - w.nu[k, m]
            stationarity = fmax(stationarity, fabs(e))
            mu += w.t[k, m] * w.lam[k, m] + w.s[k, m] * w.nu[k, m]
            worst = fmax(worst, fmax(w.t[k, m] * w.lam[k, m], w.s[k, m] * w.nu[k, m]))
            count += 2
    # Adjoint sweep: with the dynamics kept exactly, what is left is the gradient by the inputs.
    for i in range(NX):
        pi[i] = w.gx[w.stages, i]
    for k in range(w.stages - 1, -1, -1):
        for i in range(NU):
            e = w.gu[k, i]
            for j in range(NX):
                e += w.B[k, j, i] * pi[j]
            stationarity = fmax(stationarity, fabs(e))
        for i in range(NX):
            e = w.gx[k, i]
            for j in range(NX):
                e += w.A[k, j, i] * pi[j]
            nxt[i] = e
        for i in range(NX):
            pi[i] = nxt[i]
    w.stationarity, w.infeasibility, w.complementarity = stationarity, infeasibility, worst
    return mu / count


cdef inline double _row_gap(Workspace w, int k, int m) noexcept nogil:
    return (w.g[k, m] + w.G[k, m, 0] * w.dx[k, 0] + w.G[k, m, 1] * w.dx[k, 1]
            + w.G[k, m, 2] * w.dx[k, 2] + w.s[k, m] - w.t[k, m])


cdef void _stage_terms(Workspace w, int k, double* Q, double* q, double* R, double* r) noexcept nogil:
    """Hessian and gradient of one stage with bounds and soft rows folded in."""
    cdef int i, j, b, m
    cdef double c, W, D, a, e, f
    for i in range(NX):
        for j in range(NX):
            Q[i * NX + j] = 0.0
        Q[i * NX + i] = w.q[i] if k < w.stages else w.qn[i]
        q[i] = w.gx[k, i]
    if k < w.stages:
        for i in range(NU):
            R[i], r[i] = w.r[i], w.gu[k, i]
    for b in range(NBOX):
        if not _box_used(w, k, b):
            continue
        i = b // 2
        W = w.bl[k, b] / w.bt[k, b]
        # bc holds t * lambda - target; the gap pulls the distance onto the bound's value.
        c = w.bc[k, b] / w.bt[k, b] + W * (_box_value(w, k, b) - w.bt[k, b])
        if b % 2 == 1:
            c = -c
        if i < NU:
            R[i] += W
            r[i] += c
        else:
            Q[(3 + i - NU) * NX + 3 + i - NU] += W
            q[3 + i - NU] += c
    if k == 0:
        return
    for m in range(w.rows):
        if not _used(w, k, m):
            continue
        a = w.lam[k, m] / w.t[k, m]
        D = w.slack_quadratic + a + w.nu[k, m] / w.s[k, m]
        W = a * (1.0 - a / D)
        e = w.slack_quadratic * w.s[k, m] + w.zl[k, m] - w.lam[k, m] - w.nu[k, m]
        f = -e - w.c1[k, m] / w.t[k, m] - w.c2[k, m] / w.s[k, m]
        c = w.c1[k, m] / w.t[k, m] + W * _row_gap(w, k, m) + a / D * f
        for i in range(3):
            q[i] += w.G[k, m, i] * c
            for j in range(3):
                Q[i * NX + j] += W * w.G[k, m, i] * w.G[k, m, j]


cdef bint _newton(Workspace w, bint factor) noexcept nogil:
    """One Newton step by Riccati recursion; without `factor` only the gradients are new."""
    cdef int k, i, j, l
    cdef double Q[25]
    cdef double q[5]
    cdef double R[2]
    cdef double r[2]
    cdef double p[5]
    cdef double PA[25]
    cdef double PB[10]
    cdef double S[10]
    cdef double qu[2]
    cdef double acc, h00, h01, h11, det
    _stage_terms(w, w.stages, Q, q, R, r)
    for i in range(NX):
        p[i] = q[i]
        if factor:
            for j in range(NX):
                w.P[w.stages, i, j] = Q[i * NX + j]
    for k in range(w.stages - 1, -1, -1):
        _stage_terms(w, k, Q, q, R, r)
        if factor:
            for i in range(NX):
                for j in range(NX):
                    acc = 0.0
                    for l in range(NX):
                        acc += w.P[k + 1, i, l] * w.A[k, l, j]
                    PA[i * NX + j] = acc
                for j in range(NU):
                    acc = 0.0
                    for l in range(NX):
                        acc += w.P[k + 1, i, l] * w.B[k, l, j]
                    PB[i * NU + j] = acc
            h00, h01, h11 = R[0], 0.0, R[1]
            for l in range(NX):
                h00 += w.B[k, l, 0] * PB[l * NU]
                h01 += w.B[k, l, 0] * PB[l * NU + 1]
                h11 += w.B[k, l, 1] * PB[l * NU + 1]
            det = h00 * h11 - h01 * h01
            if not (det > 1e-300):
                return False
            w.Quu[k, 0, 0], w.Quu[k, 0, 1], w.Quu[k, 1, 1] = h11 / det, -h01 / det, h00 / det
            for i in range(NU):
                for j in range(NX):
                    acc = 0.0
                    for l in range(NX):
                        acc += w.B[k, l, i] * PA[l * NX + j]
                    S[i * NX + j] = acc
            for j in range(NX):
                w.K[k, 0, j] = -(w.Quu[k, 0, 0] * S[j] + w.Quu[k, 0, 1] * S[NX + j])
                w.K[k, 1, j] = -(w.Quu[k, 0, 1] * S[j] + w.Quu[k, 1, 1] * S[NX + j])
            for i in range(NX):
                for j in range(i, NX):
                    acc = Q[i * NX + j]
                    for l in range(NX):
                        acc += w.A[k, l, i] * PA[l * NX + j]
                    acc += S[i] * w.K[k, 0, j] + S[NX + i] * w.K[k, 1, j]
                    w.P[k, i, j] = acc
                    w.P[k, j, i] = acc
        for i in range(NU):
            acc = r[i]
            for l in range(NX):
                acc += w.B[k, l, i] * p[l]
            qu[i] = acc
        w.kff[k, 0] = -(w.Quu[k, 0, 0] * qu[0] + w.Quu[k, 0, 1] * qu[1])
        w.kff[k, 1] = -(w.Quu[k, 0, 1] * qu[0] + w.Quu[k, 1, 1] * qu[1])
        for i in range(NX):
            acc = q[i]
            for l in range(NX):
                acc += w.A[k, l, i] * p[l]
            acc += w.K[k, 0, i] * qu[0] + w.K[k, 1, i] * qu[1]
            q[i] = acc
        for i in range(NX):
            p[i] = q[i]
    for i in range(NX):
        w.ddx[0, i] = 0.0
    for k in range(w.stages):
        for i in range(NU):
            acc = w.kff[k, i]
            for j in range(NX):
                acc += w.K[k, i, j] * w.ddx[k, j]
            w.ddu[k, i] = acc
        for i in range(NX):
            acc = 0.0
            for j in range(NX):
                acc += w.A[k, i, j] * w.ddx[k, j]
            w.ddx[k + 1, i] = acc + w.B[k, i, 0] * w.ddu[k, 0] + w.B[k, i, 1] * w.ddu[k, 1]
    _directions(w)
    return True


cdef void _directions(Workspace w) noexcept nogil:
    """Recover the steps of slacks, distances and duals from the step of states and inputs."""
    cdef int k, b, i, m
    cdef double d, a, D, e, gap, move
    for k in range(w.stages + 1):
        for b in range(NBOX):
            if not _box_used(w, k, b):
                continue
            i = b // 2
            d = w.ddu[k, i] if i < NU else w.ddx[k, 3 + i - NU]
            if b % 2 == 1:
                d = -d
            w.dbt[k, b] = d + _box_value(w, k, b) - w.bt[k, b]
            w.dbl[k, b] = -(w.bc[k, b] + w.bl[k, b] * w.dbt[k, b]) / w.bt[k, b]
        if k == 0:
            continue
        for m in range(w.rows):
            if not _used(w, k, m):
                continue
            a = w.lam[k, m] / w.t[k, m]
            D = w.slack_quadratic + a + w.nu[k, m] / w.s[k, m]
            e = w.slack_quadratic * w.s[k, m] + w.zl[k, m] - w.lam[k, m] - w.nu[k, m]
            gap = _row_gap(w, k, m)
            move = (w.G[k, m, 0] * w.ddx[k, 0] + w.G[k, m, 1] * w.ddx[k, 1]
                    + w.G[k, m, 2] * w.ddx[k, 2])
            w.ds[k, m] = (-e - w.c1[k, m] / w.t[k, m] - w.c2[k, m] / w.s[k, m]
                          - a * (move + gap)) / D
            w.dt[k, m] = move + w.ds[k, m] + gap
            w.dlam[k, m] = -(w.c1[k, m] + w.lam[k, m] * w.dt[k, m]) / w.t[k, m]
            w.dnu[k, m] = -(w.c2[k, m] + w.nu[k, m] * w.ds[k, m]) / w.s[k, m]


cdef inline double _ratio(double value, double change, double alpha) noexcept nogil:
    return fmin(alpha, -value / change) if change < 0.0 else alpha


cdef double _step_length(Workspace w) noexcept nogil:
    cdef int k, b, m
    cdef double alpha = 1.0
    for k in range(w.stages + 1):
        for b in range(NBOX):
            if _box_used(w, k, b):
                alpha = _ratio(w.bt[k, b], w.dbt[k, b], alpha)
                alpha = _ratio(w.bl[k, b], w.dbl[k, b], alpha)
        if k == 0:
            continue
        for m in range(w.rows):
            if _used(w, k, m):
                alpha = _ratio(w.t[k, m], w.dt[k, m], alpha)
                alpha = _ratio(w.s[k, m], w.ds[k, m], alpha)
                alpha = _ratio(w.lam[k, m], w.dlam[k, m], alpha)
                alpha = _ratio(w.nu[k, m], w.dnu[k, m], alpha)
    return alpha


cdef void _targets(Workspace w, double sigma_mu, bint corrector) noexcept nogil:
    """Set the complementarity residuals: of the affine step, or with centring and correction."""
    cdef int k, b, m
    for k in range(w.stages + 1):
        for b in range(NBOX):
            if not _box_used(w, k, b):
                continue
            if corrector:
                w.bc[k, b] = w.bt[k, b] * w.bl[k, b] + w.dbt[k, b] * w.dbl[k, b] - sigma_mu
            else:
                w.bc[k, b] = w.bt[k, b] * w.bl[k, b]
        if k == 0:
            continue
        for m in range(w.rows):
            if not _used(w, k, m):
                continue
            w.c1[k, m] = w.t[k, m] * w.lam[k, m]
            w.c2[k, m] = w.s[k, m] * w.nu[k, m]
            if corrector:
                w.c1[k, m] += w.dt[k, m] * w.dlam[k, m] - sigma_mu
                w.c2[k, m] += w.ds[k, m] * w.dnu[k, m] - sigma_mu


cdef double _mean_after(Workspace w, double alpha) noexcept nogil:
    """Mean complementarity if the present step were taken with length alpha."""
    cdef int k, b, m, count = 0
    cdef double mu = 0.0
    for k in range(w.stages + 1):
        for b in range(NBOX):
            if _box_used(w, k, b):
                mu += ((w.bt[k, b] + alpha * w.dbt[k, b]) * (w.bl[k, b] + alpha * w.dbl[k, b]))
                count += 1
        if k == 0:
            continue
        for m in range(w.rows):
            if _used(w, k, m):
                mu += (w.t[k, m] + alpha * w.dt[k, m]) * (w.lam[k, m] + alpha * w.dlam[k, m])
                mu += (w.s[k, m] + alpha * w.ds[k, m]) * (w.nu[k, m] + alpha * w.dnu[k, m])
                count += 2
    return mu / count


cdef void _apply(Workspace w, double alpha) noexcept nogil:
    cdef int k, b, m, i
    for k in range(w.stages + 1):
        for i in range(NX):
            w.dx[k, i] += alpha * w.ddx[k, i]
        if k < w.stages:
            for i in range(NU):
                w.du[k, i] += alpha * w.ddu[k, i]
        for b in range(NBOX):
            if _box_used(w, k, b):
                w.bt[k, b] = fmax(w.bt[k, b] + alpha * w.dbt[k, b], FLOOR)
                w.bl[k, b] = fmax(w.bl[k, b] + alpha * w.dbl[k, b], FLOOR)
        if k == 0:
            continue
        for m in range(w.rows):
            if _used(w, k, m):
                w.t[k, m] = fmax(w.t[k, m] + alpha * w.dt[k, m], FLOOR)
                w.s[k, m] = fmax(w.s[k, m] + alpha * w.ds[k, m], FLOOR)
                w.lam[k, m] = fmax(w.lam[k, m] + alpha * w.dlam[k, m], FLOOR)
                w.nu[k, m] = fmax(w.nu[k, m] + alpha * w.dnu[k, m], FLOOR)


cdef bint _solve_qp(Workspace w, int iterations_max, double tolerance, bint warm) noexcept nogil:
    """Interior point method on the linearised problem; True when the residuals are small."""
    cdef int it
    cdef double mu, alpha, after, sigma
    _start(w, 1.0 if not warm else 1e-1, warm)
    for it in range(iterations_max + 1):
        mu = _residuals(w)
        if not (mu == mu):
            return False
        if w.stationarity < tolerance and w.infeasibility < tolerance and w.complementarity < tolerance:
            return True
        if it == iterations_max:
            return False
        _targets(w, 0.0, False)
        if not _newton(w, True):
            return False
        alpha = _step_length(w)
        after = _mean_after(w, alpha)
        sigma = (after / mu) * (after / mu) * (after / mu)
        _targets(w, sigma * mu, True)
        _newton(w, False)
        alpha = _step_length(w)
        _apply(w, fmin(1.0, 0.995 * alpha))
        w.iterations += 1
    return False


cdef double _try_step(Workspace w, double alpha) noexcept nogil:
    """Cost after a part of the step; inputs stay within their bounds."""
    cdef int k, i
    for i in range(NX):
        w.x_trial[0, i] = w.X[0, i]
    for k in range(w.stages):
        for i in range(NU):
            w.u_trial[k, i] = fmin(fmax(w.U[k, i] + alpha * w.du[k, i], w.low[i]), w.high[i])
    return _rollout(w, w.x_trial, w.u_trial)


def solve(Workspace w, int sqp_steps, int iterations_max, double tolerance, bint warm):
    """
    Improve w.U from w.X[0] by SQP steps; w.X, w.U and w.cost hold the result.

    Gives True when the last quadratic problem was solved to its tolerance.
    """
    cdef int step, i
    cdef double cost, alpha
    cdef bint solved = False
    with nogil:
        w.iterations = 0
        w.sqp_steps = 0
        w.cost = _rollout(w, w.X, w.U)
        for step in range(sqp_steps):
            _linearise(w)
            solved = _solve_qp(w, iterations_max, tolerance, warm or step > 0)
            if not (w.stationarity == w.stationarity):
                break
            alpha = 1.0
            for i in range(5):
                cost = _try_step(w, alpha)
                if cost < w.cost:
                    break
                alpha *= 0.5
            w.sqp_steps += 1
            if not cost < w.cost:
                break
            w.X[:, :] = w.x_trial
            w.U[:, :] = w.u_trial
            if w.cost - cost < 1e-4 * (1.0 + fabs(cost)):
                w.cost = cost
                break
            w.cost = cost
    return solved


def qp_step(Workspace w, int iterations_max, double tolerance):
    """Solve the quadratic problem at w.X, w.U once; w.dx and w.du hold its solution (for tests)."""
    cdef bint solved
    with nogil:
        w.iterations = 0
        w.cost = _rollout(w, w.X, w.U)
        _linearise(w)
        solved = _solve_qp(w, iterations_max, tolerance, False)
    return solved


def rollout(Workspace w):
    """Fill w.X from w.X[0] and w.U, and give the cost."""
    with nogil:
        w.cost = _rollout(w, w.X, w.U)
    return w.cost
