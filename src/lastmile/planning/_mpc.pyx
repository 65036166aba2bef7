# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""
Kernel of the model predictive controller; `mpc.py` is its only caller.

One optimal control problem over N stages: states x, y, yaw, v, s (s is the yaw rate of a
differential drive or the steering angle of an Ackermann car), inputs acceleration and rate of s.
Quadratic tracking cost, box bounds on inputs, v and s, and soft rows that keep the discs of the
robot away from obstacle discs and from the blocked cells of a distance field.

Every SQP step linearises about a rolled-out trajectory and solves the quadratic problem with
Mehrotra's predictor-corrector interior point method. The slacks of the soft rows are eliminated by
hand, and each Newton step is a Riccati recursion (Rao, Wright and Rawlings 1998; Frison and Diehl,
HPIPM, arXiv 2003.02547). The iterates always satisfy the linearised dynamics, because they start
from a rollout, so that the recursion carries no defects.

Distances to bounds start where the trajectory is, duals where the last solve left them, both
lifted to a barrier: between two control steps little changes, and one or two iterations suffice.
Only the soft rows that are near are listed, one after another.
"""

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.math cimport cos, fabs, sin, sqrt, tan
from libc.string cimport memcpy, memmove, memset

import numpy as np

include "_mpc_types.pxi"
include "_mpc_model.pxi"
include "_mpc_riccati.pxi"
include "_mpc_interior.pxi"

# Soft rows this near are listed at first, with duals and without, and all others when a step turns
# out to go so far.
cdef double NEAR_M = 1.5
cdef double NEAR_COLD_M = 2.5
cdef double FAR_M = 1e3
# What is not finite is not below this.
cdef double HUGE = 1e300


cdef bint _linearise_and_solve(
    Ocp* o, int iterations_max, double tolerance, bint warm
) noexcept nogil:
    """One quadratic problem at a rolled-out trajectory with derivatives."""
    cdef bint solved
    o.near = NEAR_M if warm else NEAR_COLD_M
    _list_rows(o)
    solved = _solve_qp(o, iterations_max, tolerance, warm)
    if not _near_rows_suffice(o):
        _keep_duals(o)
        o.near = FAR_M
        _list_rows(o)
        solved = _solve_qp(o, iterations_max, tolerance, True)
    _keep_duals(o)
    return solved


cdef double _try_step(Ocp* o, double alpha) noexcept nogil:
    """Roll out the spare inputs and a part of the step, and give the cost."""
    _step_inputs(o, alpha)
    _roll_out(o, False)
    return _cost(o)


cdef double _search(Ocp* o) noexcept nogil:
    """Shorten the step until it costs less; if nothing does, inputs and cost stay."""
    cdef int i
    cdef double cost, alpha = 1.0
    for i in range(5):
        cost = _try_step(o, alpha)
        if cost < o.cost:
            return cost
        alpha *= 0.5
    _try_step(o, 0.0)
    return o.cost


cdef bint _improve(
    Ocp* o, int sqp_steps, int iterations_max, double tolerance, bint warm
) noexcept nogil:
    """SQP steps with a search along each; True when the last problem was solved."""
    cdef int step
    cdef double cost
    cdef bint solved = False
    o.iterations = o.sqp_steps = 0
    _hold_inputs(o)
    _roll_out(o, True)
    o.cost = _cost(o)
    for step in range(sqp_steps):
        if step > 0:
            _roll_out(o, True)
        solved = _linearise_and_solve(o, iterations_max, tolerance, warm or step > 0)
        _spare_inputs(o)
        cost = _search(o)
        o.sqp_steps += 1
        if not o.cost - cost >= 1e-4 * (1.0 + fabs(cost)):
            o.cost = cost
            break
        o.cost = cost
    return solved


cdef bint _iterate(Ocp* o, int iterations_max, double tolerance, bint warm) noexcept nogil:
    """
    One real-time iteration: the whole step, unless its problem was not solved.

    Then the step is taken only if it costs less than going on as before, which is feasible.
    """
    cdef bint solved
    o.iterations = 0
    o.sqp_steps = 1
    _hold_inputs(o)
    _roll_out(o, True)
    solved = _linearise_and_solve(o, iterations_max, tolerance, warm)
    _spare_inputs(o)
    if solved:
        _step_inputs(o, 1.0)
    else:
        o.cost = _cost(o)
        o.cost = _search(o)
    return solved


cdef void _hold_inputs(Ocp* o) noexcept nogil:
    """Bring the inputs of a guess within their bounds and those of v and s."""
    cdef int k, i
    cdef Stage* stage
    for k in range(o.stages):
        stage = &o.stage[k]
        for i in range(NU):
            stage.u[i] = _hold(o, i, stage.u[i], stage.x[3 + i])
            o.stage[k + 1].x[3 + i] = stage.x[3 + i] + o.h * stage.u[i]


cdef void _spare_inputs(Ocp* o) noexcept nogil:
    cdef int k, i
    for k in range(o.stages):
        for i in range(NU):
            o.spare[NU * k + i] = o.stage[k].u[i]


cdef void _shift(Ocp* o, int steps) noexcept nogil:
    """Move inputs and duals on in time; the last ones are repeated."""
    cdef int k, source
    for k in range(o.stages):
        source = k + steps if k + steps < o.stages else o.stages - 1
        memcpy(o.stage[k].u, o.stage[source].u, NU * sizeof(double))
        memcpy(o.stage[k].l, o.stage[source].l, NBOX * sizeof(double))
    for k in range(o.stages + 1):
        source = k + steps if k + steps < o.stages + 1 else o.stages
        memmove(o.kept + k * o.slots, o.kept + source * o.slots, o.slots * sizeof(double))


cdef class Workspace:
    """Arrays of one problem size, kept between solves."""

    cdef Ocp o
    # Keeps the memory of the field alive.
    cdef const float[:, ::1] field

    def __cinit__(self, int stages, int discs, int points):
        cdef Ocp* o = &self.o
        memset(o, 0, sizeof(Ocp))
        o.stages, o.discs, o.points = stages, discs, points
        o.slots = points * (discs + 1)
        o.stage = <Stage*>PyMem_Calloc(stages + 1, sizeof(Stage))
        o.row = <Row*>PyMem_Calloc(stages * o.slots, sizeof(Row))
        o.offset = <double*>PyMem_Calloc(points, sizeof(double))
        o.disc = <double*>PyMem_Calloc((stages + 1) * max(discs, 1) * 4, sizeof(double))
        o.kept = <double*>PyMem_Calloc((stages + 1) * o.slots, sizeof(double))
        o.spare = <double*>PyMem_Calloc(stages * NU, sizeof(double))
        if not (o.stage and o.row and o.offset and o.disc and o.kept and o.spare):
            raise MemoryError

    def __dealloc__(self):
        PyMem_Free(self.o.stage)
        PyMem_Free(self.o.row)
        PyMem_Free(self.o.offset)
        PyMem_Free(self.o.disc)
        PyMem_Free(self.o.kept)
        PyMem_Free(self.o.spare)

    def set_model(self, double step_s, double wheelbase, offsets):
        """Set the motion model and the positions of the robot's discs on its axis."""
        cdef int i
        self.o.h, self.o.wheelbase = step_s, wheelbase
        for i in range(self.o.points):
            self.o.offset[i] = offsets[i]
            self.o.reach = max(self.o.reach, abs(offsets[i]))

    def set_costs(
        self,
        state,
        double end,
        inputs,
        double slack_quadratic,
        double field_weight,
        double field_distance,
    ):
        """Set the weights of the cost; those of the state count `end` times at the end."""
        cdef int i
        for i in range(NX):
            self.o.q[i], self.o.qn[i] = state[i], end * state[i]
        for i in range(NU):
            self.o.r[i] = inputs[i]
        self.o.slack_quadratic = slack_quadratic
        self.o.field_weight, self.o.field_distance = field_weight, field_distance

    def set_bounds(self, const double[::1] low, const double[::1] high):
        """Set bounds of inputs, v and s: acceleration, rate of s, v, s."""
        cdef int i
        if low.shape[0] != NZ or high.shape[0] != NZ:
            raise ValueError(
                f"bounds have shapes ({low.shape[0]},) and ({high.shape[0]},), "
                f"they must be ({NZ},)")
        for i in range(NZ):
            if not (fabs(low[i]) < HUGE and fabs(high[i]) < HUGE):
                raise ValueError("low bounds and high bounds must be finite")
            if not low[i] < high[i]:
                raise ValueError(f"bounds {list(low)} must lie below {list(high)}")
        for i in range(NZ):
            self.o.low[i], self.o.high[i] = low[i], high[i]

    def set_field(self, const float[:, ::1] field, double x, double y, double resolution):
        """Set the distance field by its corner and resolution; None goes without."""
        if field is None:
            self.o.field_res = 0.0
            return
        self.field = field
        self.o.field = &field[0, 0]
        self.o.field_rows, self.o.field_columns = field.shape[0], field.shape[1]
        self.o.field_x, self.o.field_y, self.o.field_res = x, y, resolution

    def set_state(self, const double[::1] state):
        """Set the first state; v and s beyond their bounds are taken as the bounds."""
        cdef int i
        cdef double* x = self.o.stage[0].x
        if state.shape[0] != NX:
            raise ValueError(f"state has shape ({state.shape[0]},), it must be ({NX},)")
        for i in range(NX):
            if not fabs(state[i]) < HUGE:
                raise ValueError("state must be finite")
            x[i] = state[i]
        for i in range(NU):
            # A speed measured a little beyond its bound must not make the first stage infeasible.
            x[3 + i] = _min(_max(x[3 + i], self.o.low[NU + i]), self.o.high[NU + i])

    def set_reference(self, const double[:, ::1] reference):
        """Set the states wanted at all stages."""
        cdef int k, i
        cdef double check = 0.0
        if reference.shape[0] != self.o.stages + 1 or reference.shape[1] != NX:
            raise ValueError(
                f"reference has shape ({reference.shape[0]}, {reference.shape[1]}), "
                f"it must be ({self.o.stages + 1}, {NX})")
        for k in range(self.o.stages + 1):
            for i in range(NX):
                self.o.stage[k].xr[i] = reference[k, i]
                check += 0.0 * reference[k, i]
        if check != 0.0:
            raise ValueError("reference must be finite")

    def set_discs(self, const double[:, :, ::1] discs):
        """Set x, y, radius and weight of the discs at all stages."""
        cdef int n = self.o.stages + 1, i, j
        cdef double check[4]
        if discs.shape[0] != n or discs.shape[1] != self.o.discs or discs.shape[2] != 4:
            raise ValueError(
                f"discs has shape ({discs.shape[0]}, {discs.shape[1]}, {discs.shape[2]}), "
                f"it must be ({n}, {self.o.discs}, 4)")
        if self.o.discs == 0:
            return
        cdef const double* value = &discs[0, 0, 0]
        memcpy(self.o.disc, value, n * self.o.discs * 4 * sizeof(double))
        check[0] = check[1] = check[2] = check[3] = 0.0
        for i in range(n * self.o.discs):
            for j in range(4):
                check[j] += 0.0 * value[4 * i + j]
        if check[0] + check[1] + check[2] + check[3] != 0.0:
            raise ValueError("discs must be finite")

    def set_inputs(self, const double[:, ::1] inputs):
        """Set the guess of the inputs."""
        cdef int k, i
        cdef double check = 0.0
        if inputs.shape[0] != self.o.stages or inputs.shape[1] != NU:
            raise ValueError(
                f"inputs has shape ({inputs.shape[0]}, {inputs.shape[1]}), "
                f"it must be ({self.o.stages}, {NU})")
        for k in range(self.o.stages):
            for i in range(NU):
                self.o.stage[k].u[i] = inputs[k, i]
                check += 0.0 * inputs[k, i]
        if check != 0.0:
            raise ValueError("inputs must be finite")

    def get(self, str name):
        """Give x, u, dx or du of all stages."""
        cdef int k, i, size = NX if name in ("x", "dx") else NU
        cdef double* value
        out = np.zeros((self.o.stages + (size == NX), size))
        cdef double[:, ::1] view = out
        for k in range(view.shape[0]):
            if name == "x":
                value = self.o.stage[k].x
            elif name == "u":
                value = self.o.stage[k].u
            elif name == "dx":
                value = self.o.stage[k].dx
            else:
                value = self.o.stage[k].du
            for i in range(size):
                view[k, i] = value[i]
        return out

    @property
    def X(self):
        return self.get("x")

    @property
    def U(self):
        return self.get("u")

    @property
    def dx(self):
        return self.get("dx")

    @property
    def du(self):
        return self.get("du")

    @property
    def residuals(self):
        """Stationarity, equality, inequality and complementarity of the last quadratic problem."""
        return (self.o.stationarity, self.o.equality, self.o.inequality, self.o.complementarity)

    @property
    def iterations(self):
        return self.o.iterations

    @property
    def sqp_steps(self):
        return self.o.sqp_steps

    @property
    def cost(self):
        return self.o.cost

    def get_derivatives(self):
        """Give derivatives of the next state by state (N, 5, 5) and input (N, 5, 2)."""
        cdef int k, i, j
        cdef const Stage* stage
        A = np.tile(np.eye(NX), (self.o.stages, 1, 1))
        B = np.zeros((self.o.stages, NX, NU))
        cdef double[:, :, ::1] a = A, b = B
        for k in range(self.o.stages):
            stage = &self.o.stage[k]
            for i in range(3):
                for j in range(3):
                    a[k, i, 2 + j] += stage.E[i][j]
                for j in range(NU):
                    b[k, i, j] = stage.B[i][j]
            for i in range(NU):
                b[k, 3 + i, i] = self.o.h
        return A, B

    def get_duals(self):
        """
        Give the duals of bounds (N, 8) and of soft rows (N + 1, robot discs x (discs + 1)).

        Bounds are the lower ones of both inputs, next v and next s, then the upper ones; the last
        soft row of a robot disc is that of the field.
        """
        cdef int k, i
        bounds = np.zeros((self.o.stages, NBOX))
        rows = np.zeros((self.o.stages + 1, self.o.slots))
        cdef double[:, ::1] b = bounds, r = rows
        for k in range(self.o.stages):
            memcpy(&b[k, 0], self.o.stage[k].l, NBOX * sizeof(double))
        memcpy(&r[0, 0], self.o.kept, (self.o.stages + 1) * self.o.slots * sizeof(double))
        return bounds, rows

    def set_duals(self, const double[:, ::1] bounds, const double[:, ::1] rows):
        """Set what `get_duals` gave, of a workspace of the same size."""
        cdef int k
        if bounds.shape[0] != self.o.stages or bounds.shape[1] != NBOX:
            raise ValueError(f"duals of bounds must have shape ({self.o.stages}, {NBOX})")
        if rows.shape[0] != self.o.stages + 1 or rows.shape[1] != self.o.slots:
            raise ValueError(f"duals of rows must have shape ({self.o.stages + 1}, {self.o.slots})")
        for k in range(self.o.stages):
            memcpy(self.o.stage[k].l, &bounds[k, 0], NBOX * sizeof(double))
        memcpy(self.o.kept, &rows[0, 0], (self.o.stages + 1) * self.o.slots * sizeof(double))

    def solve(self, int sqp_steps, int iterations_max, double tolerance, bint warm):
        """Improve the inputs by SQP steps; True when the last problem met its tolerance."""
        cdef bint solved
        with nogil:
            solved = _improve(&self.o, sqp_steps, iterations_max, tolerance, warm)
        return solved

    def iterate(
        self, int steps, int iterations_max, double tolerance, bint warm, double[::1] first
    ):
        """One real-time iteration, `steps` stages after the last; `first` becomes the input."""
        cdef bint solved
        cdef Ocp* o = &self.o
        with nogil:
            if steps > 0:
                _shift(o, steps)
            solved = _iterate(o, iterations_max, tolerance, warm)
            first[0], first[1] = o.stage[0].u[0], o.stage[0].u[1]
        return solved

    def qp_step(self, int iterations_max, double tolerance):
        """Solve the quadratic problem at the guess into dx and du (for tests)."""
        cdef Ocp* o = &self.o
        cdef bint solved
        with nogil:
            o.iterations = 0
            _roll_out(o, True)
            solved = _linearise_and_solve(o, iterations_max, tolerance, False)
        return solved

    def roll_out(self):
        """Follow the inputs, and give the cost."""
        with nogil:
            _hold_inputs(&self.o)
            _roll_out(&self.o, False)
            self.o.cost = _cost(&self.o)
        return self.o.cost
