# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Ground, steps and feet along the columns of a range image; called from ground.py only."""

from libc.math cimport fabs

cdef enum:
    TOO_FAR = 1
    UNSORTED = 3
    GROUND = 4
    OBSTACLE = 5
    OVERHEAD = 6
    CURB = 1
    DROP = 2

cdef struct Rules:
    double tolerance
    double tolerance_slope
    double tolerance_max
    double start_slope
    double slope_max
    double slope_memory
    double step_min
    double step_max
    double step_grade
    double plateau
    double feet
    double feet_height
    double overhang
    double step_range
    double missing_range
    double sensor_height
    int missing_columns

cdef struct Trace:
    # Last ground of a column, the one before it, and the plateau the column stands on.
    bint started
    double r, z, slope
    Py_ssize_t row
    bint has_older
    double older_r, older_z, older_slope
    bint raised
    Py_ssize_t raised_row
    double raised_r, base_r, base_z, base_slope


cdef inline double clip(double v, double low, double high) noexcept nogil:
    return low if v < low else (high if v > high else v)


cdef inline void follow(Trace *t, Py_ssize_t i, double r, double z, bint step,
                        const Rules *p) noexcept nogil:
    """Move the trace on to new ground; a step leaves the slope as it was."""
    cdef double run = r - t.r, w
    t.has_older = t.started and not step
    t.older_r = t.r
    t.older_z = t.z
    t.older_slope = t.slope
    if not step and run > 0.02:
        w = run / (run + p.slope_memory)
        t.slope = clip((1.0 - w) * t.slope + w * (z - t.z) / run, -p.slope_max, p.slope_max)
    t.r = r
    t.z = z
    t.row = i
    t.started = True


cdef inline Py_ssize_t emit(float[:, ::1] edges, Py_ssize_t count, double x, double y,
                            int kind) noexcept nogil:
    if count < edges.shape[0]:
        edges[count, 0] = <float>x
        edges[count, 1] = <float>y
        edges[count, 2] = kind
        count += 1
    return count


cdef Py_ssize_t emit_between(const float[:, :, ::1] points, Py_ssize_t j, Py_ssize_t near,
                             Py_ssize_t far, int kind, const Rules *p, float[:, ::1] edges,
                             Py_ssize_t count) noexcept nogil:
    """Put the edge of a step amid the stretch that the two rays leave for it."""
    cdef double rn = points[near, j, 3], rf = points[far, j, 3]
    cdef double zn = points[near, j, 2], zf = points[far, j, 2], last = rf, share
    if rf - rn < 1e-3:
        return emit(edges, count, points[near, j, 0], points[near, j, 1], kind)
    if zf < zn and p.sensor_height > zn + 0.05:
        # The far ray passes over the upper level up to its edge.
        last = rf * (p.sensor_height - zn) / (p.sensor_height - zf)
        last = clip(last, rn, rf)
    share = (0.5 * (rn + last) - rn) / (rf - rn)
    return emit(edges, count,
                points[near, j, 0] + share * (points[far, j, 0] - points[near, j, 0]),
                points[near, j, 1] + share * (points[far, j, 1] - points[near, j, 1]), kind)


cdef bint is_plateau(const float[:, :, ::1] points, const unsigned char[:, ::1] label,
                     Py_ssize_t i, Py_ssize_t j, const Rules *p) noexcept nogil:
    """Tell whether the column goes on flat after a point."""
    cdef Py_ssize_t k
    cdef double run, rise
    for k in range(i + 1, min(i + 4, points.shape[0])):
        if label[k, j] != UNSORTED:
            continue
        run = points[k, j, 3] - points[i, j, 3]
        rise = points[k, j, 2] - points[i, j, 2]
        return run > 0.05 and fabs(rise) <= clip(
            p.tolerance + p.tolerance_slope * run, 0.0, p.tolerance_max) and rise < 0.5 * run
    return False


cdef Py_ssize_t sort_column(const float[:, :, ::1] points, unsigned char[:, ::1] label,
                            float[:, ::1] height, float[:, ::1] edges, Py_ssize_t count,
                            Py_ssize_t j, const Rules *p) noexcept nogil:
    """Walk one column outwards and label its points."""
    cdef Py_ssize_t rows = points.shape[0], i, k, first
    cdef double r, z, run, expected, error, tolerance, older
    cdef bint steep
    cdef Trace t
    t.started = False
    t.has_older = False
    t.raised = False
    t.r = 0.0
    t.z = 0.0
    t.slope = 0.0
    t.row = 0
    for i in range(rows):
        if label[i, j] != UNSORTED:
            height[i, j] = 0.0
            continue
        z = points[i, j, 2]
        r = points[i, j, 3]
        run = r - t.r
        expected = t.z + t.slope * clip(run, -1.0, 10.0)
        if t.started:
            tolerance = p.tolerance + p.tolerance_slope * fabs(run)
        else:
            tolerance = p.tolerance + p.start_slope * r
        tolerance = clip(tolerance, 0.0, p.tolerance_max)
        error = z - expected
        height[i, j] = <float>error
        steep = t.started and fabs(error) > p.step_grade * run and r < p.step_range
        if fabs(error) <= tolerance:
            label[i, j] = GROUND
            if t.has_older and r < p.step_range:
                # A ring on the face of a curb halves the step; ground before it tells.
                run = r - t.older_r
                older = z - t.older_z - t.older_slope * run
                if (fabs(older) > p.step_min + p.tolerance_slope * run
                        and fabs(older) > p.step_grade * run and fabs(older) <= p.step_max):
                    count = emit_between(points, j, t.row, i, CURB, p, edges, count)
                    t.raised = False
                    follow(&t, i, r, z, True, p)
                    continue
            follow(&t, i, r, z, False, p)
        elif error < 0.0:
            label[i, j] = GROUND
            if (t.raised and t.r - t.raised_r < p.plateau and fabs(
                    z - t.base_z - t.base_slope * (r - t.base_r)
                    ) <= p.tolerance + p.tolerance_slope * (r - t.base_r)):
                # What rose fell again to where it began: a thing, not a curb.
                for k in range(t.raised_row, i):
                    if label[k, j] == GROUND:
                        label[k, j] = OBSTACLE
                        height[k, j] = <float>(
                            points[k, j, 2] - t.base_z - t.base_slope * (points[k, j, 3] - t.base_r))
                t.slope = t.base_slope
                height[i, j] = 0.0
                follow(&t, i, r, z, True, p)
            else:
                if steep:
                    if error < -p.step_max:
                        count = emit_between(points, j, t.row, i, DROP, p, edges, count)
                    elif error < -p.step_min:
                        count = emit_between(points, j, t.row, i, CURB, p, edges, count)
                follow(&t, i, r, z, True, p)
            t.raised = False
        elif (t.started and error <= p.step_max and run > 0.0
                and is_plateau(points, label, i, j, p)):
            label[i, j] = GROUND
            if steep and error > p.step_min:
                count = emit_between(points, j, t.row, i, CURB, p, edges, count)
            t.raised = True
            t.raised_row = i
            t.raised_r = r
            t.base_r = t.r
            t.base_z = t.z
            t.base_slope = t.slope
            follow(&t, i, r, z, True, p)
        elif error > p.overhang:
            label[i, j] = OVERHEAD
        else:
            label[i, j] = OBSTACLE
    # Feet: ground returns right under a thing's lowest point that stick out of the ground.
    for i in range(1, rows):
        if label[i, j] != OBSTACLE:
            continue
        k = i - 1
        while (k >= 0 and label[k, j] == GROUND and height[k, j] > p.feet_height
                and fabs(points[i, j, 3] - points[k, j, 3]) < p.feet):
            label[k, j] = OBSTACLE
            k -= 1
    return count


cdef Py_ssize_t steps_along_rows(const float[:, :, ::1] points, const unsigned char[:, ::1] label,
                                 bint wraps, const Rules *p, float[:, ::1] edges,
                                 Py_ssize_t count) noexcept nogil:
    """Find steps between neighbouring columns, where a ring falls off an edge."""
    cdef Py_ssize_t rows = points.shape[0], columns = points.shape[1], i, j, n, d
    cdef double step, upper
    for i in range(rows):
        for j in range(columns if wraps else columns - 1):
            if label[i, j] != GROUND or points[i, j, 3] > p.step_range:
                continue
            for d in range(1, 3):
                n = j + d
                if n >= columns:
                    if not wraps:
                        break
                    n -= columns
                if label[i, n] != GROUND or points[i, n, 3] > p.step_range:
                    continue
                step = points[i, n, 2] - points[i, j, 2]
                upper = fabs(step)
                if upper > p.step_min:
                    if step > 0.0:
                        count = emit(edges, count, points[i, n, 0], points[i, n, 1],
                                     CURB if upper <= p.step_max else DROP)
                    else:
                        count = emit(edges, count, points[i, j, 0], points[i, j, 1],
                                     CURB if upper <= p.step_max else DROP)
                break
    return count


cdef Py_ssize_t missing_ground(const float[:, :, ::1] points, const unsigned char[:, ::1] label,
                               bint wraps, const Rules *p, double[::1] row_range,
                               Py_ssize_t[::1] last_ground, float[:, ::1] edges,
                               Py_ssize_t count) noexcept nogil:
    """Find runs of columns whose rays find nothing where their row meets ground elsewhere."""
    cdef Py_ssize_t rows = points.shape[0], columns = points.shape[1], i, j, k, n, run
    cdef double total
    for i in range(rows):
        total = 0.0
        n = 0
        for j in range(columns):
            if label[i, j] == GROUND:
                total += points[i, j, 3]
                n += 1
        # A row must meet ground in a fifth of its columns to say what is expected of it.
        row_range[i] = total / n if 5 * n > columns else 1e9
    for j in range(columns):
        last_ground[j] = -1
        for i in range(rows - 1):
            if label[i, j] == GROUND:
                continue
            if (i > 0 and label[i, j] == TOO_FAR and label[i + 1, j] == TOO_FAR
                    and label[i - 1, j] == GROUND and row_range[i] < p.missing_range
                    and row_range[i + 1] < p.missing_range):
                last_ground[j] = i - 1
            break
    run = 0
    for k in range(columns + (p.missing_columns if wraps else 0)):
        j = k % columns
        if last_ground[j] < 0:
            run = 0
            continue
        run += 1
        if run == p.missing_columns:
            for n in range(p.missing_columns):
                i = (j - n + columns) % columns
                count = emit(edges, count, points[last_ground[i], i, 0],
                             points[last_ground[i], i, 1], DROP)
        elif run > p.missing_columns:
            count = emit(edges, count, points[last_ground[j], j, 0],
                         points[last_ground[j], j, 1], DROP)
    return count


def sort_points(
    const float[:, :, ::1] points,
    unsigned char[:, ::1] label,
    float[:, ::1] height,
    float[:, ::1] edges,
    bint wraps,
    const double[::1] rules,
    double[::1] row_range,
    Py_ssize_t[::1] last_ground,
):
    """Label points, write heights above ground and edges; return the number of edges."""
    cdef Rules p
    cdef Py_ssize_t j, count = 0
    p.tolerance = rules[0]
    p.tolerance_slope = rules[1]
    p.tolerance_max = rules[2]
    p.start_slope = rules[3]
    p.slope_max = rules[4]
    p.slope_memory = rules[5]
    p.step_min = rules[6]
    p.step_max = rules[7]
    p.step_grade = rules[8]
    p.plateau = rules[9]
    p.feet = rules[10]
    p.feet_height = rules[11]
    p.overhang = rules[12]
    p.step_range = rules[13]
    p.missing_range = rules[14]
    p.sensor_height = rules[15]
    p.missing_columns = <int>rules[16]
    with nogil:
        for j in range(points.shape[1]):
            count = sort_column(points, label, height, edges, count, j, &p)
        count = steps_along_rows(points, label, wraps, &p, edges, count)
        count = missing_ground(points, label, wraps, &p, row_range, last_ground, edges, count)
    return count
