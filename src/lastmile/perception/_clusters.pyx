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
    const unsigned char[::1] label,
    double cell,
    int[:, ::1] owner,
    int[::1] parent,
):
    """Join obstacle points that share a cell of a grid about the robot."""
    cdef Py_ssize_t count = points.shape[0], i, row, column
    cdef int half_rows = <int>(owner.shape[0] // 2), half_columns = <int>(owner.shape[1] // 2)
    with nogil:
        for i in range(count):
            if label[i] != OBSTACLE:
                continue
            row = <Py_ssize_t>(points[i, 1] / cell + half_rows)
            column = <Py_ssize_t>(points[i, 0] / cell + half_columns)
            if row < 0 or column < 0 or row >= owner.shape[0] or column >= owner.shape[1]:
                continue
            if owner[row, column] < 0:
                owner[row, column] = <int>i
            else:
                join(parent, owner[row, column], <int>i)


def number_clusters(
    const unsigned char[::1] label,
    int[::1] parent,
    int points_min,
    int[::1] cluster,
    int[::1] size,
):
    """Number clusters of enough points by their first point; return how many there are."""
    cdef Py_ssize_t count = label.shape[0], i
    cdef int root, clusters = 0
    with nogil:
        for i in range(count):
            size[i] = 0
            cluster[i] = -1
        for i in range(count):
            if label[i] == OBSTACLE:
                size[find(parent, <int>i)] += 1
        for i in range(count):
            if label[i] != OBSTACLE:
                continue
            root = find(parent, <int>i)
            if size[root] < points_min:
                continue
            # The root is the smallest index of its cluster, so it is met first.
            if root == i:
                cluster[i] = clusters
                clusters += 1
            else:
                cluster[i] = cluster[root]
    return clusters


def order_by_cluster(const int[::1] cluster, int[::1] start, int[::1] order):
    """Counting sort of the clustered points; `start` has one entry more than clusters."""
    cdef Py_ssize_t count = cluster.shape[0], i, clusters = start.shape[0] - 1
    with nogil:
        for i in range(clusters + 1):
            start[i] = 0
        for i in range(count):
            if cluster[i] >= 0:
                start[cluster[i] + 1] += 1
        for i in range(clusters):
            start[i + 1] += start[i]
        for i in range(count):
            if cluster[i] >= 0:
                order[start[cluster[i]]] = <int>i
                start[cluster[i]] += 1
        for i in range(clusters, 0, -1):
            start[i] = start[i - 1]
        start[0] = 0


def measure(
    const float[:, ::1] points,
    const float[::1] height,
    const int[::1] start,
    const int[::1] order,
    float[:, ::1] box,
):
    """Write per cluster the least and greatest x and y, and the greatest height."""
    cdef Py_ssize_t clusters = start.shape[0] - 1, c, k
    cdef float x, y, h
    cdef float x0, x1, y0, y1, top
    with nogil:
        for c in range(clusters):
            x0 = x1 = points[order[start[c]], 0]
            y0 = y1 = points[order[start[c]], 1]
            top = height[order[start[c]]]
            for k in range(start[c] + 1, start[c + 1]):
                x = points[order[k], 0]
                y = points[order[k], 1]
                h = height[order[k]]
                x0 = x if x < x0 else x0
                x1 = x if x > x1 else x1
                y0 = y if y < y0 else y0
                y1 = y if y > y1 else y1
                top = h if h > top else top
            box[c, 0] = x0
            box[c, 1] = x1
            box[c, 2] = y0
            box[c, 3] = y1
            box[c, 4] = top


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
    const float[:, ::1] points,
    const int[::1] members,
    const double[:, ::1] corners,
    const double[:, ::1] normals,
    double origin_x,
    double origin_y,
    Py_ssize_t step,
    double[::1] depth,
):
    """
    Write how far each step-th member lies behind the near side of a convex outline.

    `corners` and outward `normals` are those of the edges that face the origin, about it.
    """
    cdef Py_ssize_t n, k, e
    cdef double rx, ry, speed, enter, share
    with nogil:
        for n in range(depth.shape[0]):
            k = members[n * step]
            rx = points[k, 0] - origin_x
            ry = points[k, 1] - origin_y
            enter = 0.0
            for e in range(corners.shape[0]):
                speed = rx * normals[e, 0] + ry * normals[e, 1]
                if speed < 0.0:
                    share = (normals[e, 0] * corners[e, 0] + normals[e, 1] * corners[e, 1]) / speed
                    enter = share if share > enter else enter
            enter = 1.0 if enter > 1.0 else enter
            depth[n] = (1.0 - enter) * sqrt(rx * rx + ry * ry)
