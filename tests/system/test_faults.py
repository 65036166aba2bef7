"""
A driving robot stops when one of the processes that it needs dies or hangs.

That it brakes within 0.3 s depends on the machine as well: where the world waits for nodes that
lag behind, part of the time that they take is not counted, and where it does not, a busy machine
is late. `make campaign-faults` judges that, without waits and with the machine to itself.
"""

import os
import signal

import numpy as np
import pytest

from lastmile.evaluation.faults import UNASKED_MAX_M, judge_stop
from lastmile.nodes.stack_lock import free_domain
from lastmile.nodes.stack_plan import settings_of_scenario
from lastmile.share import find_share
from lastmile.vehicle.description import read_robot

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(600)]

# A long way to the first locker, so that the robot drives at once.
SCENARIO = """\
site: example
start_distance_m: 70.0
surroundings: {facade_shift_min_m: 0.0, facade_shift_max_m: 0.1, facade_changed_ratio: 0.0,
               missing_ratio: 0.0, clutter_per_100m: 0.0, parked_ratio: 0.0}
"""
# The run ends with the last one: how the robot sets off is seen after the others.
FAULTS = (
    ("planner", signal.SIGKILL),
    ("perception", signal.SIGSTOP),
    ("command_gate", signal.SIGKILL),
    ("command_gate", signal.SIGSTOP),
    ("localization", signal.SIGSTOP),
)
# A node that is killed stays away for long enough that the robot stands before it is back, on a
# machine that is slow as well: one that drives on before was not seen to stop.
AWAY_S = 7.0


@pytest.fixture(scope="module")
def stops(tmp_path_factory):
    """Drive once, and let one process after the other fail."""
    from lastmile.nodes import process_group
    from lastmile.nodes.delivery_run import DeliveryRun, order_of_settings, read_log
    from lastmile.nodes.fault_run import FaultRun, Plan

    folder = tmp_path_factory.mktemp("faults")
    scenario = folder / "drive.yaml"
    scenario.write_text(SCENARIO)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_DOMAIN_ID", str(free_domain()))
        patch.setattr(process_group, "RESTART_DELAY_S", AWAY_S)
        settings = settings_of_scenario(folder / "run", scenario=str(scenario), rate=2.0)
        os.makedirs(settings.run_dir)
        with DeliveryRun(settings, order_of_settings(settings)) as run:
            faults = FaultRun(run, [Plan(*fault) for fault in FAULTS], print)
            faults.carry_out(limit_s=300.0, to_the_end=False)
    log = read_log(settings.run_dir)
    limits = read_robot(find_share("sim/robot/lastmile.urdf")).limits
    return {
        (fault.node, fault.signal): judge_stop(log, fault, limits, faults.back_s[fault])
        for fault in faults.faults
    }


@pytest.mark.parametrize(("node", "number"), FAULTS)
def test_robot_stops_and_holds_and_the_cause_is_named(stops, node, number):
    verdict = stops[node, number.name]
    assert verdict.speed_mps > 0.9
    assert np.isfinite(verdict.stopped_m), verdict
    assert verdict.unasked_m <= UNASKED_MAX_M, verdict
    assert verdict.cause, verdict
