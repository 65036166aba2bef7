"""
A town as an SDF world for Gazebo Harmonic (gz-sim 8 with DART), with the meshes beside it.

The same streets, by the same seed, as the embedded engine has: its triangles are written as meshes.
Lockers and what moves are models of their own.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import Element

import cv2
import numpy as np

from lastmile.errors import UserError
from lastmile.maps.site import Locker
from lastmile.simulation.bodies import CAR, CYCLIST, LEG, SHAPES, TRUNK
from lastmile.simulation.camera import DOOR_MIDDLE_M, DOOR_SIZE_M, TEXEL_M, marker_texture
from lastmile.simulation.config import SimulatorConfig
from lastmile.simulation.engine import site_projection, start_height
from lastmile.simulation.gazebo import elements as sdf
from lastmile.simulation.gazebo import mesh_files
from lastmile.simulation.gazebo.elements import element
from lastmile.simulation.gazebo.movers import (
    SHAPE_NAMES,
    Movers,
    Place,
    Pools,
    door_name,
    model_name,
    parcel_name,
)
from lastmile.simulation.gazebo.robot import TOPICS, SensorRates, robot_model
from lastmile.simulation.ground import KERB_M
from lastmile.simulation.surroundings import triangles_of
from lastmile.simulation.town import Town
from lastmile.vehicle.description import RobotDescription

WORLD = "lastmile"
BOTTOM_M = -0.15
"""Things reach so far below the sidewalk, onto carriageways."""
GROUND_FRICTION = 1.0
"""Above that of every tyre: DART takes the lesser of the two."""
COLOURS = {
    "sidewalk": (0.62, 0.62, 0.60),
    "carriageway": (0.32, 0.32, 0.34),
    "building": (0.72, 0.64, 0.54),
    "tree": (0.36, 0.30, 0.22),
    "parked": (0.25, 0.32, 0.45),
    "locker": (0.65, 0.65, 0.65),
    "door": (0.55, 0.55, 0.55),
    "opening": (0.14, 0.14, 0.14),
    "parcel": (0.72, 0.52, 0.30),
    "leg": (0.20, 0.22, 0.35),
    "person": (0.55, 0.25, 0.25),
    "cyclist": (0.20, 0.45, 0.30),
    "car": (0.45, 0.20, 0.20),
}
OTHER_COLOUR = (0.45, 0.45, 0.42)
PARCEL_SIZE_M = (0.30, 0.25, 0.20)
MARKER_TEXELS = 8
"""Pixels of a marker's picture per texel, so that its edges stay sharp when seen near."""


@dataclass(frozen=True, slots=True)
class WorldOptions:
    """
    How Gazebo runs a world.

    `real_time_factor` is simulated seconds per second at most; 0 is as fast as it can.
    """

    step_s: float = 0.002
    real_time_factor: float = 1.0
    rates: SensorRates = field(default_factory=SensorRates)


def write_world(
    town: Town,
    robot: RobotDescription,
    config: SimulatorConfig,
    folder: Path,
    options: WorldOptions | None = None,
) -> Path:
    """
    Write world.sdf and its meshes into a folder.

    Parameters
    ----------
    town : Town
        What stands, and who is where now.
    robot : RobotDescription
        The robot, which stands at the town's start.
    config : SimulatorConfig
        Figures of its sensors and drive.
    folder : Path
        Made if it is not there.
    options : WorldOptions, optional
        How Gazebo runs the world.

    Returns
    -------
    Path
        The SDF file.

    Raises
    ------
    UserError
        If the folder cannot be written.

    """
    options = options or WorldOptions()
    world = element("world", *_systems(town, options), name=WORLD)
    try:
        (folder / "meshes").mkdir(parents=True, exist_ok=True)
        world.append(_ground(town, folder))
        world.extend(_surroundings(town, folder))
        mesh_files.write_picture_square(folder / "meshes" / "square.obj")
        places = Movers(town).places(town.start)
        for locker in town.site.lockers:
            world.append(_locker(locker, folder))
            name = door_name(locker.id)
            world.append(sdf.static_model(name, _door(), place=_pose(places[name])))
        world.extend(_moving(town, folder, places))
        world.append(_robot(town, robot, config, options))
        path = folder / "world.sdf"
        path.write_text(sdf.document(world), encoding="utf-8")
    except OSError as error:
        raise UserError(f"world folder {folder} cannot be written: {error.strerror}") from error
    return path


def _systems(town: Town, options: WorldOptions) -> list[Element]:
    """Physics, systems, sky and where on Earth the world is."""
    origin, projection = town.site.origin, site_projection(town)
    command, heard = TOPICS["command"], TOPICS["command_heard"]
    return [
        element(
            "physics",
            element("max_step_size", options.step_s),
            element("real_time_factor", options.real_time_factor),
            name="dart",
            type="dart",
        ),
        element("gravity", "0 0 -9.81"),
        sdf.plugin("physics", "Physics"),
        sdf.plugin("user-commands", "UserCommands"),
        sdf.plugin("scene-broadcaster", "SceneBroadcaster"),
        sdf.plugin("sensors", "Sensors", element("render_engine", "ogre2")),
        sdf.plugin("imu", "Imu"),
        sdf.plugin("navsat", "NavSat"),
        sdf.plugin("contact", "Contact"),
        # Tells whoever steps the world that a command is there, before the step that obeys it.
        sdf.plugin(
            "triggered-publisher",
            "TriggeredPublisher",
            element("input", type="gz.msgs.Twist", topic=command),
            element("output", type="gz.msgs.Empty", topic=heard),
        ),
        element(
            "spherical_coordinates",
            element("surface_model", "EARTH_WGS84"),
            element("world_frame_orientation", "ENU"),
            element("latitude_deg", origin.latitude_deg),
            element("longitude_deg", origin.longitude_deg),
            element("elevation", 0.0),
            # From east to the x axis, counter-clockwise; convergence is clockwise.
            element("heading_deg", -float(np.degrees(projection.convergence_rad))),
        ),
        element(
            "scene",
            element("ambient", "0.8 0.8 0.8 1"),
            element("background", "0.6 0.7 0.85 1"),
            element("shadows", False),
            element("grid", False),
        ),
        element(
            "light",
            element("cast_shadows", False),
            element("diffuse", "0.5 0.5 0.5 1"),
            element("specular", "0 0 0 1"),
            element("direction", "-0.4 0.3 -0.85"),
            name="sun",
            type="directional",
        ),
    ]


def _ground(town: Town, folder: Path) -> Element:
    triangles = mesh_files.with_area(mesh_files.facing_up(town.streets.ground.triangles))
    # Kerbs are upright and seen from the carriageway only, but their winding is by chance.
    upright = np.abs(mesh_files.unit_normals(triangles)[:, 2]) < 0.5
    level = triangles[~upright]
    low = level[:, :, 2].max(axis=1) < -0.9 * KERB_M
    kerbs = mesh_files.both_sides(triangles[upright])
    shown = {"carriageway": level[low], "sidewalk": np.concatenate([level[~low], kerbs])}
    visuals = [
        sdf.visual(name, _mesh(part, f"ground_{name}", folder), sdf.colour(*COLOURS[name]))
        for name, part in shown.items()
        if len(part)
    ]
    solid = sdf.collision("ground", _mesh(triangles, "ground", folder), friction=GROUND_FRICTION)
    return sdf.static_model("ground", *visuals, solid)


def _surroundings(town: Town, folder: Path) -> list[Element]:
    """One model for each kind of what stands, so that a contact names the kind."""
    kinds = defaultdict(list)
    for thing in town.streets.things:
        kinds[thing.name.split()[0]].append(thing)
    models = []
    for kind, things in kinds.items():
        if kind == "locker":
            continue
        triangles = mesh_files.with_area(triangles_of(things))
        if len(triangles) == 0:
            continue
        shown = _mesh(mesh_files.both_sides(triangles), f"{kind}_visual", folder)
        solid = _mesh(triangles, kind, folder)
        material = sdf.colour(*COLOURS.get(kind, OTHER_COLOUR))
        models.append(
            sdf.static_model(kind, sdf.visual(kind, shown, material), sdf.collision(kind, solid))
        )
    return models


def _mesh(triangles: np.ndarray, name: str, folder: Path) -> Element:
    """Write a mesh and name its file as the world does, relative to itself."""
    mesh_files.write_stl(triangles, folder / "meshes" / f"{name}.stl")
    return sdf.mesh(f"meshes/{name}.stl")


def _pose(place: Place) -> Element:
    x, y, z, yaw = place
    return sdf.pose((x, y, z), (0.0, 0.0, yaw))


def _locker(locker: Locker, folder: Path) -> Element:
    """Put up a locker's box, its opening and its markers; the model's origin is the port."""
    height = locker.height_m - BOTTOM_M
    middle = sdf.pose((-0.5 * locker.depth_m, 0.0, BOTTOM_M + 0.5 * height))
    size = (locker.depth_m, locker.width_m, height)
    body = sdf.visual("body", sdf.box(size), sdf.colour(*COLOURS["locker"]), middle)
    opening = sdf.visual(
        "opening",
        sdf.box((0.001, *DOOR_SIZE_M)),
        sdf.colour(*COLOURS["opening"]),
        sdf.pose((0.0005, 0.0, DOOR_MIDDLE_M)),
    )
    markers = [_marker(locker, marker_id, folder) for marker_id in locker.markers]
    solid = sdf.collision("body", sdf.box(size), middle)
    x, y, yaw = locker.pose_map_port
    return sdf.static_model(
        model_name("locker", locker.id),
        body,
        opening,
        *markers,
        solid,
        place=_pose((x, y, 0.0, yaw)),
    )


def _marker(locker: Locker, marker_id: int, folder: Path) -> Element:
    texture = marker_texture(locker, marker_id)
    picture = f"meshes/{locker.marker_family}_{marker_id}.png"
    drawn = cv2.resize(
        texture, None, fx=MARKER_TEXELS, fy=MARKER_TEXELS, interpolation=cv2.INTER_NEAREST
    )
    if not cv2.imwrite(str(folder / picture), drawn):
        raise OSError(0, f"{picture} could not be written")
    side = TEXEL_M * len(texture)
    x, y, z = locker.markers[marker_id]
    return sdf.visual(
        f"marker_{marker_id}",
        sdf.mesh("meshes/square.obj", (1.0, side, side)),
        sdf.picture(picture),
        sdf.pose((x + 0.002, y, z)),
    )


def _door() -> Element:
    """Make the sliding door of a locker, closed; it is in nobody's way."""
    return sdf.visual(
        "door",
        sdf.box((0.004, *DOOR_SIZE_M)),
        sdf.colour(*COLOURS["door"]),
        sdf.pose((0.003, 0.0, DOOR_MIDDLE_M)),
    )


def _moving(town: Town, folder: Path, places: dict[str, Place]) -> list[Element]:
    models = []
    for shape, names in Pools.of(town.scenario).names().items():
        kind = SHAPE_NAMES[shape]
        if names:
            shown = mesh_files.both_sides(SHAPES[shape].triangles.astype(float))
            mesh_files.write_stl(shown, folder / "meshes" / f"{kind}.stl")
        for name in names:
            visual = sdf.visual(kind, sdf.mesh(f"meshes/{kind}.stl"), sdf.colour(*COLOURS[kind]))
            models.append(sdf.static_model(name, visual, _solid(shape), place=_pose(places[name])))
    for parcel in town.transfer.places():
        name = parcel_name(parcel)
        visual = sdf.visual("parcel", sdf.box(PARCEL_SIZE_M), sdf.colour(*COLOURS["parcel"]))
        models.append(sdf.static_model(name, visual, place=_pose(places[name])))
    return models


def _solid(shape: int) -> Element:
    """Give what touches of a body: plain shapes about its mesh."""
    if shape == LEG:
        return sdf.collision("leg", sdf.cylinder(0.07, 0.85), sdf.pose((0.0, 0.0, 0.425)))
    if shape == TRUNK:
        return sdf.collision("trunk", sdf.cylinder(0.22, 0.9), sdf.pose((0.0, 0.0, 1.25)))
    if shape == CYCLIST:
        return sdf.collision("cyclist", sdf.box((1.8, 0.3, 1.82)), sdf.pose((0.0, 0.0, 0.79)))
    assert shape == CAR
    return sdf.collision("car", sdf.box((4.5, 1.8, 1.52)), sdf.pose((0.0, 0.0, 0.64)))


def _robot(
    town: Town, robot: RobotDescription, config: SimulatorConfig, options: WorldOptions
) -> Element:
    x, y, yaw = town.start
    place = sdf.pose((x, y, start_height(town) + 0.005), (0.0, 0.0, yaw))
    grip = town.scenario.weather.friction_ratio
    return robot_model(robot, config, place, options.rates, grip)
