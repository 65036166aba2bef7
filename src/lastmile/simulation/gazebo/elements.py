"""Elements of SDF 1.9 (sdformat.org), made from plain values."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element

import numpy as np
from scipy.spatial.transform import Rotation

SDF_VERSION = "1.9"


def element(tag: str, *content: Element | str | float | bool, **attributes: str) -> Element:
    """Make an element of children and of text; numbers and truths are written as SDF has them."""
    made = Element(tag, attributes)
    for part in content:
        if isinstance(part, Element):
            made.append(part)
        else:
            made.text = (made.text or "") + text_of(part)
    return made


def text_of(value: str | float | bool) -> str:
    """Write a value; numbers with all digits that matter, so that a world repeats bit for bit."""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if not np.isfinite(value):
        raise ValueError(f"{value!r} is not finite, as SDF wants its numbers")
    return f"{float(value):.12g}"


def numbers(values: Iterable[float]) -> str:
    """Write a vector."""
    return " ".join(text_of(float(value)) for value in values)


def pose(xyz: Sequence[float], rpy: Sequence[float] = (0.0, 0.0, 0.0)) -> Element:
    """Make a pose of place [m] and roll, pitch, yaw [rad]."""
    return element("pose", numbers([*xyz, *rpy]))


def pose_of(T: np.ndarray) -> Element:
    """Make a pose of a transform (4, 4)."""
    # SDF turns about fixed axes x, y, z in that order, as URDF does.
    return pose(T[:3, 3], Rotation.from_matrix(T[:3, :3]).as_euler("xyz"))


def box(size: Sequence[float]) -> Element:
    """Make a box geometry."""
    return element("geometry", element("box", element("size", numbers(size))))


def cylinder(radius: float, length: float) -> Element:
    """Make an upright cylinder geometry about its middle."""
    return element(
        "geometry", element("cylinder", element("radius", radius), element("length", length))
    )


def sphere(radius: float) -> Element:
    """Make a sphere geometry."""
    return element("geometry", element("sphere", element("radius", radius)))


def mesh(uri: str, scale: Sequence[float] = (1.0, 1.0, 1.0)) -> Element:
    """Make a mesh geometry of a file beside the world's."""
    return element(
        "geometry", element("mesh", element("uri", uri), element("scale", numbers(scale)))
    )


def colour(red: float, green: float, blue: float) -> Element:
    """Make a material of one colour, seen from both sides."""
    rgba = numbers([red, green, blue, 1.0])
    return element(
        "material",
        element("ambient", rgba),
        element("diffuse", rgba),
        element("specular", "0 0 0 1"),
        element("double_sided", True),
    )


def picture(uri: str) -> Element:
    """Make a material that shows a picture, without gloss."""
    metal = element(
        "metal", element("albedo_map", uri), element("roughness", 1.0), element("metalness", 0.0)
    )
    return element(
        "material",
        element("ambient", "1 1 1 1"),
        element("diffuse", "1 1 1 1"),
        element("specular", "0 0 0 1"),
        element("pbr", metal),
    )


def visual(name: str, geometry: Element, material: Element, place: Element | None = None):
    """Make a visual."""
    return element("visual", *_at(place), geometry, material, name=name)


def collision(
    name: str, geometry: Element, place: Element | None = None, friction: float | None = None
) -> Element:
    """Make a collision shape, with a friction of its own where it has one."""
    surface = []
    if friction is not None:
        ode = element("ode", element("mu", friction), element("mu2", friction))
        surface = [element("surface", element("friction", ode))]
    return element("collision", *_at(place), geometry, *surface, name=name)


def static_model(name: str, *content: Element, place: Element | None = None) -> Element:
    """Make a model that no force moves; it goes where it is told."""
    link = element("link", *content, name="link")
    return element("model", element("static", True), *_at(place), link, name=name)


def plugin(filename: str, name: str, *content: Element) -> Element:
    """Name a system of gz-sim."""
    return element(
        "plugin",
        *content,
        filename=f"gz-sim-{filename}-system",
        name=f"gz::sim::systems::{name}",
    )


def gaussian(sigma: float, bias: float = 0.0, walk: float = 0.0, time_s: float = 0.0) -> Element:
    """
    Make a noise of gz-sensors' GaussianNoiseModel.

    Parameters
    ----------
    sigma : float
        Standard deviation of a reading.
    bias : float
        One sigma of the bias at the start.
    walk : float
        Density of the bias's random walk, in units per root second.
    time_s : float
        Time after which the bias forgets where it was.

    """
    content = [element("mean", 0.0), element("stddev", sigma)]
    if bias > 0.0:
        content += [element("bias_mean", 0.0), element("bias_stddev", bias)]
    if walk > 0.0:
        content += [
            element("dynamic_bias_stddev", walk),
            element("dynamic_bias_correlation_time", time_s),
        ]
    return element("noise", *content, type="gaussian")


def image_noise(sigma: float) -> Element:
    """Make the white noise of ranges [m] or of a camera's levels from 0 to 1."""
    return element(
        "noise", element("type", "gaussian"), element("mean", 0.0), element("stddev", sigma)
    )


def document(world: Element) -> str:
    """Write a world as an SDF file's text."""
    root = element("sdf", world, version=SDF_VERSION)
    ElementTree.indent(root)
    return '<?xml version="1.0"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _at(place: Element | None) -> list[Element]:
    return [] if place is None else [place]
