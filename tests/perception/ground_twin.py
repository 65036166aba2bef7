"""The column walk of `_ground.pyx` in plain Python, without steps along rows or missing ground."""

import numpy as np

from lastmile.perception.sweep import GROUND, OBSTACLE, OVERHEAD, UNSORTED


def sort_points(points, label, c):
    label = label.copy()
    height = np.zeros(label.shape)
    for j in range(label.shape[1]):
        _column(points[:, j].astype(float), label[:, j], height[:, j], c)
    return label, height


def _column(p, label, height, c):
    ground = []  # (r, z, slope, by a step)
    slope, raised = 0.0, None
    for i in range(len(p)):
        if label[i] != UNSORTED:
            continue
        z, r = p[i, 2], p[i, 3]
        last_r, last_z = ground[-1][:2] if ground else (0.0, 0.0)
        run = r - last_r
        error = z - last_z - slope * np.clip(run, -1.0, 10.0)
        height[i] = error
        allowed = (
            c.tolerance_m + c.tolerance_slope * abs(run)
            if ground
            else c.tolerance_m + c.start_slope_max * r
        )
        allowed = min(allowed, c.tolerance_max_m)
        step = True
        if abs(error) <= allowed:
            label[i] = GROUND
            step = False
            if len(ground) > 1 and not ground[-1][3] and r < c.step_range_max_m:
                older_run = r - ground[-2][0]
                older = abs(z - ground[-2][1] - ground[-1][2] * older_run)
                if (
                    older > c.step_min_m + c.tolerance_slope * older_run
                    and older > c.step_grade_min * older_run
                    and older <= c.step_max_m
                ):
                    step, raised = True, None
        elif error < 0.0:
            label[i] = GROUND
            if raised is not None:
                k, raised_r, base_r, base_z, base_slope = raised
                back = abs(z - base_z - base_slope * (r - base_r))
                if last_r - raised_r < c.plateau_m and back <= c.tolerance_m + c.tolerance_slope * (
                    r - base_r
                ):
                    for n in range(k, i):
                        if label[n] == GROUND:
                            label[n] = OBSTACLE
                            height[n] = p[n, 2] - base_z - base_slope * (p[n, 3] - base_r)
                    slope = base_slope
                    height[i] = 0.0
            raised = None
        elif ground and error <= c.step_max_m and run > 0.0 and _plateau(p, label, i, c):
            label[i] = GROUND
            raised = (i, r, last_r, last_z, slope)
        else:
            label[i] = OVERHEAD if error > c.overhang_m else OBSTACLE
            continue
        before = slope
        if not step and run > 0.02:
            w = run / (run + c.slope_memory_m)
            slope = np.clip((1 - w) * slope + w * (z - last_z) / run, -c.slope_max, c.slope_max)
        ground.append((r, z, before, step))
    for i in range(1, len(p)):
        if label[i] == OBSTACLE:
            k = i - 1
            while (
                k >= 0
                and label[k] == GROUND
                and height[k] > c.feet_height_m
                and abs(p[i, 3] - p[k, 3]) < c.feet_m
            ):
                label[k] = OBSTACLE
                k -= 1


def _plateau(p, label, i, c):
    for k in range(i + 1, min(i + 4, len(p))):
        if label[k] == UNSORTED:
            run, rise = p[k, 3] - p[i, 3], p[k, 2] - p[i, 2]
            slack = min(c.tolerance_m + c.tolerance_slope * run, c.tolerance_max_m)
            return run > 0.05 and abs(rise) <= slack and rise < 0.5 * run
    return False
