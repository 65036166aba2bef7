# The controller's model: dynamics with derivatives, soft rows, and the cost of a rollout.


cdef inline void _turn(double a, double c0, double s0, double* c, double* s) noexcept nogil:
    """Cosine and sine of an angle that is by a small a more than that of c0 and s0."""
    cdef double z = a * a, ca, sa
    # Taylor series to the last bit for |a| up to 0.25, half the time of the C library.
    sa = a * (1.0 - z * (1.0 / 6.0) * (1.0 - z * (1.0 / 20.0) * (1.0 - z * (1.0 / 42.0) * (
        1.0 - z * (1.0 / 72.0) * (1.0 - z * (1.0 / 110.0))))))
    ca = 1.0 - z * (1.0 / 2.0) * (1.0 - z * (1.0 / 12.0) * (1.0 - z * (1.0 / 30.0) * (
        1.0 - z * (1.0 / 56.0) * (1.0 - z * (1.0 / 90.0) * (1.0 - z * (1.0 / 132.0))))))
    c[0] = c0 * ca - s0 * sa
    s[0] = s0 * ca + c0 * sa


cdef void _advance(
    const Ocp* o, const double* x, const double* u, double* out, Stage* stage
) noexcept nogil:
    """RK4 step; with a stage also its exact derivatives."""
    cdef double h = o.h, c0 = cos(x[2]), s0 = sin(x[2]), c = c0, s = s0, turn, v, q, rate = 0.0, rv, rs, hi, wi, tn
    cdef double sx = 0.0, sy = 0.0, sth = 0.0
    # Derivatives by yaw, v, s, input 0, input 1; dr are those of the last yaw rate.
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
        turn = hi * rate
        v = x[3] + hi * u[0]
        q = x[4] + hi * u[1]
        if stage != NULL:
            for j in range(5):
                dth[j] = hi * dr[j]
            dth[0] += 1.0
        if o.wheelbase > 0.0:
            tn = tan(q) / o.wheelbase
            rate, rv, rs = v * tn, tn, v * (1.0 / o.wheelbase + tn * tn * o.wheelbase)
        else:
            rate, rv, rs = q, 0.0, 1.0
        if turn != 0.0:
            if fabs(turn) <= 0.25:
                _turn(turn, c0, s0, &c, &s)
            else:
                c, s = cos(x[2] + turn), sin(x[2] + turn)
        else:
            c, s = c0, s0
        sx += wi * v * c
        sy += wi * v * s
        sth += wi * rate
        if stage != NULL:
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


cdef double _sample(const Ocp* o, double px, double py, double* gx, double* gy) noexcept nogil:
    """Bilinear value and gradient of the distance field; far away outside of it."""
    cdef double fx = (px - o.field_x) / o.field_res - 0.5
    cdef double fy = (py - o.field_y) / o.field_res - 0.5
    cdef double a, b, f00, f01, f10, f11
    cdef const float* cell
    gx[0] = gy[0] = 0.0
    if not (fx >= 0.0 and fy >= 0.0 and fx < o.field_columns - 1 and fy < o.field_rows - 1):
        return 1e3
    a, b = fx - <int>fx, fy - <int>fy
    cell = o.field + <int>fy * o.field_columns + <int>fx
    f00, f01 = cell[0], cell[1]
    f10, f11 = cell[o.field_columns], cell[o.field_columns + 1]
    gx[0] = ((1 - b) * (f01 - f00) + b * (f11 - f10)) / o.field_res
    gy[0] = ((1 - a) * (f10 - f00) + a * (f11 - f01)) / o.field_res
    return (1 - b) * ((1 - a) * f00 + a * f01) + b * ((1 - a) * f10 + a * f11)


cdef double _penalty(const Ocp* o, int k, const double* x) noexcept nogil:
    """Cost of the soft rows of a stage at a state."""
    cdef double cost = 0.0, c = cos(x[2]), s = sin(x[2]), px, py, ex, ey, square, g, gx, gy
    cdef const double* disc
    cdef int p, i
    for p in range(o.points):
        px, py = x[0] + o.offset[p] * c, x[1] + o.offset[p] * s
        disc = o.disc + 4 * k * o.discs
        for i in range(o.discs):
            ex, ey = px - disc[0], py - disc[1]
            square = ex * ex + ey * ey + 1e-6
            if square < disc[2] * disc[2] and disc[2] > 0.0 and disc[3] > 0.0:
                g = sqrt(square) - disc[2]
                cost += 0.5 * o.slack_quadratic * g * g - disc[3] * g
            disc += 4
        if o.field_res > 0.0:
            g = _sample(o, px, py, &gx, &gy) - o.field_distance
            if g < 0.0:
                cost += 0.5 * o.slack_quadratic * g * g - o.field_weight * g
    return cost


cdef double _cost(Ocp* o) noexcept nogil:
    """Cost of the trajectory, soft rows by their penalties."""
    cdef int k, i
    cdef double cost = 0.0, e
    cdef double* weights
    cdef const Stage* stage
    for k in range(o.stages + 1):
        stage = &o.stage[k]
        weights = &o.q[0] if k < o.stages else &o.qn[0]
        for i in range(NX):
            e = stage.x[i] - stage.xr[i]
            cost += 0.5 * weights[i] * e * e
        if k > 0:
            cost += _penalty(o, k, stage.x)
        if k < o.stages:
            for i in range(NU):
                cost += 0.5 * o.r[i] * stage.u[i] * stage.u[i]
    return cost


cdef void _roll_out(Ocp* o, bint derive) noexcept nogil:
    """Follow the inputs from the first state; with derivatives on demand."""
    cdef int k
    for k in range(o.stages):
        _advance(o, o.stage[k].x, o.stage[k].u, o.stage[k + 1].x, &o.stage[k] if derive else NULL)


cdef double _hold(const Ocp* o, int i, double u, double speed) noexcept nogil:
    """Cut an input down so that it, and the v or s that it leads to, stay within their bounds."""
    cdef double after = speed + o.h * _min(_max(u, o.low[i]), o.high[i])
    after = _min(_max(after, o.low[NU + i]), o.high[NU + i])
    return _min(_max((after - speed) / o.h, o.low[i]), o.high[i])


cdef void _step_inputs(Ocp* o, double alpha) noexcept nogil:
    """
    Take a part of the step from the spare inputs and roll it out; bounds hold whatever the step is.

    v and s are linear in the inputs, so that neither model nor line search can break their bounds.
    """
    cdef int k, i
    cdef Stage* stage
    cdef double* u = o.spare
    for k in range(o.stages):
        stage = &o.stage[k]
        for i in range(NU):
            stage.u[i] = _hold(o, i, u[i] + alpha * stage.du[i], stage.x[3 + i])
            o.stage[k + 1].x[3 + i] = stage.x[3 + i] + o.h * stage.u[i]
        u += NU


cdef void _list_rows(Ocp* o) noexcept nogil:
    """List the soft rows that are near, with values and gradients."""
    cdef int k
    o.stage[0].first = o.stage[0].last = 0
    for k in range(1, o.stages + 1):
        o.stage[k].first = o.stage[k].last = o.stage[k - 1].last
        _find_rows(o, k)
    o.pairs = NBOX * o.stages + 2 * o.stage[o.stages].last


cdef void _find_rows(Ocp* o, int k) noexcept nogil:
    cdef const double* x = o.stage[k].x
    cdef const double* disc
    cdef double c = cos(x[2]), s = sin(x[2]), ox, oy, ex, ey, d, gx, gy, far, square
    cdef int p, i, slot = 0
    for p in range(o.points):
        ox, oy = o.offset[p] * c, o.offset[p] * s
        disc = o.disc + 4 * k * o.discs
        for i in range(o.discs):
            if disc[3] > 0.0:
                ex, ey = x[0] + ox - disc[0], x[1] + oy - disc[1]
                square = ex * ex + ey * ey + 1e-6
                far = o.near + disc[2]
                if far > 0.0 and square < far * far:
                    d = sqrt(square)
                    _add_row(o, k, slot, d - disc[2], ex / d, ey / d, ox, oy, disc[3])
            slot += 1
            disc += 4
        if o.field_res > 0.0:
            d = _sample(o, x[0] + ox, x[1] + oy, &gx, &gy) - o.field_distance
            if d < o.near:
                _add_row(o, k, slot, d, gx, gy, ox, oy, o.field_weight)
        slot += 1


cdef void _add_row(
    Ocp* o, int k, int slot, double g, double gx, double gy, double ox, double oy, double weight
) noexcept nogil:
    cdef Row* row = &o.row[o.stage[k].last]
    o.stage[k].last += 1
    row.slot = slot
    row.g, row.weight = g, weight
    row.G[0], row.G[1], row.G[2] = gx, gy, ox * gy - oy * gx
