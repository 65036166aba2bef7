"""The whole stack in lockstep, in a world in which something goes wrong."""

import numpy as np
import pytest

from lastmile.evaluation.faults import STANDING_MPS
from lastmile.evaluation.run_log import RunLog
from lastmile.simulation.delivery import LockstepDelivery
from lastmile.simulation.setting import read_setting

# A long way to the first locker, so that the robot drives at once.
SCENARIO = """\
site: example
start_distance_m: 70.0
surroundings: {facade_shift_min_m: 0.0, facade_shift_max_m: 0.1, facade_changed_ratio: 0.0,
               missing_ratio: 0.0, clutter_per_100m: 0.0, parked_ratio: 0.0}
faults: [{kind: depth_nan, start_s: 12.0, duration_s: 6.0}]
"""


@pytest.mark.slow
def test_robot_stops_while_its_depth_cameras_are_blinded_and_drives_on_after(tmp_path):
    path = tmp_path / "blinded.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    delivery, log = LockstepDelivery(read_setting(str(path))), RunLog()
    delivery.loop.observe(log.observe)
    with pytest.raises(TimeoutError):
        delivery.run(22.0)
    delivery.close()
    stamps = np.array([t.stamp_s for t in log.truth])
    speeds = np.array([t.twist_base[0] for t in log.truth])
    assert speeds[stamps < 12.0][-1] > 1.0
    assert np.abs(speeds[(stamps > 15.0) & (stamps < 18.0)]).max() < STANDING_MPS
    causes = [c for e in log.safety if 12.0 < e.stamp_s < 18.0 for c in e.value.causes]
    assert [c for c in causes if c.startswith("obstacles:")], causes
    assert speeds[-1] > 1.0
