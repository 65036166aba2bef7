"""What tests need of the reference robot; `test_description.py` holds it to the URDF."""

import numpy as np

from lastmile.vehicle.description import MotionLimits, RobotDescription

FOOTPRINT = np.array([[-0.35, -0.275], [0.35, -0.275], [0.35, 0.275], [-0.35, 0.275]])
ROBOT = RobotDescription(
    name="test",
    footprint=FOOTPRINT,
    wheel_radius_m=0.12,
    track_m=0.46,
    mounts={"port_link": np.eye(4)},
    limits=MotionLimits(),
    urdf="",
)
