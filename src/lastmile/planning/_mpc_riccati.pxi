# One Newton step of the interior point method by Riccati recursion on the model's sparsity.

cdef double LEAST = 1e-10
# Of the way to the nearest bound, a step takes this part.
cdef double SHORT = 0.995


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


cdef inline void _next_step(
    const Stage* stage, double h, const double* dx, const double* du, double* out
) noexcept nogil:
    """Give A dx + B du."""
    cdef int i, j
    for i in range(3):
        out[i] = dx[i]
        for j in range(3):
            out[i] += stage.E[i][j] * dx[2 + j]
        for j in range(NU):
            out[i] += stage.B[i][j] * du[j]
    for j in range(NU):
        out[3 + j] = dx[3 + j] + h * du[j]


cdef inline void _fold_bounds(
    Stage* stage, bint predict, double target, double* c, double* ratio
) noexcept nogil:
    """Give gradient and Hessian of the bounds by inputs, next v and next s."""
    cdef int b
    cdef double pull[NBOX]
    if predict:
        for b in range(NBOX):
            stage.inverse_t[b] = 1.0 / stage.t[b]
            stage.ratio[b] = stage.l[b] * stage.inverse_t[b]
            stage.c[b] = stage.l[b] - target * stage.inverse_t[b]
    else:
        for b in range(NBOX):
            stage.c[b] = stage.l[b] + (stage.dt[b] * stage.dl[b] - target) * stage.inverse_t[b]
    for b in range(NBOX):
        # The gap pulls the distance onto the bound's value.
        pull[b] = stage.c[b] + stage.ratio[b] * stage.gap[b]
    for b in range(NZ):
        c[b] = pull[b] - pull[NZ + b]
        ratio[b] = stage.ratio[b] + stage.ratio[NZ + b]


cdef inline void _fold_rows(
    Ocp* o, const Stage* stage, bint predict, double target, double* Q, double* q
) noexcept nogil:
    """Add the soft rows of a stage to its gradient and, in the predictor, to its Hessian."""
    cdef int m, i, j
    cdef double W, c, v
    cdef Row* row
    for m in range(stage.first, stage.last):
        row = &o.row[m]
        if predict:
            row.inverse_t, row.inverse_s = 1.0 / row.t, 1.0 / row.s
            row.a, row.b = row.lam * row.inverse_t, row.nu * row.inverse_s
            row.inverse_D = 1.0 / (o.slack_quadratic + row.a + row.b)
            row.c1 = row.lam - target * row.inverse_t
            row.c2 = row.nu - target * row.inverse_s
        else:
            row.c1 = row.lam + (row.dt * row.dlam - target) * row.inverse_t
            row.c2 = row.nu + (row.ds * row.dnu - target) * row.inverse_s
        W = row.a * (o.slack_quadratic + row.b) * row.inverse_D
        row.f = -row.e - row.c1 - row.c2
        c = row.c1 + W * row.gap + row.a * row.inverse_D * row.f
        for i in range(3):
            q[i] += row.G[i] * c
            if predict:
                v = W * row.G[i]
                for j in range(i, 3):
                    Q[i * NX + j] += v * row.G[j]


cdef inline bint _invert(
    Stage* stage, double h, const double* R, const double* P, double[NX][NU] PB
) noexcept nogil:
    """Give P B and invert the Hessian by the inputs, R + B' P B."""
    cdef int i, l
    cdef double h00, h01, h11, det
    for i in range(NX):
        # P is symmetric: its rows are its columns.
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
    return True


cdef inline void _recur(
    Stage* stage, double[NX][NU] PB, const double* Q, double* P
) noexcept nogil:
    """Feedback of a stage, and its P from Q and that of the next stage."""
    cdef int i, j
    cdef double PA[NX][NX]
    cdef double S[NX][NU]
    for i in range(NX):
        _through_A(stage, &P[i * NX], PA[i])
        for j in range(NU):
            S[i][j] = PB[i][j]
    for i in range(3):
        for j in range(NU):
            S[2 + i][j] += (stage.E[0][i] * PB[0][j] + stage.E[1][i] * PB[1][j]
                            + stage.E[2][i] * PB[2][j])
    for i in range(NX):
        stage.K[0][i] = -(stage.inverse[0] * S[i][0] + stage.inverse[1] * S[i][1])
        stage.K[1][i] = -(stage.inverse[1] * S[i][0] + stage.inverse[2] * S[i][1])
    for i in range(NX):
        for j in range(i, NX):
            P[i * NX + j] = (
                Q[i * NX + j] + PA[i][j] + S[i][0] * stage.K[0][j] + S[i][1] * stage.K[1][j])
    for i in range(3):
        for j in range(2 + i, NX):
            P[(2 + i) * NX + j] += (stage.E[0][i] * PA[0][j] + stage.E[1][i] * PA[1][j]
                                    + stage.E[2][i] * PA[2][j])
    for i in range(NX):
        for j in range(i):
            P[i * NX + j] = P[j * NX + i]


cdef bint _backward(Ocp* o, bint predict, double target) noexcept nogil:
    """
    Feedback and feedforward of all stages.

    Both aim at products of `target`. The predictor factors the Hessian; the corrector adds the
    second order of the predictor's step, and only its gradients are new.
    """
    cdef int k, i, j
    cdef double Q[NX * NX]
    cdef double q[NX]
    cdef double P[NX * NX]
    cdef double p[NX]
    cdef double R[NU]
    cdef double PB[NX][NU]
    cdef double back[NX]
    cdef double qu[NU]
    cdef double c[NZ]
    cdef double ratio[NZ]
    cdef double* weights
    cdef Stage* stage
    p[0] = p[1] = p[2] = p[3] = p[4] = 0.0
    for k in range(o.stages, -1, -1):
        stage = &o.stage[k]
        if predict and k > 0:
            weights = &o.q[0] if k < o.stages else &o.qn[0]
            for i in range(NX):
                for j in range(i, NX):
                    Q[i * NX + j] = 0.0
                Q[i * NX + i] = weights[i]
        for i in range(NX):
            q[i] = stage.gx[i]
        _fold_rows(o, stage, predict, target, Q, q)
        if k == o.stages:
            for i in range(NX):
                p[i] = q[i]
                if predict:
                    for j in range(i, NX):
                        P[i * NX + j] = P[j * NX + i] = Q[i * NX + j]
            continue
        _fold_bounds(stage, predict, target, c, ratio)
        for i in range(NU):
            p[3 + i] += c[NU + i]
        if predict:
            P[3 * NX + 3] += ratio[2]
            P[4 * NX + 4] += ratio[3]
            R[0], R[1] = o.r[0] + ratio[0], o.r[1] + ratio[1]
            if not _invert(stage, o.h, R, P, PB):
                return False
            if k > 0:
                _recur(stage, PB, Q, P)
        _through_B(stage, o.h, p, qu)
        for i in range(NU):
            qu[i] += stage.gu[i] + c[i]
        stage.kff[0] = -(stage.inverse[0] * qu[0] + stage.inverse[1] * qu[1])
        stage.kff[1] = -(stage.inverse[1] * qu[0] + stage.inverse[2] * qu[1])
        if k > 0:
            _through_A(stage, p, back)
            for i in range(NX):
                p[i] = q[i] + back[i] + stage.K[0][i] * qu[0] + stage.K[1][i] * qu[1]
    return True


cdef double _forward(Ocp* o) noexcept nogil:
    """Steps of all variables; gives the length that keeps all of them positive, at most 1."""
    cdef int k, i, j, b
    cdef Stage* stage
    cdef double d[NZ]
    cdef double share[NBOX]
    cdef double slope[NBOX]
    cdef double bend[NBOX]
    cdef double after[NBOX]
    for b in range(NBOX):
        share[b] = slope[b] = bend[b] = after[b] = 0.0
    o.sums.share, o.sums.slope, o.sums.bend, o.sums.after = 0.0, 0.0, 0.0, 0.0
    for i in range(NX):
        o.stage[0].ddx[i] = 0.0
    for k in range(o.stages):
        stage = &o.stage[k]
        for i in range(NU):
            d[i] = stage.kff[i]
            if k > 0:
                for j in range(NX):
                    d[i] += stage.K[i][j] * stage.ddx[j]
            stage.ddu[i] = d[i]
        _next_step(stage, o.h, stage.ddx, stage.ddu, o.stage[k + 1].ddx)
        d[2], d[3] = o.stage[k + 1].ddx[3], o.stage[k + 1].ddx[4]
        for b in range(NZ):
            stage.dt[b] = stage.gap[b] + d[b]
            stage.dt[NZ + b] = stage.gap[NZ + b] - d[b]
        for b in range(NBOX):
            stage.dl[b] = -stage.c[b] - stage.ratio[b] * stage.dt[b]
            share[b] = _max(share[b], -stage.dt[b] * stage.inverse_t[b])
            share[b] = _max(share[b], -stage.dl[b] / stage.l[b])
            slope[b] += stage.t[b] * stage.dl[b] + stage.l[b] * stage.dt[b]
            bend[b] += stage.dt[b] * stage.dl[b]
            after[b] = _max(
                after[b], (stage.t[b] + stage.dt[b]) * (stage.l[b] + stage.dl[b])
            )
        _row_steps(o, &o.stage[k + 1])
    for b in range(NBOX):
        o.sums.share = _max(o.sums.share, share[b])
        o.sums.after = _max(o.sums.after, after[b])
        o.sums.slope += slope[b]
        o.sums.bend += bend[b]
    return _min(1.0, SHORT / _max(o.sums.share, LEAST))


cdef inline void _row_steps(Ocp* o, const Stage* stage) noexcept nogil:
    """Steps of the soft rows of a stage from that of its state."""
    cdef int m
    cdef double move, share
    cdef Sums sums = o.sums
    cdef Row* row
    for m in range(stage.first, stage.last):
        row = &o.row[m]
        move = (row.G[0] * stage.ddx[0] + row.G[1] * stage.ddx[1]
                + row.G[2] * stage.ddx[2] + row.gap)
        row.ds = (row.f - row.a * move) * row.inverse_D
        row.dt = move + row.ds
        row.dlam = -row.c1 - row.a * row.dt
        row.dnu = -row.c2 - row.b * row.ds
        share = _max(-row.dt * row.inverse_t, -row.ds * row.inverse_s)
        share = _max(share, _max(-row.dlam / row.lam, -row.dnu / row.nu))
        sums.share = _max(sums.share, share)
        sums.slope += row.t * row.dlam + row.lam * row.dt + row.s * row.dnu + row.nu * row.ds
        sums.bend += row.dt * row.dlam + row.ds * row.dnu
        sums.after = _max(sums.after, (row.t + row.dt) * (row.lam + row.dlam))
        sums.after = _max(sums.after, (row.s + row.ds) * (row.nu + row.dnu))
    o.sums = sums
