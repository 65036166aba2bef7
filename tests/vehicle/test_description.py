"""The robot is read out of its URDF; what tests use in its place is the same."""

import numpy as np
import pytest
from tests.localization import street
from tests.perception import scenes
from tests.robot import FOOTPRINT, ROBOT

from lastmile.share import find_share
from lastmile.vehicle.description import DescriptionError, MotionLimits, read_robot

URDF = find_share("sim/robot/lastmile.urdf")

TURNED = """<robot name="turned">
<link name="base_link">
<collision><origin xyz="0.1 0 0"/><geometry><box size="1 0.5 0.2"/></geometry></collision></link>
<link name="mast"/><link name="eye"/><link name="wheel_left_link"/><link name="wheel_right_link"/>
<joint name="m"><parent link="base_link"/><child link="mast"/>
<origin xyz="0.2 0 1" rpy="0 0 1.5707963267948966"/></joint>
<joint name="e"><parent link="mast"/><child link="eye"/><origin xyz="0.3 0 0"/></joint>
<joint name="l"><parent link="base_link"/><child link="wheel_left_link"/>
<origin xyz="0 0.25 0.1"/></joint>
<joint name="r"><parent link="base_link"/><child link="wheel_right_link"/>
<origin xyz="0 -0.25 0.1"/></joint>
</robot>"""


def test_robot_of_the_tests_is_the_reference_robot():
    robot = read_robot(URDF)
    np.testing.assert_allclose(robot.footprint, FOOTPRINT)
    assert robot.wheel_radius_m == pytest.approx(ROBOT.wheel_radius_m)
    assert robot.track_m == pytest.approx(ROBOT.track_m)
    assert robot.limits == MotionLimits()
    for mounts in (scenes.MOUNTS, street.MOUNTS):
        for frame, T_base_frame in mounts.items():
            np.testing.assert_allclose(robot.mount(frame), T_base_frame, atol=1e-9, err_msg=frame)


def test_mounts_are_chained_from_the_base_outwards(tmp_path):
    path = tmp_path / "turned.urdf"
    path.write_text(TURNED)
    robot = read_robot(path)
    # The mast is turned to the left: what is ahead of it is left of the base.
    assert robot.mount("eye")[:3, 3] == pytest.approx([0.2, 0.3, 1.0])
    assert (robot.wheel_radius_m, robot.track_m) == pytest.approx((0.1, 0.5))
    assert robot.footprint.tolist() == [[-0.4, -0.25], [0.6, -0.25], [0.6, 0.25], [-0.4, 0.25]]


def test_unknown_frame_is_named_with_those_that_there_are():
    with pytest.raises(DescriptionError, match=r"frame 'antenna' is not in .*; it has base_link,"):
        read_robot(URDF).mount("antenna")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (None, "cannot be read: No such file"),
        ("", "not XML"),
        ("<robot>", "not XML"),
        ("<robot/>", "link 'base_link' is missing"),
        (TURNED.replace('<link name="wheel_left_link"/>', ""), "link 'wheel_left_link' is missing"),
        (TURNED.replace("collision", "visual"), "link 'a collision box of base_link' is missing"),
    ],
)
def test_description_that_cannot_be_used_is_named_with_the_rule(tmp_path, text, rule):
    path = tmp_path / "robot.urdf"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DescriptionError, match=rf"/robot\.urdf: {rule}"):
        read_robot(path)
