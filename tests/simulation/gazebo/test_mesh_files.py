"""Mesh files: read back as written, seen from where they are looked at."""

import numpy as np
import pytest

from lastmile.simulation import meshes
from lastmile.simulation.gazebo import mesh_files

BOX = meshes.box(np.array([3.0, -2.0]), 0.4, (2.0, 1.0), 0.0, 1.5)


def test_stl_is_read_back_as_written(tmp_path):
    mesh_files.write_stl(BOX, tmp_path / "box.stl")
    assert (tmp_path / "box.stl").stat().st_size == 84 + 50 * len(BOX)
    assert mesh_files.read_stl(tmp_path / "box.stl") == pytest.approx(BOX, abs=1e-6)


def test_empty_mesh_is_refused_by_its_file_name(tmp_path):
    with pytest.raises(ValueError, match=r"nothing\.stl: a mesh needs at least one triangle"):
        mesh_files.write_stl(meshes.NO_TRIANGLES, tmp_path / "nothing.stl")


def test_normals_follow_the_right_hand():
    triangle = np.array([[[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]])
    assert mesh_files.unit_normals(triangle) == pytest.approx(np.array([[0.0, 0.0, 1.0]]))
    assert mesh_files.unit_normals(np.zeros((1, 3, 3))) == pytest.approx(np.zeros((1, 3)))


def test_level_triangles_are_turned_up_and_upright_ones_stay():
    down = np.array([[[0.0, 0, 0], [0, 1, 0], [1, 0, 0]]])
    wall = np.array([[[0.0, 0, 0], [1, 0, 0], [0, 0, 1]]])
    turned = mesh_files.facing_up(np.concatenate([down, wall]))
    assert mesh_files.unit_normals(turned)[0] == pytest.approx([0.0, 0.0, 1.0])
    assert turned[1] == pytest.approx(wall[0])


def test_both_sides_have_opposite_normals():
    both = mesh_files.both_sides(BOX)
    normals = mesh_files.unit_normals(both)
    assert normals[: len(BOX)] == pytest.approx(-normals[len(BOX) :])


def test_triangles_without_area_are_left_out():
    flat = np.array([[[0.0, 0, 0], [1, 0, 0], [2, 0, 0]]])
    assert len(mesh_files.with_area(np.concatenate([flat, BOX]))) == len(BOX)


def test_picture_on_the_square_runs_to_the_right_of_who_looks_at_it(tmp_path):
    mesh_files.write_picture_square(tmp_path / "square.obj")
    lines = [line.split() for line in (tmp_path / "square.obj").read_text().splitlines()]
    corners = np.array([line[1:] for line in lines if line[0] == "v"], dtype=float)
    texture = np.array([line[1:] for line in lines if line[0] == "vt"], dtype=float)
    # Looking along -x with z up, +y is to the right.
    right = np.cross([-1.0, 0.0, 0.0], [0.0, 0.0, 1.0])
    assert texture[:, 0] == pytest.approx(corners @ right + 0.5)
    assert texture[:, 1] == pytest.approx(corners[:, 2] + 0.5)
    faces = [[int(c.split("/")[0]) - 1 for c in line[1:]] for line in lines if line[0] == "f"]
    assert mesh_files.unit_normals(corners[faces]) == pytest.approx(np.tile([1.0, 0, 0], (2, 1)))
