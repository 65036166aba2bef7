# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Union-find over range images and in bird's eye view; called from clusters.py only."""

from libc.math cimport fabs, sqrt

cdef enum:
    NOTHING = 0
    OBSTACLE = 5
    OVERHEAD = 6


cdef inline int find(int[::1] parent, int i) noexcept nogil:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


cdef inline void join(int[::1] parent, int a, int b) noexcept nogil:
    # The smaller index becomes the root, so that the outcome does not depend on the order.
    a = find(parent, a)
    b = find(parent, b)
    if a < b:
        parent[b] = a
    elif b < a:
        parent[a] = b


cdef inline bint near(const float[:, :, ::1] p, Py_ssize_t i, Py_ssize_t j, Py_ssize_t k,
                      Py_ssize_t n, double gap) noexcept nogil:
    cdef double dx = p[i, j, 0] - p[k, n, 0], dy = p[i, j, 1] - p[k, n, 1]
    return dx * dx + dy * dy < gap * gap


cdef inline bint straight(const float[:, :, ::1] p, const unsigned char[:, ::1] label,
                          Py_ssize_t i, Py_ssize_t behind, Py_ssize_t j, Py_ssize_t n,
                          double slack, double slack_per_m) noexcept nogil:
    """Tell whether column n goes on along the line through columns behind and j."""
    cdef double here = p[i, j, 3], there = p[i, n, 3], inverse
    if label[i, behind] != OBSTACLE:
        return False
    # Along a straight surface 1 / range changes evenly with the azimuth, however slanted.
    inverse = 2.0 / here - 1.0 / p[i, behind, 3]
    return (inverse > 1e-3 and fabs(1.0 / inverse - there) < slack + slack_per_m * there
            and near(p, i, behind, i, j, 1.0))


def link_neighbours(
    const float[:, :, ::1] points,
    const unsigned char[:, ::1] label,
    bint wraps,
    double gap,
    double gap_per_m,
    double row_gap_per_m,
    double slant_gap,
    double slack,
    double slack_per_m,
    int offset,
    int[::1] parent,
):
    """Join obstacle points of one range image with their neighbours along and across rows."""
    cdef Py_ssize_t rows = points.shape[0], columns = points.shape[1], i, j, k, n, d
    cdef double along, across
    cdef int here
    with nogil:
        for i in range(rows):
            for j in range(columns):
                if label[i, j] != OBSTACLE:
                    continue
                here = offset + <int>(i * columns + j)
                along = gap_per_m * points[i, j, 3]
                along = along if along > gap else gap
                across = gap + row_gap_per_m * points[i, j, 3]
                for d in range(1, 4):
                    n = j + d
                    if n >= columns:
                        if not wraps:
                            break
                        n -= columns
                    if label[i, n] != OBSTACLE:
                        continue
                    if near(points, i, j, i, n, along):
                        join(parent, here, offset + <int>(i * columns + n))
                        break
                    if d > 1 or not wraps or not near(points, i, j, i, n, slant_gap):
                        continue
                    if (straight(points, label, i, (j - 1 + columns) % columns, j, n,
                                 slack, slack_per_m)
                            or straight(points, label, i, (n + 1) % columns, n, j,
                                        slack, slack_per_m)):
                        join(parent, here, offset + <int>(i * columns + n))
                        break
                for k in range(i + 1, min(i + 3, rows)):
                    # The row after next bridges a lost return only.
                    if k == i + 2 and label[i + 1, j] == OBSTACLE:
                        break
                    for d in range(-1, 2):
                        n = j + d
                        if n < 0 or n >= columns:
                            if not wraps:
                                continue
                            n = (n + columns) % columns
                        if label[k, n] == OBSTACLE and near(points, i, j, k, n, across):
                            join(parent, here, offset + <int>(k * columns + n))


def join_in_plane(
    const float[:, ::1] points,
    const int[::1] members,
    double cell,
    int[:, ::1] owner,
    int[::1] parent,
):
    """Join obstacle points, the `members`, that share a cell of a grid about the robot."""
    cdef Py_ssize_t k, row, column
    cdef int i, half_rows = <int>(owner.shape[0] // 2), half_columns = <int>(owner.shape[1] // 2)
    with nogil:
        for k in range(members.shape[0]):
            i = members[k]
            row = <Py_ssize_t>(points[i, 1] / cell + half_rows)
            column = <Py_ssize_t>(points[i, 0] / cell + half_columns)
            if row < 0 or column < 0 or row >= owner.shape[0] or column >= owner.shape[1]:
                continue
            if owner[row, column] < 0:
                owner[row, column] = i
            else:
                join(parent, owner[row, column], i)


def number_clusters(
    const int[::1] members,
    int[::1] parent,
    int points_min,
    int[::1] cluster,
    int[::1] size,
):
    """
    Number clusters of enough points by their first point; return how many there are.

    `members` rise; `cluster` comes as -1 everywhere and `size` as 0.
    """
    cdef Py_ssize_t k
    cdef int i, root, clusters = 0
    with nogil:
        for k in range(members.shape[0]):
            size[find(parent, members[k])] += 1
        for k in range(members.shape[0]):
            i = members[k]
            root = find(parent, i)
            if size[root] < points_min:
                continue
            # The root is the smallest index of its cluster, so it is met first.
            if root == i:
                cluster[i] = clusters
                clusters += 1
            else:
                cluster[i] = cluster[root]
    return clusters


def order_by_cluster(
    const int[::1] members, const int[::1] cluster, int[::1] start, int[::1] order
):
    """Counting sort of the clustered points; `start` has one entry more than clusters."""
    cdef Py_ssize_t k, clusters = start.shape[0] - 1
    cdef int i, c
    with nogil:
        for k in range(clusters + 1):
            start[k] = 0
        for k in range(members.shape[0]):
            c = cluster[members[k]]
            if c >= 0:
                start[c + 1] += 1
        for k in range(clusters):
            start[k + 1] += start[k]
        for k in range(members.shape[0]):
            i = members[k]
            c = cluster[i]
            if c >= 0:
                order[start[c]] = i
                start[c] += 1
        for k in range(clusters, 0, -1):
            start[k] = start[k - 1]
        start[0] = 0


def measure(
    const float[:, ::1] points,
    const float[::1] height,
    const int[::1] start,
    const int[::1] order,
    float[:, ::1] xy,
    float[:, ::1] box,
    double[:, ::1] mean,
):
    """Write x and y in order; per cluster their least and greatest, the top, and the mean."""
    cdef Py_ssize_t clusters = start.shape[0] - 1, c, k, i
    cdef float x, y, h
    cdef float x0, x1, y0, y1, top
    cdef double x_sum, y_sum
    with nogil:
        for c in range(clusters):
            i = order[start[c]]
            x0 = x1 = points[i, 0]
            y0 = y1 = points[i, 1]
            top = height[i]
            x_sum = y_sum = 0.0
            for k in range(start[c], start[c + 1]):
                i = order[k]
                x = points[i, 0]
                y = points[i, 1]
                h = height[i]
                xy[k, 0] = x
                xy[k, 1] = y
                x0 = x if x < x0 else x0
                x1 = x if x > x1 else x1
                y0 = y if y < y0 else y0
                y1 = y if y > y1 else y1
                top = h if h > top else top
                x_sum += x
                y_sum += y
            box[c, 0] = x0
            box[c, 1] = x1
            box[c, 2] = y0
            box[c, 3] = y1
            box[c, 4] = top
            mean[c, 0] = x_sum / (start[c + 1] - start[c])
            mean[c, 1] = y_sum / (start[c + 1] - start[c])


cdef Py_ssize_t wrap(const float[:, ::1] xy, Py_ssize_t first, Py_ssize_t end,
                     float[:, ::1] corners, Py_ssize_t count) noexcept nogil:
    """Append the convex outline of some points, counter-clockwise from the greatest x."""
    cdef Py_ssize_t k, next, begin = first, current, limit = count + end - first
    cdef double dx, dy, nx, ny, cross
    for k in range(first, end):
        if xy[k, 0] > xy[begin, 0] or (xy[k, 0] == xy[begin, 0] and xy[k, 1] > xy[begin, 1]):
            begin = k
    current = begin
    while count < limit:
        corners[count, 0] = xy[current, 0]
        corners[count, 1] = xy[current, 1]
        count += 1
        # The next corner is the one that has all others to its left, the farthest on a line.
        next = -1
        nx = ny = 0.0
        for k in range(first, end):
            dx = <double>xy[k, 0] - xy[current, 0]
            dy = <double>xy[k, 1] - xy[current, 1]
            cross = nx * dy - ny * dx
            if cross < 0.0 or (cross == 0.0 and dx * dx + dy * dy > nx * nx + ny * ny):
                next = k
                nx = dx
                ny = dy
        if next < 0 or (xy[next, 0] == xy[begin, 0] and xy[next, 1] == xy[begin, 1]):
            break
        current = next
    return count


def outlines(
    const float[:, ::1] xy,
    const int[::1] start,
    const int[::1] chosen,
    float[:, ::1] corners,
    int[::1] corner_start,
):
    """
    Write the convex outlines of the chosen clusters one after the other.

    Gift wrapping (Jarvis, 1973): outlines have few corners, so that it needs no sorting.
    """
    cdef Py_ssize_t n, count = 0
    with nogil:
        corner_start[0] = 0
        for n in range(chosen.shape[0]):
            count = wrap(xy, start[chosen[n]], start[chosen[n] + 1], corners, count)
            corner_start[n + 1] = <int>count


def count_tops(
    const float[:, :, ::1] points,
    const unsigned char[:, ::1] label,
    const int[:, ::1] cluster,
    double gap,
    double open_height,
    int[::1] tops,
    int[::1] overheads,
    int[::1] opens,
):
    """Count per cluster the columns it ends in, that go on overhead, that leave the image."""
    cdef Py_ssize_t rows = points.shape[0], columns = points.shape[1], i, j, k
    cdef int c
    with nogil:
        for i in range(rows - 1):
            for j in range(columns):
                c = cluster[i, j]
                if c < 0 or cluster[i + 1, j] == c:
                    continue
                tops[c] += 1
                for k in range(i + 1, min(i + 3, rows)):
                    if label[k, j] == OVERHEAD and near(points, i, j, k, j, gap):
                        overheads[c] += 1
                        break
        for j in range(columns):
            c = cluster[rows - 1, j]
            if c >= 0:
                tops[c] += 1
                if points[rows - 1, j, 2] > open_height:
                    opens[c] += 1


def count_hidden_ends(
    const float[:, :, ::1] points,
    const unsigned char[:, ::1] label,
    const int[:, ::1] cluster,
    bint wraps,
    double nearer,
    int[::1] ends,
    int[::1] hidden,
):
    """Count per cluster the ends of its rows, and those where something nearer begins."""
    cdef Py_ssize_t rows = points.shape[0], columns = points.shape[1], i, j, n, d, side
    cdef int c
    with nogil:
        for i in range(rows):
            for j in range(columns):
                c = cluster[i, j]
                if c < 0:
                    continue
                for side in range(-1, 2, 2):
                    for d in range(1, 4):
                        n = j + side * d
                        if n < 0 or n >= columns:
                            if not wraps:
                                break
                            n = (n + columns) % columns
                        if label[i, n] == NOTHING:
                            continue
                        if cluster[i, n] != c:
                            ends[c] += 1
                            if label[i, n] == OBSTACLE and (
                                    points[i, n, 3] < points[i, j, 3] - nearer):
                                hidden[c] += 1
                        break


def depths_within(
    const float[:, ::1] xy,
    const double[:, ::1] corners,
    const double[:, ::1] normals,
    double origin_x,
    double origin_y,
    Py_ssize_t step,
    double[::1] depth,
):
    """
    Write how far each step-th point lies behind the near side of a convex outline.

    `corners` and outward `normals` are those of the edges that face the origin, about it.
    """
    cdef Py_ssize_t n, k, e
    cdef double rx, ry, speed, enter, share
    with nogil:
        for n in range(depth.shape[0]):
            k = n * step
            rx = xy[k, 0] - origin_x
            ry = xy[k, 1] - origin_y
            enter = 0.0
            for e in range(corners.shape[0]):
                speed = rx * normals[e, 0] + ry * normals[e, 1]
                if speed < 0.0:
                    share = (normals[e, 0] * corners[e, 0] + normals[e, 1] * corners[e, 1]) / speed
                    enter = share if share > enter else enter
            enter = 1.0 if enter > 1.0 else enter
            depth[n] = (1.0 - enter) * sqrt(rx * rx + ry * ry)
