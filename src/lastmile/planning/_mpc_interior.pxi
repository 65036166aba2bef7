# Interior point method for the linearised problem: Mehrotra's predictor and corrector, warm starts.

# Barrier at which a solve starts without duals, and with them as a share of the tolerance.
cdef double MU_COLD = 1.0
cdef double WARM = 0.3
# Least barrier that a step aims at, as a share of the tolerance.
cdef double AIM = 0.03
# The barrier that belongs to what has changed since the duals were found: shares of the mean
# product and of the residual of stationarity, at most MU_CHANGED by the latter. One that is CHANGED
# times that of a warm start lifts it: 9 iterations at the 99th percentile of the reference problem
# instead of 15, and 23 at most instead of 50.
cdef double BY_PRODUCTS = 0.3
cdef double BY_STATIONARITY = 3e-3
cdef double MU_CHANGED = 0.1
cdef double CHANGED = 30.0

cdef inline void _bound_values(const Ocp* o, int k, double* value) noexcept nogil:
    """Distances of the iterate from the bounds of a stage."""
    cdef const Stage* stage = &o.stage[k]
    cdef const Stage* after = &o.stage[k + 1]
    cdef double z[NZ]
    cdef int b
    for b in range(NU):
        z[b] = stage.u[b] + stage.du[b]
        z[NU + b] = after.x[3 + b] + after.dx[3 + b]
    for b in range(NZ):
        value[b] = z[b] - o.low[b]
        value[NZ + b] = o.high[b] - z[b]


cdef void _start(Ocp* o, double mu, bint warm) noexcept nogil:
    """
    Start at the linearisation, with the duals of the last solve or with none.

    Distances and duals are lifted until each product is at least the barrier `mu`.
    """
    cdef int k, m, b, i
    cdef double least = 1e-3 if warm else 1e-1
    cdef double value[NBOX]
    cdef Stage* stage
    for k in range(o.stages + 1):
        stage = &o.stage[k]
        for i in range(NX):
            stage.dx[i] = stage.ddx[i] = 0.0
        for i in range(NU):
            stage.du[i] = stage.ddu[i] = 0.0
        for b in range(NBOX):
            stage.dt[b] = stage.dl[b] = 0.0
    for k in range(o.stages):
        stage = &o.stage[k]
        _bound_values(o, k, value)
        for b in range(NBOX):
            stage.t[b] = _max(value[b], least)
            if warm:
                # An active bound keeps its dual and gets the distance that belongs to it.
                stage.t[b] = _max(value[b], _min(least, mu / stage.l[b]))
                stage.l[b] = _max(stage.l[b], mu / stage.t[b])
            else:
                stage.l[b] = mu / stage.t[b]
    for k in range(1, o.stages + 1):
        for m in range(o.stage[k].first, o.stage[k].last):
            _start_row(o, k, m, mu, warm)


cdef inline void _start_row(Ocp* o, int k, int m, double mu, bint warm) noexcept nogil:
    cdef Row* row = &o.row[m]
    cdef const Stage* stage = &o.stage[k]
    cdef double value = (row.g + row.G[0] * stage.dx[0] + row.G[1] * stage.dx[1]
                         + row.G[2] * stage.dx[2])
    cdef double steep, lam
    row.dt = row.ds = row.dlam = row.dnu = 0.0
    row.s = _max(-value, 0.0)
    if warm:
        lam = o.kept[k * o.slots + row.slot]
        steep = row.weight + o.slack_quadratic * row.s
        row.nu = _max(steep - lam, mu)
        row.s = _max(row.s, mu / row.nu)
        row.lam = _max(steep - row.nu, 1e-3 * mu)
        row.t = _max(value + row.s, _min(1e-3, mu / row.lam))
        row.lam = _max(row.lam, mu / row.t)
    else:
        row.s += 1e-1
        row.t = _max(value + row.s, 1e-1)
        row.lam = _min(mu / row.t, 0.5 * row.weight)
        row.nu = _max(row.weight + o.slack_quadratic * row.s - row.lam, mu)


cdef void _lift(Ocp* o, double mu) noexcept nogil:
    """Lift products to a barrier, the smaller of the two factors as far as need be."""
    cdef int k, b, m
    cdef double even = sqrt(mu)
    cdef Stage* stage
    cdef Row* row
    for k in range(o.stages):
        stage = &o.stage[k]
        for b in range(NBOX):
            stage.t[b] = _max(stage.t[b], _min(mu / stage.l[b], even))
            stage.l[b] = _max(stage.l[b], mu / stage.t[b])
    for m in range(o.stage[o.stages].last):
        row = &o.row[m]
        even = sqrt(mu / row.weight)
        row.t = _max(row.t, _min(mu / row.lam, even))
        row.lam = _max(row.lam, mu / row.t)
        row.s = _max(row.s, _min(mu / row.nu, even))
        row.nu = _max(row.nu, mu / row.s)


cdef void _move(Ocp* o, double alpha) noexcept nogil:
    """Take a part of the Newton step; then gradients, residuals and products."""
    cdef int k, i, b
    cdef Stage* stage
    cdef Stage* after
    cdef double product[NBOX]
    cdef double worst[NBOX]
    cdef double gap[NBOX]
    cdef double value[NBOX]
    cdef double next_dx[NX]
    for b in range(NBOX):
        product[b] = worst[b] = gap[b] = 0.0
    o.product = o.complementarity = o.inequality = o.equality = o.stationarity = 0.0
    for k in range(o.stages):
        stage, after = &o.stage[k], &o.stage[k + 1]
        for i in range(NU):
            stage.du[i] += alpha * stage.ddu[i]
        for i in range(NX):
            after.dx[i] += alpha * after.ddx[i]
        _next_step(stage, o.h, stage.dx, stage.du, next_dx)
        for i in range(NX):
            o.equality = _max(o.equality, fabs(next_dx[i] - after.dx[i]))
            after.gx[i] = (o.q[i] if k + 1 < o.stages else o.qn[i]) * (
                after.x[i] + after.dx[i] - after.xr[i])
        _bound_values(o, k, value)
        for b in range(NBOX):
            stage.t[b] = _max(stage.t[b] + alpha * stage.dt[b], LEAST)
            stage.l[b] = _max(stage.l[b] + alpha * stage.dl[b], LEAST)
            stage.gap[b] = value[b] - stage.t[b]
            gap[b] = _max(gap[b], fabs(stage.gap[b]))
            value[b] = stage.t[b] * stage.l[b]
            product[b] += value[b]
            worst[b] = _max(worst[b], value[b])
        for i in range(NU):
            stage.gu[i] = (o.r[i] * (stage.u[i] + stage.du[i])
                           - stage.l[i] + stage.l[NZ + i])
            after.gx[3 + i] -= stage.l[NU + i] - stage.l[NZ + NU + i]
        _move_rows(o, after, alpha)
    for b in range(NBOX):
        o.product += product[b]
        o.complementarity = _max(o.complementarity, worst[b])
        o.inequality = _max(o.inequality, gap[b])
    _adjoint(o)


cdef inline void _move_rows(Ocp* o, Stage* stage, double alpha) noexcept nogil:
    cdef int m, i
    cdef double first, second
    cdef Row* row
    for m in range(stage.first, stage.last):
        row = &o.row[m]
        row.t = _max(row.t + alpha * row.dt, LEAST)
        row.s = _max(row.s + alpha * row.ds, LEAST)
        row.lam = _max(row.lam + alpha * row.dlam, LEAST)
        row.nu = _max(row.nu + alpha * row.dnu, LEAST)
        row.gap = row.g + row.s - row.t
        for i in range(3):
            stage.gx[i] -= row.G[i] * row.lam
            row.gap += row.G[i] * stage.dx[i]
        row.e = o.slack_quadratic * row.s + row.weight - row.lam - row.nu
        first, second = row.t * row.lam, row.s * row.nu
        o.product += first + second
        o.complementarity = _max(o.complementarity, _max(first, second))
        o.inequality = _max(o.inequality, fabs(row.gap))
        o.stationarity = _max(o.stationarity, fabs(row.e))


cdef void _adjoint(Ocp* o) noexcept nogil:
    """
    Stationarity by the inputs.

    The multipliers of the dynamics are those with which that by the states is zero.
    """
    cdef int k, i
    cdef double pi[NX]
    cdef double back[NX]
    cdef double by_input[NU]
    cdef const Stage* stage
    for i in range(NX):
        pi[i] = o.stage[o.stages].gx[i]
    for k in range(o.stages - 1, -1, -1):
        stage = &o.stage[k]
        _through_B(stage, o.h, pi, by_input)
        for i in range(NU):
            o.stationarity = _max(o.stationarity, fabs(stage.gu[i] + by_input[i]))
        if k > 0:
            _through_A(stage, pi, back)
            for i in range(NX):
                pi[i] = stage.gx[i] + back[i]


cdef bint _near_rows_suffice(const Ocp* o) noexcept nogil:
    """Tell whether the step is so short that it meets no soft row that was left out."""
    cdef int k
    cdef double moved, near = o.near
    cdef const double* dx
    if o.field_res > 0.0:
        # A bilinear field may be steeper than 1.
        near /= 1.5
    for k in range(1, o.stages + 1):
        dx = o.stage[k].dx
        moved = sqrt(dx[0] * dx[0] + dx[1] * dx[1]) + o.reach * fabs(dx[2])
        if moved > near:
            return False
    return True


cdef void _keep_duals(Ocp* o) noexcept nogil:
    """Keep the duals of the soft rows, by stage and slot."""
    cdef int k, m
    cdef double* kept
    memset(o.kept, 0, (o.stages + 1) * o.slots * sizeof(double))
    for k in range(1, o.stages + 1):
        kept = o.kept + k * o.slots
        for m in range(o.stage[k].first, o.stage[k].last):
            kept[o.row[m].slot] = o.row[m].lam


cdef bint _solve_qp(Ocp* o, int iterations_max, double tolerance, bint warm) noexcept nogil:
    """Solve the linearised problem with the soft rows that are listed."""
    cdef double mu = WARM * tolerance if warm else MU_COLD
    cdef int it
    cdef double alpha, ratio, target, worst
    # Where little has changed, a predictor that stays at the barrier does at once.
    cdef double aim = mu if warm else 0.0
    _start(o, mu, warm)
    _move(o, 0.0)
    if warm:
        target = _min(BY_STATIONARITY * o.stationarity, MU_CHANGED)
        target = _max(BY_PRODUCTS * o.product / o.pairs, target)
        if target > CHANGED * mu:
            # Products of so different sizes would shorten all steps.
            _lift(o, target)
            aim = 0.0
            _move(o, 0.0)
    for it in range(iterations_max + 1):
        worst = _max(_max(o.stationarity, o.equality), _max(o.inequality, o.complementarity))
        if worst < tolerance:
            return True
        # A NaN passes no comparison, but _max drops it: the sum of products keeps it.
        if it == iterations_max or not o.product < 1e300 or not _backward(o, True, aim):
            return False
        o.iterations += 1
        alpha = _forward(o)
        if (1.0 - alpha) * worst < 0.5 * tolerance and o.sums.after < 0.5 * tolerance:
            # The predictor will do.
            _move(o, alpha)
            continue
        aim = 0.0
        ratio = 1.0 + alpha * (o.sums.slope + alpha * o.sums.bend) / o.product
        target = _max(ratio * ratio * ratio * o.product / o.pairs, AIM * tolerance)
        _backward(o, False, target)
        alpha = _forward(o)
        _move(o, alpha)
    return False
