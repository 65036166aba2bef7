# Data of the controller's kernel: what belongs to a stage lies together, in arrays of fixed size.

cdef enum:
    NX = 5
    NU = 2
    # Bounds of a stage: the lower ones of its two inputs and of the next v and s, then the upper.
    NZ = 4
    NBOX = 8


cdef struct Row:
    # A soft row g + G (x, y, yaw) + s - t = 0: slack s, its dual nu, distance t, its dual lam.
    double G[3]
    double g, weight
    double s, t, lam, nu
    double ds, dt, dlam, dnu
    # Residuals of the row and of the gradient by its slack.
    double gap, e
    # 1 / t, 1 / s, lam / t, nu / s, 1 / (Hessian by the slack), targets over t and s, and
    # -e - c1 - c2.
    double inverse_t, inverse_s, a, b, inverse_D, c1, c2, f
    # Which row of its stage it is.
    int slot


cdef struct Stage:
    # Where it is linearised, the solution of the quadratic problem less that, and what is wanted.
    double x[NX]
    double u[NU]
    double dx[NX]
    double du[NU]
    double xr[NX]
    # The next x, y, yaw add E (yaw, v, s) and B u to the present; v and s add h u.
    double E[3][3]
    double B[3][NU]
    # Gradient of the Lagrangian without the dynamics, and the Newton step with its feedback.
    double gx[NX]
    double gu[NU]
    double ddx[NX]
    double ddu[NU]
    double K[NU][NX]
    double kff[NU]
    # Inverse of the Hessian by the inputs: (0, 0), (0, 1), (1, 1).
    double inverse[3]
    # Distance to the bounds, duals, their steps; value of the bound less t; 1 / t, l / t, and the
    # complementarity target over t.
    double t[NBOX]
    double l[NBOX]
    double dt[NBOX]
    double dl[NBOX]
    double gap[NBOX]
    double inverse_t[NBOX]
    double ratio[NBOX]
    double c[NBOX]
    # Its soft rows are row[first:last].
    int first, last


cdef struct Sums:
    # Of a Newton step: largest share by which it shortens a distance or a dual, how the sum of all
    # products changes with its length, and the worst product after the whole of it.
    double share, slope, bend, after


cdef struct Ocp:
    int stages, discs, points, slots
    double h, wheelbase
    double q[NX]
    double qn[NX]
    double r[NU]
    double low[NZ]
    double high[NZ]
    double slack_quadratic, field_weight, field_distance
    # Positions of the robot's discs on its axis, and the greatest of them.
    double* offset
    double reach
    # x, y, radius and weight by stage and disc.
    double* disc
    const float* field
    int field_rows, field_columns
    double field_x, field_y, field_res
    Stage* stage
    Row* row
    # Duals of the soft rows by stage and slot, as the last solve left them.
    double* kept
    # Inputs to fall back upon.
    double* spare
    # Soft rows further than this from their bound are left out until they could matter.
    double near
    # Products of distances and duals.
    int pairs
    double product
    Sums sums
    # Results.
    double cost, stationarity, equality, inequality, complementarity
    int iterations, sqp_steps


# The C library's fmin and fmax are calls, because they also take care of NaN.
cdef inline double _min(double a, double b) noexcept nogil:
    return a if a < b else b


cdef inline double _max(double a, double b) noexcept nogil:
    return a if a > b else b
