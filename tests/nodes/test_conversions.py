import dataclasses
import math

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rclpy.serialization import deserialize_message, serialize_message
from scipy.spatial.transform import Rotation

from lastmile import types
from lastmile.nodes import _task_conversions as tasks
from lastmile.nodes._sensor_conversions import camera_info_message
from lastmile.nodes.clouds import to_cloud, to_grid
from lastmile.nodes.conversions import CameraReader, reader, to_message
from lastmile.stack.topics import ACTIONS, TOPICS

quick = settings(max_examples=25, suppress_health_check=list(HealthCheck))
numbers = st.floats(-1e6, 1e6)
stamps = st.integers(0, 10**15).map(lambda n: n / 1e6)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
singles = st.floats(-1e3, 1e3, width=32)


def arrays(*shape, elements=numbers):
    count = math.prod(shape)
    return st.lists(elements, min_size=count, max_size=count).map(
        lambda v: np.array(v, dtype=float).reshape(shape)
    )


def rows(width, elements=numbers, most=6):
    return st.integers(0, most).flatmap(lambda n: arrays(n, width, elements=elements))


yaws = st.floats(-3.14, 3.14)
poses = st.builds(lambda x, y, yaw: np.array([x, y, yaw]), numbers, numbers, yaws)
rotations = st.builds(
    lambda t, r: np.block(
        [[Rotation.from_rotvec(r).as_matrix(), t[:, None]], [np.zeros(3), np.ones(1)]]
    ),
    arrays(3),
    arrays(3, elements=st.floats(-1.5, 1.5)),
)
models = st.builds(
    types.CameraModel,
    st.just(6),
    st.just(4),
    st.just(np.diag([5.0, 6.0, 1.0])),
    arrays(5),
)


def obstacles():
    return st.integers(0, 5).flatmap(
        lambda n: st.builds(
            types.Obstacle,
            id=st.integers(0, 2**32 - 1),
            kind=st.sampled_from(types.ObstacleKind),
            position=arrays(2),
            velocity=arrays(2),
            covariance=arrays(4, 4),
            footprint=rows(2, singles),
            height_m=numbers,
            age_s=numbers,
            observed=st.booleans(),
            predicted_path=arrays(n, 2, elements=singles),
            predicted_sigma=arrays(n, elements=singles),
            prediction_dt_s=numbers,
        )
    )


spans = st.builds(
    types.RouteSpan,
    *[numbers] * 2,
    st.sampled_from(types.EdgeKind),
    *[numbers] * 2,
    texts,
    st.booleans(),
    st.integers(0, 8),
    numbers,
)
routes = st.builds(types.Route, texts, rows(2), st.lists(spans, max_size=3).map(tuple), numbers)
trajectories = st.integers(1, 6).flatmap(
    lambda n: st.builds(
        types.Trajectory,
        stamps,
        st.sampled_from(types.TrajectorySource),
        numbers,
        arrays(n, 3),
        arrays(n, 2),
        st.booleans(),
        texts,
        stamps,
    )
)
docked = st.booleans()
compartments = st.builds(
    types.CompartmentState, texts, st.booleans(), st.booleans(), texts, numbers
)
bays = st.builds(
    lambda wire, **rest: types.BayState(docked=wire is not None, door_closed=wire, **rest),
    st.sampled_from([None, True, False]),
    stamp_s=stamps,
    occupied_a=st.booleans(),
    occupied_b=st.booleans(),
    parcel_id=texts,
    gap_clear=st.booleans(),
)
lockers = st.builds(
    lambda wire, **rest: types.LockerHardwareState(docked=wire is not None, busy=wire, **rest),
    st.sampled_from([None, True, False]),
    stamp_s=stamps,
    locker_id=texts,
    door_closed=st.booleans(),
    door_open=st.booleans(),
    gap_clear=st.booleans(),
    compartments=st.lists(compartments, max_size=3).map(tuple),
)
conveyors = st.sampled_from([-1, 0, 1])
people = st.integers(0, 4).flatmap(
    lambda n: arrays(n, 4).map(lambda a: np.column_stack([np.arange(n, dtype=float), a]))
)
vehicles = st.integers(0, 4).flatmap(
    lambda n: arrays(n, 5).map(lambda a: np.column_stack([np.arange(n, dtype=float), a]))
)
cell_values = st.sampled_from([int(cell) for cell in types.Cell])
grids = st.tuples(st.integers(1, 4), st.integers(1, 5)).flatmap(
    lambda size: st.builds(
        types.PointGrid,
        stamps,
        texts,
        arrays(*size, 3, elements=st.floats(width=32)).map(np.float32),
        arrays(*size, elements=st.floats(width=32)).map(np.float32),
        arrays(size[1], elements=singles).map(np.float32),
    )
)

VALUES = {
    types.ImuSample: st.builds(types.ImuSample, stamps, arrays(3), arrays(3)),
    types.WheelOdometry: st.builds(types.WheelOdometry, stamps, arrays(2), arrays(2, 2)),
    types.GnssFix: st.builds(
        types.GnssFix, stamps, *[numbers] * 3, arrays(3, 3), st.sampled_from(types.FixType)
    ),
    types.PointGrid: grids,
    types.CameraImage: st.builds(
        types.CameraImage,
        stamps,
        texts,
        arrays(4, 6, elements=st.integers(0, 255)).map(np.uint8),
        models,
    ),
    types.BaseState: st.builds(types.BaseState, stamps, *[st.booleans()] * 4, numbers),
    types.SignalStates: st.builds(
        types.SignalStates,
        stamps,
        st.lists(
            st.builds(
                types.CrossingSignal,
                texts,
                st.sampled_from(types.SignalPhase),
                st.one_of(numbers, st.just(math.nan)),
            ),
            max_size=3,
        ).map(tuple),
    ),
    types.OdometryEstimate: st.builds(
        types.OdometryEstimate, stamps, poses, arrays(2), arrays(2, 2)
    ),
    types.InitialPose: st.builds(types.InitialPose, stamps, poses, arrays(3, 3)),
    types.PoseEstimate: st.builds(
        types.PoseEstimate,
        stamps,
        poses,
        arrays(3, 3),
        poses,
        st.sampled_from(types.LocalizationState),
        *[numbers] * 3,
        texts,
    ),
    types.ObstacleArray: st.builds(
        types.ObstacleArray, stamps, st.lists(obstacles(), max_size=3).map(tuple)
    ),
    types.LocalCostMap: st.builds(
        types.LocalCostMap,
        stamps,
        arrays(2),
        st.sampled_from([0.05, 0.1, 0.25]),
        arrays(3, 4, elements=cell_values).map(np.int8),
    ),
    types.MarkerArray: st.builds(
        types.MarkerArray,
        stamps,
        texts,
        st.lists(st.builds(types.Marker, st.integers(0, 500), rotations, numbers), max_size=3).map(
            tuple
        ),
    ),
    types.Trajectory: trajectories,
    types.Command: st.builds(types.Command, stamps, numbers, numbers),
    types.SafetyState: st.builds(
        types.SafetyState,
        stamps,
        st.sampled_from(types.SafetyLevel),
        texts,
        st.lists(texts, max_size=3).map(tuple),
    ),
    types.Route: routes,
    types.PlannerStatus: st.builds(
        types.PlannerStatus,
        stamps,
        st.sampled_from(types.PlannerState),
        texts,
        *[numbers] * 3,
        texts,
    ),
    types.BayState: bays,
    types.BayCommand: st.builds(types.BayCommand, stamps, conveyors, st.booleans()),
    types.LockerHardwareState: lockers,
    types.LockerHardwareCommand: st.builds(
        types.LockerHardwareCommand, stamps, texts, st.booleans(), texts, conveyors
    ),
    types.CustodyState: st.builds(
        types.CustodyState, stamps, texts, texts, st.integers(0, 2**32 - 1), *[texts] * 3
    ),
    types.MissionState: st.builds(types.MissionState, stamps, *[texts] * 4, numbers),
    types.GroundTruth: st.builds(
        types.GroundTruth,
        stamps,
        arrays(3),
        arrays(2),
        people,
        vehicles,
        st.one_of(numbers, st.just(math.inf)),
        numbers,
        texts,
        st.dictionaries(texts, texts, max_size=2),
    ),
}


def assert_same(read, value, where=""):
    """Hold two values against each other; float64 keeps 1e-6 of what the test draws."""
    assert type(read) is type(value) or isinstance(value, (np.ndarray, float, int)), where
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            assert_same(getattr(read, field.name), getattr(value, field.name), field.name)
    elif isinstance(value, np.ndarray):
        assert read.shape == value.shape, where
        np.testing.assert_allclose(read, value, rtol=1e-6, atol=1e-6, err_msg=where)
    elif isinstance(value, tuple):
        assert len(read) == len(value), where
        for one, other in zip(read, value, strict=True):
            assert_same(one, other, where)
    elif isinstance(value, float):
        np.testing.assert_allclose(read, value, rtol=1e-9, atol=1e-6, err_msg=where)
    else:
        assert read == value, where


def test_every_topic_of_the_table_has_values_to_try():
    assert {topic.value for topic in TOPICS.values()} == set(VALUES)


@pytest.mark.parametrize("value_type", VALUES, ids=lambda t: t.__name__)
def test_values_come_back_from_their_message(value_type):
    @quick
    @given(VALUES[value_type])
    def comes_back(value):
        message = to_message(value)
        wired = deserialize_message(serialize_message(message), type(message))
        read = reader(value_type)
        if isinstance(read, CameraReader):
            read.take_info(camera_info_message(value))
        assert_same(read(wired), value)

    comes_back()


GOALS = {
    types.FollowRouteGoal: st.builds(types.FollowRouteGoal, st.just("7"), routes),
    types.DockGoal: st.builds(types.DockGoal, st.just("7"), texts, st.booleans()),
    types.HandOverGoal: st.builds(
        types.HandOverGoal, st.just("7"), *[texts] * 3, st.sampled_from(types.Direction)
    ),
    types.DeliverGoal: st.builds(types.DeliverGoal, st.just("7"), *[texts] * 4),
}


def test_every_action_of_the_table_has_goals_to_try():
    assert {action.goal for action in ACTIONS.values()} == set(GOALS)


@pytest.mark.parametrize("goal_type", GOALS, ids=lambda t: t.__name__)
def test_goals_come_back_from_their_message(goal_type):
    @quick
    @given(GOALS[goal_type])
    def comes_back(goal):
        message = tasks.goal_message(goal)
        wired = deserialize_message(serialize_message(message), type(message))
        assert_same(tasks.goal_value(goal_type, wired, "7"), goal)

    comes_back()


@quick
@given(
    st.builds(types.TaskFeedback, st.just("7"), stamps, texts, numbers, numbers, texts),
    st.builds(
        types.TaskResult,
        st.just("7"),
        stamps,
        st.sampled_from(types.TaskOutcome),
        texts,
        st.dictionaries(texts, numbers, max_size=3),
    ),
)
def test_feedback_and_results_come_back_from_their_message(feedback, result):
    assert_same(tasks.feedback_value(tasks.feedback_message(feedback), "7"), feedback)
    assert_same(tasks.result_value(tasks.result_message(result), "7"), result)


def test_stamps_keep_a_microsecond_over_decades():
    stamp_s = 1_900_000_000.123456
    message = to_message(types.Command(stamp_s, 0.0, 0.0))
    assert message.header.stamp == Time(sec=1_900_000_000, nanosec=message.header.stamp.nanosec)
    assert reader(types.Command)(message).stamp_s == pytest.approx(stamp_s, abs=1e-6)


# ------------------------------------------------------------------------------- malformed


def cloud(**changes):
    message = to_cloud(
        types.PointGrid(
            1.0,
            "lidar_link",
            np.arange(18, dtype=np.float32).reshape(2, 3, 3),
            np.ones((2, 3), np.float32),
            np.array([0.0, 0.1, 0.2], np.float32),
        )
    )
    for name, value in changes.items():
        setattr(message, name, value)
    return message


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"is_bigendian": True}, "little-endian"),
        ({"height": 3}, "row_step x height = 180"),
        ({"width": 4}, "row_step 60 is below"),
        ({"width": 0, "row_step": 0}, "at least one point"),
        ({"row_step": 50}, "row_step 50 is below"),
        ({"data": cloud().data[:-1]}, "119 bytes"),
        ({"fields": cloud().fields[:-1]}, "field 't' is missing; fields are x, y, z, intensity"),
        ({"point_step": 18, "row_step": 60}, "field 't' ends at byte 20, beyond point_step 18"),
    ],
)
def test_clouds_that_break_the_layout_are_refused(changes, rule):
    with pytest.raises(ValueError, match=rule):
        to_grid(cloud(**changes))


def test_cloud_with_a_field_of_another_type_is_refused():
    message = cloud()
    message.fields[3].datatype = 2
    with pytest.raises(ValueError, match=r"'intensity' has datatype 2"):
        to_grid(message)


def test_cloud_without_column_times_is_refused():
    grid = to_grid(cloud())
    broken = dataclasses.replace(grid, offset_s=np.array([0.0, np.nan, 0.2], np.float32))
    with pytest.raises(ValueError, match="not finite"):
        to_grid(to_cloud(broken))


def test_cloud_with_padded_rows_and_other_field_order_is_read():
    plain = cloud()
    points = np.frombuffer(plain.data, "<f4").reshape(2, 3, 5)
    padded = np.zeros((2, 100), np.uint8)
    for row in range(2):
        for column in range(3):
            # t intensity z y x, 24 bytes per point, 28 bytes of padding per row
            turned = np.zeros(6, "<f4")
            turned[:5] = points[row, column, ::-1]
            padded[row, 24 * column : 24 * (column + 1)] = turned.view(np.uint8)
    other = cloud(point_step=24, row_step=100)
    other.data = padded.ravel().tolist()
    for field in other.fields:
        field.offset = 16 - field.offset
    assert_same(to_grid(other), to_grid(plain))


def test_image_without_camera_info_and_with_another_size_are_refused():
    value = types.CameraImage(
        1.0,
        "camera_optical_frame",
        np.zeros((4, 6), np.uint8),
        types.CameraModel(6, 4, np.eye(3), np.zeros(5)),
    )
    message = to_message(value)
    read = CameraReader()
    with pytest.raises(ValueError, match="without a camera model"):
        read(message)
    read.take_info(camera_info_message(value))
    message.width = 5
    with pytest.raises(ValueError, match="image is 5 x 4, its CameraInfo says 6 x 4"):
        read(message)


def test_words_outside_their_enumeration_are_refused():
    message = to_message(types.SafetyState(1.0, types.SafetyLevel.DRIVE, "planner", ()))
    message.level = "fly"
    with pytest.raises(ValueError, match="level 'fly' is not one of drive, stand"):
        reader(types.SafetyState)(message)


def test_trajectory_with_too_few_speeds_is_refused():
    plan = types.Trajectory(
        1.0, types.TrajectorySource.PLANNER, 0.1, np.zeros((3, 3)), np.zeros((3, 2)), True, ""
    )
    message = to_message(plan)
    message.speeds = message.speeds[:-1]
    with pytest.raises(ValueError, match="3 poses, 2 speeds and 3 yaw rates"):
        reader(types.Trajectory)(message)


def test_command_that_the_base_cannot_make_is_refused():
    message = to_message(types.Command(1.0, 0.5, 0.0))
    message.twist.linear.y = 0.2
    with pytest.raises(ValueError, match=r"linear y 0\.2"):
        reader(types.Command)(message)


def test_cost_map_cells_outside_their_values_are_refused():
    value = types.LocalCostMap(1.0, np.zeros(2), 0.1, np.full((2, 2), 50, np.int8))
    with pytest.raises(ValueError, match="cell value 50"):
        reader(types.LocalCostMap)(to_message(value))


def test_obstacle_whose_outline_or_path_lacks_a_number_is_refused():
    obstacle = types.Obstacle(
        id=7,
        kind=types.ObstacleKind.PERSON,
        position=np.zeros(2),
        velocity=np.zeros(2),
        covariance=np.eye(4),
        footprint=np.zeros((4, 2)),
        height_m=1.7,
        age_s=1.0,
        observed=True,
        predicted_path=np.zeros((3, 2)),
        predicted_sigma=np.zeros(3),
        prediction_dt_s=0.1,
    )
    for field, count, rule in (
        ("footprint", 7, "footprint: 7 numbers, x and y of each point are needed"),
        ("predicted_path", 5, "predicted_path: 5 numbers"),
        ("predicted_sigma", 2, "obstacle 7: 3 predicted points and 2 sigmas"),
    ):
        message = to_message(types.ObstacleArray(1.0, (obstacle,)))
        setattr(message.obstacles[0], field, [0.0] * count)
        with pytest.raises(ValueError, match=rule):
            reader(types.ObstacleArray)(message)


@pytest.mark.parametrize("w", [0.0, 0.9, math.nan])
def test_a_quaternion_that_is_not_of_unit_length_is_no_heading(w):
    message = to_message(types.OdometryEstimate(1.0, np.zeros(3), np.zeros(3), np.eye(3)))
    message.pose.pose.orientation.w = w
    with pytest.raises(ValueError, match=f"orientation has length {w:g}; a unit quaternion"):
        reader(types.OdometryEstimate)(message)


@pytest.mark.parametrize("frame", ["", "map"])
def test_odometry_in_another_frame_is_left_out(frame):
    message = to_message(types.OdometryEstimate(1.0, np.zeros(3), np.zeros(3), np.eye(3)))
    message.header.frame_id = frame
    with pytest.raises(ValueError, match=f"pose is in frame '{frame}'; it must be in 'odom'"):
        reader(types.OdometryEstimate)(message)
