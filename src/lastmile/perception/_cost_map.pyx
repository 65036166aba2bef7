# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Observation and update of the rolling grid; called from cost_map.py only."""

from libc.math cimport INFINITY, M_PI, atan2, floor, sqrt

cdef enum:
    NOTHING = 0
    TOO_FAR = 1
    GROUND = 4
    OBSTACLE = 5

cdef enum:
    HIT = 1
    FREE = 2
    FLAT = 4
    MOVING = 8
    CURB = 16
    DROP = 32
    CLEARED = 64

cdef struct Window:
    double c, s, x, y
    double x0, y0, inverse
    double reach
    Py_ssize_t rows, columns


cdef inline unsigned char* cell_at(unsigned char[:, ::1] seen, const Window *w, double bx,
                                   double by) noexcept nogil:
    cdef double u = (w.c * bx - w.s * by + w.x - w.x0) * w.inverse
    cdef double v = (w.s * bx + w.c * by + w.y - w.y0) * w.inverse
    if u < 0.0 or v < 0.0 or u >= w.columns or v >= w.rows:
        return NULL
    return &seen[<Py_ssize_t>v, <Py_ssize_t>u]


cdef inline bint well_inside(const Window *w, double u, double v) noexcept nogil:
    return 1e-6 <= u < w.columns - 1e-6 and 1e-6 <= v < w.rows - 1e-6


cdef void mark_line(unsigned char[:, ::1] seen, const Window *w, double ax, double ay, double bx,
                    double by, double margin) noexcept nogil:
    """Mark free the cells from a to b, the last `margin` metres left out."""
    cdef double length = sqrt((bx - ax) * (bx - ax) + (by - ay) * (by - ay))
    cdef double u, v, du, dv
    cdef Py_ssize_t steps, k
    cdef bint inside = False
    if length <= margin or length < 1e-6:
        return
    steps = <Py_ssize_t>(1.2 * (length - margin) * w.inverse) + 1
    u = (w.c * ax - w.s * ay + w.x - w.x0) * w.inverse
    v = (w.s * ax + w.c * ay + w.y - w.y0) * w.inverse
    du = (length - margin) / length / steps
    dv = (w.s * (bx - ax) + w.c * (by - ay)) * w.inverse * du
    du = (w.c * (bx - ax) - w.s * (by - ay)) * w.inverse * du
    if well_inside(w, u, v) and well_inside(w, u + steps * du, v + steps * dv):
        for k in range(steps + 1):
            seen[<Py_ssize_t>v, <Py_ssize_t>u] |= FREE
            u += du
            v += dv
        return
    for k in range(steps + 1):
        if 0.0 <= u < w.columns and 0.0 <= v < w.rows:
            seen[<Py_ssize_t>v, <Py_ssize_t>u] |= FREE
            inside = True
        elif inside:
            # A line that left the window does not come back.
            break
        u += du
        v += dv


cdef inline void widen(const Window *w, double bx, double by, double z, float[:, ::1] low,
                       float[:, ::1] high) noexcept nogil:
    """Take a height into the range of heights hit in its cell."""
    cdef Py_ssize_t column = <Py_ssize_t>((w.c * bx - w.s * by + w.x - w.x0) * w.inverse)
    cdef Py_ssize_t row = <Py_ssize_t>((w.s * bx + w.c * by + w.y - w.y0) * w.inverse)
    if z < low[row, column]:
        low[row, column] = <float>z
    if z > high[row, column]:
        high[row, column] = <float>z


def observe(
    const float[:, :, ::1] points,
    const unsigned char[:, ::1] label,
    const float[:, ::1] height,
    const int[:, ::1] cluster,
    const unsigned char[::1] moving,
    const double[::1] window,
    double sensor_height,
    double clearance_max,
    double overhang,
    double flat_range,
    int[::1] last_ground,
    unsigned char[:, ::1] seen,
    float[:, ::1] low,
    float[:, ::1] high,
):
    """
    Mark what one sweep shows of each cell, and the heights of hits; see cost_map.py.

    `last_ground` is scratch: the row of the last ground of each column.
    """
    cdef Py_ssize_t rows = points.shape[0], columns = points.shape[1], i, j, last
    cdef double r, z, x, y, last_r, last_z, passes
    cdef unsigned char *cell
    cdef Window w
    w.c = window[0]
    w.s = window[1]
    w.x = window[2]
    w.y = window[3]
    w.x0 = window[4]
    w.y0 = window[5]
    w.inverse = 1.0 / window[6]
    w.rows = seen.shape[0]
    w.columns = seen.shape[1]
    # Half a diagonal and the offset of a sensor: nothing farther meets the window.
    w.reach = 0.71 * seen.shape[0] * window[6] + 1.0
    with nogil:
        for j in range(columns):
            last_ground[j] = -1
        for i in range(rows):
            for j in range(columns):
                if label[i, j] != GROUND and label[i, j] != OBSTACLE:
                    continue
                x = points[i, j, 0]
                y = points[i, j, 1]
                z = points[i, j, 2]
                r = points[i, j, 3]
                last = last_ground[j]
                if last >= 0:
                    last_r = points[last, j, 3]
                    last_z = points[last, j, 2]
                    if r > last_r and last_r < w.reach:
                        # Height at which this ray passes over the last ground: lower things
                        # between the two would have been hit.
                        passes = sensor_height + (z - sensor_height) * last_r / r - last_z
                        if passes <= clearance_max:
                            mark_line(seen, &w, points[last, j, 0], points[last, j, 1], x, y,
                                      0.0 if label[i, j] == GROUND else 0.1)
                if label[i, j] == GROUND:
                    last_ground[j] = <int>i
                    cell = cell_at(seen, &w, x, y)
                    if cell != NULL:
                        cell[0] |= FREE | FLAT if r < flat_range else FREE
                elif height[i, j] < overhang:
                    last_ground[j] = -1
                    cell = cell_at(seen, &w, x, y)
                    if cell != NULL:
                        if cluster[i, j] >= 0 and moving[cluster[i, j]]:
                            cell[0] |= MOVING
                        else:
                            cell[0] |= HIT
                            widen(&w, x, y, z, low, high)


def stand(
    const double[::1] window,
    double back,
    double front,
    double right,
    double left,
    unsigned char[:, ::1] seen,
):
    """Mark free the cells whose middles are within a box about the base."""
    cdef double reach = sqrt(max(back * back, front * front) + max(right * right, left * left))
    cdef double u = (window[2] - window[4]) / window[6], v = (window[3] - window[5]) / window[6]
    cdef double half = reach / window[6] + 1.0, x, y, bx, by
    cdef Py_ssize_t i, j
    with nogil:
        for i in range(<Py_ssize_t>max(0.0, v - half), <Py_ssize_t>min(v + half, seen.shape[0])):
            y = (i + 0.5) * window[6] + window[5] - window[3]
            for j in range(
                    <Py_ssize_t>max(0.0, u - half), <Py_ssize_t>min(u + half, seen.shape[1])):
                x = (j + 0.5) * window[6] + window[4] - window[2]
                bx = window[0] * x + window[1] * y
                by = -window[1] * x + window[0] * y
                if back < bx < front and right < by < left:
                    seen[i, j] |= FREE


def mark_edges(const float[:, ::1] edges, const double[::1] window, unsigned char[:, ::1] seen):
    """Mark curbs and drop-offs."""
    cdef Py_ssize_t i
    cdef unsigned char *cell
    cdef Window w
    w.c = window[0]
    w.s = window[1]
    w.x = window[2]
    w.y = window[3]
    w.x0 = window[4]
    w.y0 = window[5]
    w.inverse = 1.0 / window[6]
    w.rows = seen.shape[0]
    w.columns = seen.shape[1]
    with nogil:
        for i in range(edges.shape[0]):
            cell = cell_at(seen, &w, edges[i, 0], edges[i, 1])
            if cell != NULL:
                cell[0] |= CURB if edges[i, 2] < 1.5 else DROP


def count_fresh(
    const float[:, ::1] xy,
    const int[::1] start,
    const unsigned char[:, ::1] hits,
    const float[:, ::1] known_s,
    float recent,
    const double[::1] window,
    int[::1] inside,
    int[::1] fresh,
    unsigned char[::1] free_at,
):
    """
    Count per cluster the points in known cells, and those on ground that was free all round.

    Known is what has hits, or was seen free after `recent`; `xy` and `start` as in `Clusters`.
    `free_at` comes as 0: it becomes 2 for the latter, and 1 for others whose own cell was free.
    """
    cdef Py_ssize_t c, k, row, column, last_row = -1, last_column = -1, a, b
    cdef bint known = False, touched = False
    cdef double bx, by, u, v
    with nogil:
        for c in range(start.shape[0] - 1):
            for k in range(start[c], start[c + 1]):
                bx = xy[k, 0]
                by = xy[k, 1]
                u = (window[0] * bx - window[1] * by + window[2] - window[4]) / window[6]
                v = (window[1] * bx + window[0] * by + window[3] - window[5]) / window[6]
                if not (1.0 <= u < hits.shape[1] - 1 and 1.0 <= v < hits.shape[0] - 1):
                    continue
                column = <Py_ssize_t>u
                row = <Py_ssize_t>v
                # Neighbours mostly share their cell.
                if row != last_row or column != last_column:
                    last_row = row
                    last_column = column
                    known = hits[row, column] > 0 or known_s[row, column] > recent
                    touched = False
                    for a in range(row - 1, row + 2):
                        for b in range(column - 1, column + 2):
                            if hits[a, b] > 0:
                                touched = True
                if known:
                    inside[c] += 1
                    if not touched:
                        fresh[c] += 1
                        free_at[k] = 2
                    elif hits[row, column] == 0:
                        free_at[k] = 1


def update(
    const unsigned char[:, ::1] seen,
    const double[::1] rules,
    float now,
    unsigned char[:, ::1] hits,
    unsigned char[:, ::1] steps,
    unsigned char[:, ::1] step_kind,
    float[:, ::1] known_s,
    float[:, ::1] hit_s,
    float[:, ::1] low,
    float[:, ::1] high,
    signed char[:, ::1] cells,
):
    """Fold one observation into the evidence and write the cells."""
    cdef Py_ssize_t i, j
    cdef int hit = <int>rules[0], clear = <int>rules[1], most = <int>rules[2]
    cdef int occupied_from = <int>rules[3], step_hit = <int>rules[4], step_from = <int>rules[5]
    cdef float memory = <float>rules[6]
    cdef int v
    cdef unsigned char s
    with nogil:
        for i in range(seen.shape[0]):
            for j in range(seen.shape[1]):
                s = seen[i, j]
                if s == 0 and hits[i, j] == 0 and steps[i, j] == 0:
                    cells[i, j] = 0 if known_s[i, j] >= now - memory else -1
                    continue
                if s & HIT:
                    v = hits[i, j] + hit
                    hits[i, j] = <unsigned char>(most if v > most else v)
                    hit_s[i, j] = now
                elif s & MOVING:
                    # The obstacle list has what moves; here it would leave a trail.
                    hits[i, j] = 0
                elif s & FREE:
                    v = hits[i, j] - clear
                    hits[i, j] = <unsigned char>(0 if v < 0 else v)
                    known_s[i, j] = now
                if s & (CURB | DROP):
                    v = steps[i, j] + step_hit
                    steps[i, j] = <unsigned char>(most if v > most else v)
                    if s & DROP:
                        step_kind[i, j] = 2
                    elif steps[i, j] <= step_hit or step_kind[i, j] == 0:
                        step_kind[i, j] = 1
                elif s & FLAT and steps[i, j] > 0:
                    steps[i, j] -= 1
                if hit_s[i, j] < now - memory:
                    hits[i, j] = 0
                if hits[i, j] == 0:
                    # An empty range, for the next hit to begin with.
                    low[i, j] = 1e6
                    high[i, j] = -1e6
                if hits[i, j] >= occupied_from:
                    cells[i, j] = 100
                elif steps[i, j] >= step_from:
                    cells[i, j] = 80 if step_kind[i, j] == 2 else 70
                elif known_s[i, j] >= now - memory:
                    cells[i, j] = 0
                else:
                    cells[i, j] = -1


cdef double slope_of_row(const float[:, :, ::1] points, Py_ssize_t row,
                         double sensor_height) noexcept nogil:
    """Rise over run of the rays of a row, +inf where it has no return beyond a metre."""
    cdef Py_ssize_t j
    for j in range(points.shape[1]):
        if points[row, j, 3] > 1.0:
            return (points[row, j, 2] - sensor_height) / points[row, j, 3]
    return INFINITY


def see_through(
    const float[:, :, ::1] points,
    const unsigned char[:, ::1] label,
    const double[::1] window,
    double sensor_height,
    double reach,
    double beyond,
    Py_ssize_t skew,
    double[::1] row_slope,
    unsigned char[:, ::1] seen,
    unsigned char[:, ::1] hits,
    const float[:, ::1] low,
    const float[:, ::1] high,
):
    """
    Clear cells whose hits lie at heights that rays now pass unhindered.

    Beside the robot the ground is out of sight, so that a person who stood there and went would
    stay in the map for ever. Two rays that pass at heights of the thing, and none that ends at it,
    clear it: things do not lose their upper part. `row_slope` is scratch.
    """
    cdef Py_ssize_t rows = points.shape[0], columns = points.shape[1], i, j, k, n, wide, middle
    cdef double x, y, bx, by, r, z
    cdef bint passes, any_ray, ends
    cdef int passing
    with nogil:
        for k in range(rows):
            row_slope[k] = slope_of_row(points, k, sensor_height)
        for i in range(hits.shape[0]):
            for j in range(hits.shape[1]):
                if hits[i, j] == 0:
                    continue
                x = (j + 0.5) * window[6] + window[4] - window[2]
                y = (i + 0.5) * window[6] + window[5] - window[3]
                bx = window[0] * x + window[1] * y
                by = -window[1] * x + window[0] * y
                r = sqrt(bx * bx + by * by)
                if r > reach or r < 0.3:
                    continue
                middle = <Py_ssize_t>((atan2(by, bx) / M_PI + 1.0) * 0.5 * columns)
                # All columns that touch the cell, and as many more as the turn may be off.
                wide = <Py_ssize_t>(0.8 * window[6] / r * columns / (2.0 * M_PI)) + 1 + skew
                passing = 0
                ends = False
                for k in range(rows):
                    z = sensor_height + row_slope[k] * r
                    if z < low[i, j] - 0.02 or z > high[i, j] + 0.02:
                        continue
                    passes = True
                    any_ray = False
                    for n in range(middle - wide, middle + wide + 1):
                        n = (n + columns) % columns
                        if label[k, n] == NOTHING:
                            continue
                        any_ray = True
                        if label[k, n] != TOO_FAR and points[k, n, 3] < r + beyond:
                            passes = False
                            if points[k, n, 3] > r - beyond:
                                ends = True
                                break
                    if ends:
                        break
                    if passes and any_ray:
                        passing += 1
                if passing >= 2 and not ends:
                    hits[i, j] = 0
                    seen[i, j] |= CLEARED
