"""Configuration of the localization room; every default is stated here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass

from lastmile.config import param, section


@dataclass(frozen=True)
class MotionConfig:
    """How far wheels and gyro are trusted."""

    speed_noise_mps: float = param(
        0.05, "Noise of the wheel speed over one second of driving", unit="m/s", low=0.0, high=1.0
    )
    lateral_noise_mps: float = param(
        0.02, "Sideways slip over one second of driving", unit="m/s", low=0.0, high=1.0
    )
    gyro_noise_radps: float = param(
        0.003, "Noise of the yaw rate over one second", unit="rad/s", low=1e-5, high=0.5
    )
    gyro_bias_drift_radps: float = param(
        2e-5, "Random walk of the gyro bias over one second", unit="rad/s", low=0.0, high=0.01
    )
    gyro_bias_initial_radps: float = param(
        0.01, "Standard deviation of the gyro bias at the start", unit="rad/s", low=1e-5, high=0.2
    )
    wheel_scale_initial: float = param(
        0.02, "Standard deviation of the wheel scale at the start", low=0.0, high=0.3
    )
    wheel_scale_drift: float = param(
        2e-4, "Random walk of the wheel scale over one second of driving", low=0.0, high=0.1
    )
    standstill_speed_mps: float = param(
        0.005, "Wheels slower than this stand", unit="m/s", low=0.0, high=0.1
    )
    standstill_yaw_rate_radps: float = param(
        0.05, "A robot that stands turns slower than this", unit="rad/s", low=0.0, high=0.2
    )
    standstill_time_s: float = param(
        0.4, "Standing this long before the gyro bias is read", unit="s", low=0.0, high=10.0
    )
    slip_window_s: float = param(
        0.5, "Time over which odometry is held against the matches", unit="s", low=0.1, high=5.0
    )
    slip_least_m: float = param(
        0.25,
        "Least way missed by odometry over this time to be slip",
        unit="m",
        low=0.02,
        high=5.0,
    )
    history_s: float = param(
        1.0, "How late a measurement may come and still be used", unit="s", low=0.1, high=5.0
    )


@dataclass(frozen=True)
class GnssConfig:
    """Satellite fixes: used with suspicion, never gated out for good."""

    sigma_floor_m: float = param(
        1.0, "Least noise of a fix, whatever its receiver says", unit="m", low=0.01, high=50.0
    )
    rtk_sigma_floor_m: float = param(
        0.1, "Least noise of an RTK fix", unit="m", low=0.005, high=5.0
    )
    inflation: float = param(1.5, "Factor on the receiver's standard deviation", low=0.5, high=10.0)
    multipath_sigma_m: float = param(
        3.0, "Slowly changing error of the fixes (Gauss-Markov)", unit="m", low=0.0, high=50.0
    )
    multipath_time_s: float = param(
        30.0, "Correlation time of that error", unit="s", low=0.1, high=1000.0
    )
    robust_scale: float = param(
        2.0,
        "Innovation, in standard deviations, where a fix begins to lose weight",
        low=0.5,
        high=20.0,
    )


@dataclass(frozen=True)
class ScanConfig:
    """Which lidar returns are matched: of each column, the farthest upright surface."""

    lidar_frame: str = param("lidar_link", "Frame that lidar turns must be in")
    column_step: int = param(2, "Every n-th column is used", low=1, high=16)
    min_range_m: float = param(1.0, "Nearest return", unit="m", low=0.1, high=10.0)
    max_range_m: float = param(90.0, "Farthest return", unit="m", low=5.0, high=200.0)
    min_height_m: float = param(0.5, "Lowest return above ground", unit="m", low=0.1, high=2.0)
    max_height_m: float = param(6.0, "Highest return above ground", unit="m", low=1.0, high=20.0)
    upright_tolerance_m: float = param(
        0.4,
        "Returns this near in range, one above another, are one surface",
        unit="m",
        low=0.05,
        high=2.0,
    )
    upright_returns: int = param(2, "Returns that a surface needs in its column", low=1, high=16)
    cell_m: float = param(
        0.2, "One point is kept in each cell of this size", unit="m", low=0.02, high=2.0
    )
    max_points: int = param(360, "Most points of a scan", low=30, high=2000)


@dataclass(frozen=True)
class MapError:
    """How far a map is off; the defaults are those of footprints out of OpenStreetMap."""

    surface_sigma_m: float = param(
        0.45, "Error of a surface as a whole, each axis", unit="m", low=0.001, high=5.0
    )
    surface_length_m: float = param(
        12.0,
        "Length of surface whose error is one draw (a facade is off as a whole)",
        unit="m",
        low=0.05,
        high=100.0,
    )
    heading_share: float = param(
        0.7,
        "Share of these errors that turns a match: facades are shifted rather than turned",
        low=0.05,
        high=1.0,
    )
    frame_sigma_m: float = param(
        0.05, "Error of the map as a whole, which no scan shows", unit="m", low=0.0, high=2.0
    )
    frame_sigma_rad: float = param(
        0.002, "Turn of the map as a whole", unit="rad", low=0.0, high=0.1
    )


@dataclass(frozen=True)
class LidarMapError(MapError):
    """How far a map made with the lidar is off."""

    surface_sigma_m: float = param(
        0.05, "Error of a surface as a whole, each axis", unit="m", low=0.001, high=5.0
    )
    surface_length_m: float = param(
        2.0, "Length of surface whose error is one draw", unit="m", low=0.05, high=100.0
    )
    heading_share: float = param(
        0.5,
        "Share of these errors that turns a match: facades are shifted rather than turned",
        low=0.05,
        high=1.0,
    )
    frame_sigma_m: float = param(
        0.05, "Error of the map as a whole, which no scan shows", unit="m", low=0.0, high=2.0
    )
    frame_sigma_rad: float = param(
        0.002, "Turn of the map as a whole", unit="rad", low=0.0, high=0.1
    )


@dataclass(frozen=True)
class MatcherConfig:
    """Gauss-Newton of a scan on the distance field of the map."""

    field_limit_m: float = param(
        3.0, "Distance beyond which the field is flat", unit="m", low=0.5, high=20.0
    )
    wide_scale_m: float = param(
        0.8, "Cauchy scale of the first iterations", unit="m", low=0.05, high=5.0
    )
    min_scale_m: float = param(
        0.08, "Least Cauchy scale, reached where the map fits well", unit="m", low=0.01, high=2.0
    )
    max_scale_m: float = param(
        0.5, "Largest Cauchy scale of the last iterations", unit="m", low=0.05, high=5.0
    )
    iterations: int = param(12, "Most iterations for each scale", low=1, high=100)
    prior_sigma_m: float = param(
        1.0, "Hold of the prediction during the search", unit="m", low=0.01, high=10.0
    )
    prior_sigma_rad: float = param(
        0.10, "Hold of the predicted heading during the search", unit="rad", low=0.001, high=3.0
    )
    min_points: int = param(30, "Fewest points of a match", low=5, high=1000)
    inlier_distance_m: float = param(
        0.6, "A point this near to the map is explained by it", unit="m", low=0.05, high=3.0
    )
    min_inlier_share: float = param(
        0.35, "Least share of explained points of a match", low=0.0, high=1.0
    )
    surface_length_m: float = param(
        8.0, "Length of surface that counts as one point", unit="m", low=0.05, high=100.0
    )
    sigma_floor_m: float = param(
        0.03, "Least error of a surface of the map", unit="m", low=0.001, high=1.0
    )
    scan_correlation: float = param(
        4.0,
        "Factor on the covariance, for successive scans see the same surfaces",
        low=1.0,
        high=100.0,
    )
    degenerate_sigma_m: float = param(
        1.0, "A direction known worse than this is not corrected", unit="m", low=0.05, high=10.0
    )
    robust_scale: float = param(
        2.5,
        "Innovation, in standard deviations, where a match begins to lose weight",
        low=0.5,
        high=20.0,
    )
    period_s: float = param(
        0.1, "Least time between matches while driving", unit="s", low=0.0, high=5.0
    )
    standing_period_s: float = param(
        0.5, "Least time between matches while standing", unit="s", low=0.0, high=10.0
    )


@dataclass(frozen=True)
class StartConfig:
    """Finding the pose at the start, and again when it was lost."""

    use_start_pose: bool = param(False, "Start from `start_pose` instead of searching")
    start_pose: tuple[float, float, float] = param(
        (0.0, 0.0, 0.0), "Known start in map: x [m], y [m], yaw [rad]"
    )
    start_sigma_m: float = param(0.5, "Uncertainty of a given start", unit="m", low=0.01, high=10.0)
    start_sigma_rad: float = param(
        0.09, "Uncertainty of the heading of a given start", unit="rad", low=0.001, high=3.2
    )
    gnss_fixes: int = param(5, "Fixes whose median is the middle of the search", low=1, high=100)
    gnss_wait_s: float = param(
        3.0, "Wait this long for these fixes, then take what came", unit="s", low=0.0, high=60.0
    )
    radius_m: float = param(
        15.0, "Least half width of the search around the fix", unit="m", low=1.0, high=200.0
    )
    max_radius_m: float = param(
        40.0, "Largest half width of the search", unit="m", low=1.0, high=400.0
    )
    likelihood_sigma_m: float = param(
        0.6, "Width of the map's likelihood in the search", unit="m", low=0.05, high=5.0
    )
    points: int = param(140, "Points of the scan used in the search", low=20, high=1000)
    beam: int = param(1500, "Candidates kept at each level", low=50, high=100000)
    hypotheses: int = param(6, "Places that are followed until one is confirmed", low=1, high=50)
    sharpness: float = param(
        60.0, "Log-odds that a score better by 1 gives a place", low=1.0, high=1000.0
    )
    elsewhere_score: float = param(
        0.4, "Score expected of places that the search did not find", low=0.0, high=1.0
    )
    new_evidence_m: float = param(
        4.0, "Way after which a scan is evidence anew", unit="m", low=0.1, high=100.0
    )
    certain: float = param(
        0.99, "Probability of one place at which the start is certain", low=0.5, high=1.0
    )
    likely: float = param(
        0.9,
        "Probability of places that agree at which the robot may begin to move, degraded",
        low=0.5,
        high=1.0,
    )
    agree_m: float = param(
        4.0, "Places this near, with one heading, agree", unit="m", low=0.5, high=20.0
    )
    agree_rad: float = param(
        0.09, "Headings this near are one heading", unit="rad", low=0.01, high=0.5
    )
    confirm_matches: int = param(5, "Matches in a row that confirm a start", low=1, high=100)
    retry_s: float = param(2.0, "Time between searches", unit="s", low=0.1, high=60.0)


@dataclass(frozen=True)
class IntegrityConfig:
    """When the pose may be trusted."""

    risk: float = param(
        1e-3, "Share of time that the error may exceed a protection level", low=1e-9, high=0.1
    )
    imu_timeout_s: float = param(0.2, "Oldest gyro reading", unit="s", low=0.02, high=2.0)
    wheel_timeout_s: float = param(0.2, "Oldest wheel reading", unit="s", low=0.02, high=2.0)
    gnss_nis: float = param(
        9.0,
        "Mean normalised innovation of the fixes above which the pose is degraded",
        low=1.0,
        high=1000.0,
    )
    match_timeout_s: float = param(
        3.0, "Oldest match of the lidar before the pose is degraded", unit="s", low=0.2, high=60.0
    )
    degraded_protection_m: float = param(
        4.0, "Protection level above which the pose is degraded", unit="m", low=0.1, high=50.0
    )
    lost_protection_m: float = param(
        8.0, "Protection level above which the pose is lost", unit="m", low=0.1, high=100.0
    )
    degraded_yaw_rad: float = param(
        0.2,
        "Protection level of the heading above which the pose is degraded",
        unit="rad",
        low=0.01,
        high=3.2,
    )
    lost_yaw_rad: float = param(
        0.6,
        "Protection level of the heading above which the pose is lost",
        unit="rad",
        low=0.01,
        high=3.2,
    )
    lost_matches: int = param(
        30, "Scans in a row that do not fit the map until the pose is lost", low=2, high=1000
    )
    nis_window: int = param(50, "Innovations over which consistency is watched", low=5, high=1000)


@dataclass(frozen=True)
class MappingConfig:
    """Making a lidar map from one drive."""

    keyframe_distance_m: float = param(0.5, "Way between keyframes", unit="m", low=0.05, high=10.0)
    keyframe_angle_rad: float = param(
        0.26, "Turn between keyframes", unit="rad", low=0.02, high=3.2
    )
    resolution_m: float = param(0.1, "Cell of the map", unit="m", low=0.02, high=1.0)
    margin_m: float = param(50.0, "Rim of the map around the drive", unit="m", low=5.0, high=200.0)
    ray_limit_m: float = param(
        60.0, "Rays mark free space up to here", unit="m", low=5.0, high=200.0
    )
    submap_keyframes: int = param(
        25, "Keyframes of the local map that the next one is matched to", low=2, high=500
    )
    match_sigma_m: float = param(
        0.0015, "Drift of matching from keyframe to keyframe", unit="m", low=1e-4, high=1.0
    )
    match_sigma_rad: float = param(0.00003, "Drift of its heading", unit="rad", low=1e-6, high=0.5)
    odometry_sigma_m: float = param(
        0.03, "Noise of odometry between keyframes", unit="m", low=0.001, high=1.0
    )
    odometry_sigma_rad: float = param(
        0.01, "Noise of the odometry's heading between keyframes", unit="rad", low=1e-4, high=0.5
    )
    pose_correlation: float = param(
        300.0,
        "Factor on the covariance of the drive's poses, for their errors last over many keyframes",
        low=1.0,
        high=10000.0,
    )
    rtk_sigma_m: float = param(
        0.1, "Noise of an RTK fix that anchors the drive", unit="m", low=0.005, high=5.0
    )
    marker_sigma_m: float = param(
        0.03, "Noise of a pose from a locker's markers", unit="m", low=0.001, high=1.0
    )
    marker_sigma_rad: float = param(0.015, "Noise of its heading", unit="rad", low=0.001, high=0.5)
    loop_radius_m: float = param(
        12.0, "Keyframes this near may close a loop", unit="m", low=1.0, high=100.0
    )
    loop_gap: int = param(60, "Keyframes between the two ends of a loop", low=5, high=10000)
    loop_step: int = param(4, "Every n-th keyframe looks for a loop", low=1, high=100)
    loop_inlier_share: float = param(
        0.6, "Share of explained points that closes a loop", low=0.1, high=1.0
    )
    rounds: int = param(2, "Rounds of matching and graph optimisation", low=1, high=10)
    min_hits: int = param(2, "Hits of an occupied cell", low=1, high=100)
    min_hit_share: float = param(
        0.25,
        "Share of hits among the rays that reach a cell, for it to be occupied",
        low=0.01,
        high=1.0,
    )


@dataclass(frozen=True)
class LocalizationConfig:
    """The localization component."""

    motion: MotionConfig = section(MotionConfig, "Wheels and gyro")
    gnss: GnssConfig = section(GnssConfig, "Satellite fixes")
    scan: ScanConfig = section(ScanConfig, "Choice of lidar returns")
    matcher: MatcherConfig = section(MatcherConfig, "Matching of scans to the map")
    footprint_map: MapError = section(MapError, "Error of maps drawn from footprints")
    lidar_map: LidarMapError = section(LidarMapError, "Error of maps made with the lidar")
    start: StartConfig = section(StartConfig, "Start and recovery")
    integrity: IntegrityConfig = section(IntegrityConfig, "Trust in the pose")
    mapping: MappingConfig = section(MappingConfig, "Making of a lidar map")

    def map_error(self, source: str) -> MapError:
        """Give the error of a map by what it was drawn from."""
        return self.lidar_map if source == "lidar" else self.footprint_map
