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

Only the soft rows that matter are stored, one after another; a row and a bound each keep all that
belongs to them in one place, and what a Newton step divides by is inverted once for both of its
halves. The dynamics are stored as what they add to the identity.
"""

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.math cimport cos, fabs, sin, sqrt, tan

import numpy as np

cdef enum:
    NX = 5
    NU = 2
    NBOX = 8

cdef double FLOOR = 1e-10
# A row that is several metres from its bound cannot become active within one step.
cdef double ROW_MAX_M = 4.0


cdef struct Bound:
    # Distance to the bound, its dual, their steps.
    double t, l, dt, dl
    # Value of the bound less t; 1 / t, l / t, and the complementarity target over t.
    double gap, inverse, ratio, c


cdef struct Row:
    # A soft row g + G (x, y, yaw) + s - t = 0: slack s, its dual nu, distance t, its dual lam.
    double G[3]
    double g, weight
    double s, t, lam, nu
    double ds, dt, dlam, dnu
    # Residuals of the row and of the gradient by its slack.
    double gap, e
    # 1 / t, 1 / s, lam / t, nu / s, 1 / (Hessian by the slack), targets over t and s, and -e - c1 - c2.
    double inverse_t, inverse_s, a, b, inverse_D, c1, c2, f


cdef struct Stage:
    # The next x, y, yaw add E (yaw, v, s) and B u to the present; v and s add step_s u.
    double E[3][3]
    double B[3][NU]
    # Gradient of the Lagrangian, and the Newton step with its feedback.
    double gx[NX]
    double gu[NU]
    double ddx[NX]
    double ddu[NU]
    double K[NU][NX]
    double kff[NU]
    # Inverse of the Hessian by the inputs: (0, 0), (0, 1), (1, 1).
    double inverse[3]
    # Four bounds of the inputs, four of v and s; even ones are lower bounds.
    Bound bounds[NBOX]
    # Its soft rows are rows[first:last].
    int first, last


cdef class Workspace:
    """Arrays of one problem size, kept between solves."""

    cdef public int stages, discs, points
    cdef public double[:, ::1] X, U, x_trial, u_trial, xr, dx, du
    cdef public double[:, :, ::1] obstacles
    cdef public double[::1] offsets, q, qn, r, low, high
    cdef public float[:, ::1] field
    cdef public double field_x, field_y, field_res, field_distance, field_weight
    cdef public double step_s, wheelbase, slack_quadratic
    cdef Stage* stage
    cdef Row* row
    # Products of distances and duals, and how their sum depends on the length of a Newton step.
    cdef int pairs
    cdef double product, product_slope, product_bend
    # Results.
    cdef public double cost, stationarity, infeasibility, complementarity
    cdef public int iterations, sqp_steps

    def __cinit__(self, int stages, int discs, int points):
        self.stage = <Stage*>PyMem_Calloc(stages + 1, sizeof(Stage))
        self.row = <Row*>PyMem_Calloc(stages * points * (discs + 1), sizeof(Row))
        if self.stage == NULL or self.row == NULL:
            raise MemoryError

    def __dealloc__(self):
        PyMem_Free(self.stage)
        PyMem_Free(self.row)

    def __init__(self, int stages, int discs, int points):
        cdef int n = stages + 1
        self.stages, self.discs, self.points = stages, discs, points
        z = np.zeros
        self.X, self.x_trial, self.xr, self.dx = (z((n, NX)) for _ in range(4))
        self.U, self.u_trial, self.du = (z((stages, NU)) for _ in range(3))
        self.obstacles = z((n, max(discs, 1), 4))
        self.offsets = z(points)
        self.q, self.qn, self.r = z(NX), z(NX), z(NU)
        self.low, self.high = z(4), z(4)
        self.field = z((1, 1), np.float32)
        self.field_res = 0.0


# The C library's fmin and fmax are calls, because they also take care of NaN.
cdef inline double _min(double a, double b) noexcept nogil:
    return a if a < b else b


cdef inline double _max(double a, double b) noexcept nogil:
    return a if a > b else b


cdef void _advance(
    Workspace w, const double* x, const double* u, double* out, Stage* stage
) noexcept nogil:
    """RK4 step; with a stage also its exact derivatives."""
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
        if stage != NULL:
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
        if stage != NULL:
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
    if stage == NULL:
        return
    for j in range(3):
        stage.E[0][j], stage.E[1][j], stage.E[2][j] = Sx[j], Sy[j], Sth[j]
    for j in range(NU):
        stage.B[0][j], stage.B[1][j], stage.B[2][j] = Sx[3 + j], Sy[3 + j], Sth[3 + j]


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


cdef double _disc_penalty(Workspace w, const double* disc, double px, double py) noexcept nogil:
    """Cost of a point of the robot that lies in a disc."""
    cdef double ex = px - disc[0], ey = py - disc[1], square = ex * ex + ey * ey + 1e-6, g
    if disc[3] <= 0.0 or square >= disc[2] * disc[2] or disc[2] <= 0.0:
        return 0.0
    g = sqrt(square) - disc[2]
    return 0.5 * w.slack_quadratic * g * g - disc[3] * g


cdef double _penalty(Workspace w, int k, const double* x) noexcept nogil:
    """Cost of the soft rows of a stage at a state."""
    cdef double cost = 0.0, c = cos(x[2]), s = sin(x[2]), px, py, g, gx, gy
    cdef int p, i
    for p in range(w.points):
        px, py = x[0] + w.offsets[p] * c, x[1] + w.offsets[p] * s
        for i in range(w.discs):
            cost += _disc_penalty(w, &w.obstacles[k, i, 0], px, py)
        if w.field_res > 0.0:
            g = _sample(w, px, py, &gx, &gy) - w.field_distance
            if g < 0.0:
                cost += 0.5 * w.slack_quadratic * g * g - w.field_weight * g
    return cost


cdef double _rollout(Workspace w, double[:, ::1] X, double[:, ::1] U) noexcept nogil:
    """Fill X from X[0] and U, and give the cost with the penalties of the soft rows."""
    cdef int k, i
    cdef double cost = 0.0, e
    for k in range(w.stages + 1):
        for i in range(NX):
            e = X[k, i] - w.xr[k, i]
            cost += 0.5 * (w.q[i] if k < w.stages else w.qn[i]) * e * e
        if k > 0:
            cost += _penalty(w, k, &X[k, 0])
        if k == w.stages:
            break
        for i in range(NU):
            cost += 0.5 * w.r[i] * U[k, i] * U[k, i]
        _advance(w, &X[k, 0], &U[k, 0], &X[k + 1, 0], NULL)
    return cost


cdef void _linearise(Workspace w) noexcept nogil:
    cdef int k
    cdef double scratch[NX]
    for k in range(w.stages):
        _advance(w, &w.X[k, 0], &w.U[k, 0], scratch, &w.stage[k])
    w.stage[0].first = w.stage[0].last = 0
    for k in range(1, w.stages + 1):
        w.stage[k].first = w.stage[k].last = w.stage[k - 1].last
        _find_rows(w, k)
    w.pairs = NBOX * w.stages + 2 * w.stage[w.stages].last


cdef void _find_rows(Workspace w, int k) noexcept nogil:
    """List the soft rows of a stage that matter, with values and gradients."""
    cdef const double* x = &w.X[k, 0]
    cdef const double* disc
    cdef double c = cos(x[2]), s = sin(x[2]), ox, oy, ex, ey, d, gx, gy
    cdef int p, i
    for p in range(w.points):
        ox, oy = w.offsets[p] * c, w.offsets[p] * s
        for i in range(w.discs):
            disc = &w.obstacles[k, i, 0]
            if disc[3] <= 0.0:
                continue
            ex, ey = x[0] + ox - disc[0], x[1] + oy - disc[1]
            d = sqrt(ex * ex + ey * ey + 1e-6)
            _add_row(w, k, d - disc[2], ex / d, ey / d, ox, oy, disc[3])
        if w.field_res > 0.0:
            d = _sample(w, x[0] + ox, x[1] + oy, &gx, &gy)
            _add_row(w, k, d - w.field_distance, gx, gy, ox, oy, w.field_weight)


cdef void _add_row(
    Workspace w, int k, double g, double gx, double gy, double ox, double oy, double weight
) noexcept nogil:
    cdef Row* row
    if not g < ROW_MAX_M:
        return
    row = &w.row[w.stage[k].last]
    w.stage[k].last += 1
    row.g, row.weight = g, weight
    row.G[0], row.G[1], row.G[2] = gx, gy, ox * gy - oy * gx


cdef inline int _first_bound(Workspace w, int k) noexcept nogil:
    return 0 if k < w.stages else 4


cdef inline int _last_bound(int k) noexcept nogil:
    return NBOX if k > 0 else 4


cdef inline double _bound_value(Workspace w, int k, int b) noexcept nogil:
    """Distance of the QP iterate from box bound b."""
    cdef int i = b // 2
    cdef double z
    if i < NU:
        z = w.U[k, i] + w.du[k, i]
    else:
        z = w.X[k, 3 + i - NU] + w.dx[k, 3 + i - NU]
    return z - w.low[i] if b % 2 == 0 else w.high[i] - z


cdef void _start(Workspace w, double mu, bint warm) noexcept nogil:
    """Start the interior point iterates at the linearisation, away from all bounds."""
    cdef int k, m, b
    cdef double floor_t = 1e-2 if warm else 1e-1
    cdef Bound* bound
    cdef Row* row
    w.dx[:, :] = 0.0
    w.du[:, :] = 0.0
    for k in range(w.stages + 1):
        for b in range(_first_bound(w, k), _last_bound(k)):
            bound = &w.stage[k].bounds[b]
            bound.t = _max(_bound_value(w, k, b), floor_t)
            if warm and bound.l > 0.0:
                bound.l = _max(bound.l, mu / bound.t)
            else:
                bound.l = mu / bound.t
    for m in range(w.stage[w.stages].last):
        row = &w.row[m]
        row.s = _max(-row.g, 0.0) + floor_t
        row.t = _max(row.g + row.s, floor_t)
        row.lam = _min(mu / row.t, 0.5 * row.weight)
        row.nu = _max(row.weight + w.slack_quadratic * row.s - row.lam, mu)


cdef inline void _through_A(const Stage* stage, const double* p, double* out) noexcept nogil:
    """Give A' p."""
    cdef int i
    out[0], out[1] = p[0], p[1]
    for i in range(3):
        out[2 + i] = (p[2 + i] + stage.E[0][i] * p[0] + stage.E[1][i] * p[1]
                      + stage.E[2][i] * p[2])


cdef inline void _through_B(
    const Stage* stage, double h, const double* p, double* out
) noexcept nogil:
    """Give B' p."""
    cdef int i
    for i in range(NU):
        out[i] = (stage.B[0][i] * p[0] + stage.B[1][i] * p[1] + stage.B[2][i] * p[2]
                  + h * p[3 + i])


cdef void _residuals(Workspace w) noexcept nogil:
    """Gradient of the Lagrangian by stage, the residuals, and the sum of the products."""
    cdef int k, m, i, b
    cdef double product = 0.0, infeasibility = 0.0, worst = 0.0, stationarity = 0.0, e, p
    cdef double pi[NX]
    cdef double back[NX]
    cdef double by_input[NU]
    cdef Stage* stage
    cdef Bound* bound
    cdef Row* row
    for k in range(w.stages + 1):
        stage = &w.stage[k]
        for i in range(NX):
            e = w.X[k, i] + w.dx[k, i] - w.xr[k, i]
            stage.gx[i] = (w.q[i] if k < w.stages else w.qn[i]) * e
        if k < w.stages:
            for i in range(NU):
                stage.gu[i] = w.r[i] * (w.U[k, i] + w.du[k, i])
        for b in range(_first_bound(w, k), _last_bound(k)):
            bound = &stage.bounds[b]
            i = b // 2
            e = bound.l if b % 2 == 0 else -bound.l
            if i < NU:
                stage.gu[i] -= e
            else:
                stage.gx[3 + i - NU] -= e
            bound.gap = _bound_value(w, k, b) - bound.t
            infeasibility = _max(infeasibility, fabs(bound.gap))
            p = bound.t * bound.l
            product += p
            worst = _max(worst, p)
        for m in range(stage.first, stage.last):
            row = &w.row[m]
            row.gap = row.g + row.s - row.t
            for i in range(3):
                stage.gx[i] -= row.G[i] * row.lam
                row.gap += row.G[i] * w.dx[k, i]
            infeasibility = _max(infeasibility, fabs(row.gap))
            row.e = w.slack_quadratic * row.s + row.weight - row.lam - row.nu
            stationarity = _max(stationarity, fabs(row.e))
            p, e = row.t * row.lam, row.s * row.nu
            product += p + e
            worst = _max(worst, _max(p, e))
    # Adjoint sweep: with the dynamics kept exactly, what is left is the gradient by the inputs.
    for i in range(NX):
        pi[i] = w.stage[w.stages].gx[i]
    for k in range(w.stages - 1, -1, -1):
        stage = &w.stage[k]
        _through_B(stage, w.step_s, pi, by_input)
        for i in range(NU):
            stationarity = _max(stationarity, fabs(stage.gu[i] + by_input[i]))
        _through_A(stage, pi, back)
        for i in range(NX):
            pi[i] = stage.gx[i] + back[i]
    w.stationarity, w.infeasibility, w.complementarity = stationarity, infeasibility, worst
    w.product = product


cdef void _fold_bounds(
    Workspace w, int k, bint predict, double target, double* Q, double* q, double* R, double* r
) noexcept nogil:
    """Add the bounds of a stage to its gradient and, in the predictor, to its Hessian."""
    cdef int b, i
    cdef double c
    cdef Bound* bound
    for b in range(_first_bound(w, k), _last_bound(k)):
        bound = &w.stage[k].bounds[b]
        if predict:
            bound.inverse = 1.0 / bound.t
            bound.ratio = bound.l * bound.inverse
            bound.c = bound.l
        else:
            bound.c = bound.l + (bound.dt * bound.dl - target) * bound.inverse
        # The gap pulls the distance onto the bound's value.
        c = bound.c + bound.ratio * bound.gap
        if b % 2 == 1:
            c = -c
        i = b // 2
        if i < NU:
            r[i] += c
            if predict:
                R[i] += bound.ratio
        else:
            q[3 + i - NU] += c
            if predict:
                Q[(3 + i - NU) * (NX + 1)] += bound.ratio


cdef void _fold_rows(
    Workspace w, int k, bint predict, double target, double* Q, double* q
) noexcept nogil:
    """Add the soft rows of a stage to its gradient and, in the predictor, to its Hessian."""
    cdef int m, i, j
    cdef double W, c, v
    cdef Row* row
    for m in range(w.stage[k].first, w.stage[k].last):
        row = &w.row[m]
        if predict:
            row.inverse_t, row.inverse_s = 1.0 / row.t, 1.0 / row.s
            row.a, row.b = row.lam * row.inverse_t, row.nu * row.inverse_s
            row.inverse_D = 1.0 / (w.slack_quadratic + row.a + row.b)
            row.c1, row.c2 = row.lam, row.nu
        else:
            row.c1 = row.lam + (row.dt * row.dlam - target) * row.inverse_t
            row.c2 = row.nu + (row.ds * row.dnu - target) * row.inverse_s
        W = row.a * (w.slack_quadratic + row.b) * row.inverse_D
        row.f = -row.e - row.c1 - row.c2
        c = row.c1 + W * row.gap + row.a * row.inverse_D * row.f
        for i in range(3):
            q[i] += row.G[i] * c
            if predict:
                v = W * row.G[i]
                for j in range(i, 3):
                    Q[i * NX + j] += v * row.G[j]


cdef void _stage_terms(
    Workspace w, int k, bint predict, double target, double* Q, double* q, double* R, double* r
) noexcept nogil:
    """Gradient of one stage with bounds and soft rows folded in; in the predictor its Hessian."""
    cdef int i, j
    for i in range(NX):
        q[i] = w.stage[k].gx[i]
        if predict:
            for j in range(NX):
                Q[i * NX + j] = 0.0
            Q[i * NX + i] = w.q[i] if k < w.stages else w.qn[i]
    for i in range(NU):
        R[i], r[i] = w.r[i], w.stage[k].gu[i]
    _fold_bounds(w, k, predict, target, Q, q, R, r)
    _fold_rows(w, k, predict, target, Q, q)
    if predict:
        Q[1 * NX + 0], Q[2 * NX + 0], Q[2 * NX + 1] = Q[1], Q[2], Q[NX + 2]


cdef bint _factor(Stage* stage, double h, const double* R, const double* Q, double* P) noexcept nogil:
    """One stage of the Riccati recursion: P of the next stage becomes that of this one."""
    cdef int i, j, l
    cdef double PA[NX][NX]
    cdef double PB[NX][NU]
    cdef double S[NX][NU]
    cdef double h00, h01, h11, det, acc
    for i in range(NX):
        # P is symmetric: its rows are its columns.
        _through_A(stage, &P[i * NX], PA[i])
        _through_B(stage, h, &P[i * NX], PB[i])
    h00, h01, h11 = R[0] + h * PB[3][0], h * PB[3][1], R[1] + h * PB[4][1]
    for l in range(3):
        h00 += stage.B[l][0] * PB[l][0]
        h01 += stage.B[l][0] * PB[l][1]
        h11 += stage.B[l][1] * PB[l][1]
    det = h00 * h11 - h01 * h01
    if not (det > 1e-300):
        return False
    det = 1.0 / det
    stage.inverse[0], stage.inverse[1], stage.inverse[2] = h11 * det, -h01 * det, h00 * det
    for i in range(NX):
        for j in range(NU):
            acc = PB[i][j]
            if i >= 2:
                for l in range(3):
                    acc += stage.E[l][i - 2] * PB[l][j]
            S[i][j] = acc
        stage.K[0][i] = -(stage.inverse[0] * S[i][0] + stage.inverse[1] * S[i][1])
        stage.K[1][i] = -(stage.inverse[1] * S[i][0] + stage.inverse[2] * S[i][1])
    for i in range(NX):
        for j in range(i, NX):
            acc = Q[i * NX + j] + PA[i][j] + S[i][0] * stage.K[0][j] + S[i][1] * stage.K[1][j]
            if i >= 2:
                for l in range(3):
                    acc += stage.E[l][i - 2] * PA[l][j]
            P[i * NX + j] = acc
            P[j * NX + i] = acc
    return True


cdef bint _newton(Workspace w, bint predict, double target) noexcept nogil:
    """
    One Newton step by Riccati recursion.

    The predictor aims at products of zero and factors the Hessian; the corrector aims at `target`
    with the second order of the predictor's step, and only its gradients are new.
    """
    cdef int k, i, j
    cdef double Q[25]
    cdef double q[NX]
    cdef double R[NU]
    cdef double r[NU]
    cdef double P[25]
    cdef double p[NX]
    cdef double back[NX]
    cdef double qu[NU]
    cdef Stage* stage
    _stage_terms(w, w.stages, predict, target, P, p, R, r)
    for k in range(w.stages - 1, -1, -1):
        stage = &w.stage[k]
        _stage_terms(w, k, predict, target, Q, q, R, r)
        if predict and not _factor(stage, w.step_s, R, Q, P):
            return False
        _through_B(stage, w.step_s, p, qu)
        for i in range(NU):
            qu[i] += r[i]
        stage.kff[0] = -(stage.inverse[0] * qu[0] + stage.inverse[1] * qu[1])
        stage.kff[1] = -(stage.inverse[1] * qu[0] + stage.inverse[2] * qu[1])
        _through_A(stage, p, back)
        for i in range(NX):
            p[i] = q[i] + back[i] + stage.K[0][i] * qu[0] + stage.K[1][i] * qu[1]
    for i in range(NX):
        w.stage[0].ddx[i] = 0.0
    for k in range(w.stages):
        stage = &w.stage[k]
        for i in range(NU):
            stage.ddu[i] = stage.kff[i]
            for j in range(NX):
                stage.ddu[i] += stage.K[i][j] * stage.ddx[j]
        _next_step(stage, w.step_s, w.stage[k + 1].ddx)
    return True


cdef inline void _next_step(const Stage* stage, double h, double* out) noexcept nogil:
    """Give the step of the next stage's states."""
    cdef int i, j
    for i in range(3):
        out[i] = stage.ddx[i]
        for j in range(3):
            out[i] += stage.E[i][j] * stage.ddx[2 + j]
        for j in range(NU):
            out[i] += stage.B[i][j] * stage.ddu[j]
    for j in range(NU):
        out[3 + j] = stage.ddx[3 + j] + h * stage.ddu[j]


cdef inline double _shorten(double alpha, double value, double change) noexcept nogil:
    """Shorten a step under which a value would become negative."""
    return -value / change if value + alpha * change < 0.0 else alpha


cdef double _directions(Workspace w) noexcept nogil:
    """
    Steps of slacks, distances and duals from the step of states and inputs.

    Gives the length up to which all of them stay positive, at most 1.
    """
    cdef int k, b, i, m
    cdef double d, move, alpha = 1.0, slope = 0.0, bend = 0.0
    cdef Stage* stage
    cdef Bound* bound
    cdef Row* row
    for k in range(w.stages + 1):
        stage = &w.stage[k]
        for b in range(_first_bound(w, k), _last_bound(k)):
            bound = &stage.bounds[b]
            i = b // 2
            d = stage.ddu[i] if i < NU else stage.ddx[3 + i - NU]
            if b % 2 == 1:
                d = -d
            bound.dt = d + bound.gap
            bound.dl = -bound.c - bound.ratio * bound.dt
            alpha = _shorten(alpha, bound.t, bound.dt)
            alpha = _shorten(alpha, bound.l, bound.dl)
            slope += bound.t * bound.dl + bound.l * bound.dt
            bend += bound.dt * bound.dl
        for m in range(stage.first, stage.last):
            row = &w.row[m]
            move = (row.G[0] * stage.ddx[0] + row.G[1] * stage.ddx[1]
                    + row.G[2] * stage.ddx[2] + row.gap)
            row.ds = (row.f - row.a * move) * row.inverse_D
            row.dt = move + row.ds
            row.dlam = -row.c1 - row.a * row.dt
            row.dnu = -row.c2 - row.b * row.ds
            alpha = _shorten(alpha, row.t, row.dt)
            alpha = _shorten(alpha, row.s, row.ds)
            alpha = _shorten(alpha, row.lam, row.dlam)
            alpha = _shorten(alpha, row.nu, row.dnu)
            slope += row.t * row.dlam + row.lam * row.dt + row.s * row.dnu + row.nu * row.ds
            bend += row.dt * row.dlam + row.ds * row.dnu
    w.product_slope, w.product_bend = slope, bend
    return alpha


cdef void _apply(Workspace w, double alpha) noexcept nogil:
    cdef int k, b, m, i
    cdef Stage* stage
    cdef Bound* bound
    cdef Row* row
    for k in range(w.stages + 1):
        stage = &w.stage[k]
        for i in range(NX):
            w.dx[k, i] += alpha * stage.ddx[i]
        if k < w.stages:
            for i in range(NU):
                w.du[k, i] += alpha * stage.ddu[i]
        for b in range(_first_bound(w, k), _last_bound(k)):
            bound = &stage.bounds[b]
            bound.t = _max(bound.t + alpha * bound.dt, FLOOR)
            bound.l = _max(bound.l + alpha * bound.dl, FLOOR)
    for m in range(w.stage[w.stages].last):
        row = &w.row[m]
        row.t = _max(row.t + alpha * row.dt, FLOOR)
        row.s = _max(row.s + alpha * row.ds, FLOOR)
        row.lam = _max(row.lam + alpha * row.dlam, FLOOR)
        row.nu = _max(row.nu + alpha * row.dnu, FLOOR)


cdef bint _solve_qp(Workspace w, int iterations_max, double tolerance, bint warm) noexcept nogil:
    """Interior point method on the linearised problem; True when the residuals are small."""
    cdef int it
    cdef double alpha, after, ratio
    _start(w, 1.0 if not warm else 1e-1, warm)
    for it in range(iterations_max + 1):
        _residuals(w)
        if not (w.product == w.product):
            return False
        if w.stationarity < tolerance and w.infeasibility < tolerance and w.complementarity < tolerance:
            return True
        if it == iterations_max:
            return False
        if not _newton(w, True, 0.0):
            return False
        alpha = _directions(w)
        after = w.product + alpha * (w.product_slope + alpha * w.product_bend)
        ratio = after / w.product
        _newton(w, False, ratio * ratio * ratio * w.product / w.pairs)
        alpha = _directions(w)
        _apply(w, _min(1.0, 0.995 * alpha))
        w.iterations += 1
    return False


cdef double _try_step(Workspace w, double alpha) noexcept nogil:
    """Cost after a part of the step; inputs stay within their bounds."""
    cdef int k, i
    for i in range(NX):
        w.x_trial[0, i] = w.X[0, i]
    for k in range(w.stages):
        for i in range(NU):
            w.u_trial[k, i] = _min(_max(w.U[k, i] + alpha * w.du[k, i], w.low[i]), w.high[i])
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
