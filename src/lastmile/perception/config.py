"""Settings of the perception nodes; every default of the room stands here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass

from lastmile.config import param, section


@dataclass(frozen=True)
class InputConfig:
    """What a scan must look like to be used."""

    lidar_frame: str = param("lidar_link", "Frame that lidar turns must be in.")
    lidar_rings: int = param(32, "Rings of a lidar turn.", low=2, high=256)
    lidar_columns: int = param(1024, "Columns of a lidar turn.", low=64, high=8192)
    depth_front_frame: str = param("depth_front_optical_frame", "Frame of the depth images ahead.")
    depth_rear_frame: str = param("depth_rear_optical_frame", "Frame of the depth images behind.")
    range_max_m: float = param(
        120.0, "Points farther away are not used.", unit="m", low=5.0, high=500.0
    )
    range_min_m: float = param(
        0.15, "Points nearer to their sensor are not used.", unit="m", low=0.0, high=2.0
    )
    missing_sector_max_rad: float = param(
        1.6,
        "A lidar turn with a wider sector without any return is refused.",
        unit="rad",
        low=0.1,
        high=6.3,
    )
    age_max_s: float = param(
        0.4,
        "Scans older than this when they are worked on are refused.",
        unit="s",
        low=0.05,
        high=5.0,
    )
    odometry_gap_max_s: float = param(
        0.15, "Odometry must be nearer than this to the scan.", unit="s", low=0.02, high=1.0
    )
    depth_gap_max_s: float = param(
        0.15, "Depth images must be nearer than this to the scan.", unit="s", low=0.02, high=1.0
    )
    body_margin_m: float = param(
        0.04, "Points within the footprint and this margin are the robot's own.",
        unit="m", low=0.0, high=0.3,
    )  # fmt: skip
    body_height_m: float = param(
        1.5, "Height up to which points over the footprint are the robot's own.",
        unit="m", low=0.1, high=3.0,
    )  # fmt: skip


@dataclass(frozen=True)
class GroundConfig:
    """How ground, curbs and drop-offs are told apart along a column of returns."""

    tolerance_m: float = param(
        0.05, "Height beside the expected ground that still is ground, at no distance from it.",
        unit="m", low=0.01, high=0.3,
    )  # fmt: skip
    tolerance_slope: float = param(
        0.08, "Growth of that height per metre since the last ground.", low=0.0, high=0.5
    )
    tolerance_max_m: float = param(0.30, "Greatest such height.", unit="m", low=0.05, high=1.0)
    start_slope_max: float = param(
        0.12, "Slope (pitch of the robot included) allowed to the first ground of a column.",
        low=0.0, high=0.5,
    )  # fmt: skip
    slope_max: float = param(0.25, "Steepest ground that is followed.", low=0.05, high=1.0)
    slope_memory_m: float = param(
        0.6, "Distance over which the slope is averaged.", unit="m", low=0.05, high=5.0
    )
    step_min_m: float = param(
        0.04, "Smallest height step that is a curb; dropped kerbs are lower.",
        unit="m", low=0.02, high=0.3,
    )  # fmt: skip
    step_max_m: float = param(
        0.22, "Greatest height step that is a curb; more is an obstacle or a drop-off.",
        unit="m", low=0.05, high=0.5,
    )  # fmt: skip
    step_grade_min: float = param(
        0.15, "Smallest rise over run between two returns of a step; ramps are flatter.",
        low=0.05, high=1.0,
    )  # fmt: skip
    plateau_m: float = param(
        0.8, "What rises and falls again within this distance is an obstacle, not a curb.",
        unit="m", low=0.1, high=3.0,
    )  # fmt: skip
    feet_m: float = param(
        0.12, "Ground this near below an obstacle's point is given back to it.",
        unit="m", low=0.0, high=0.5,
    )  # fmt: skip
    feet_height_m: float = param(
        0.025, "Height from which such ground is given back.", unit="m", low=0.0, high=0.1
    )
    overhang_m: float = param(
        2.0, "Things higher above the ground are passed under.", unit="m", low=1.2, high=5.0
    )
    step_range_max_m: float = param(
        9.0, "Steps are looked for up to this distance.", unit="m", low=1.0, high=30.0
    )
    missing_columns_min: int = param(
        5, "So many neighbouring columns must miss their ground for a drop-off.", low=1, high=100
    )


@dataclass(frozen=True)
class ClusterConfig:
    """How obstacle points become things."""

    gap_m: float = param(
        0.25, "Planar gap between neighbouring returns of one thing.", unit="m", low=0.05, high=2.0
    )
    gap_steps: float = param(
        2.5, "The same in angular steps of the sensor, for far things.", low=1.0, high=10.0
    )
    slant_gap_m: float = param(
        1.2, "Planar gap between neighbouring returns along a straight slanted surface.",
        unit="m", low=0.1, high=5.0,
    )  # fmt: skip
    merge_cell_m: float = param(
        0.15, "Pieces that share a cell of this size in bird's eye view are one thing.",
        unit="m", low=0.05, high=1.0,
    )  # fmt: skip
    points_min: int = param(3, "Fewest points of a thing.", low=1, high=100)
    height_min_m: float = param(
        0.08, "Smallest height above the ground of a thing.", unit="m", low=0.0, high=1.0
    )
    compact_max_m: float = param(
        6.5, "Longer things are structure: the cost map has them, the obstacle list has not.",
        unit="m", low=2.0, high=30.0,
    )  # fmt: skip
    tall_max_m: float = param(
        2.0, "Longer things that go on overhead are structure.", unit="m", low=0.5, high=10.0
    )
    hollow_m: float = param(
        0.4, "Things with this much empty space towards the sensor within their convex outline "
        "are structure.", unit="m", low=0.1, high=3.0,
    )  # fmt: skip


@dataclass(frozen=True)
class TrackerConfig:
    """How things are followed over time."""

    acceleration_mps2: float = param(
        1.5, "Standard deviation of the acceleration of moving things.",
        unit="m/s2", low=0.1, high=20.0,
    )  # fmt: skip
    static_drift_mps: float = param(
        0.03, "Drift allowed to the centre of standing things.", unit="m/s", low=0.0, high=0.5
    )
    position_sigma_m: float = param(
        0.06, "Standard deviation of a small thing's centre.", unit="m", low=0.01, high=0.5
    )
    extent_sigma: float = param(
        0.08, "Growth of that deviation per metre of the thing's size.", low=0.0, high=1.0
    )
    range_sigma: float = param(
        0.003, "Growth of that deviation per metre of distance.", low=0.0, high=0.1
    )
    speed_prior_mps: float = param(
        1.5, "Standard deviation of the first speed.", unit="m/s", low=0.1, high=20.0
    )
    set_off_mps: float = param(
        0.8, "The same of a standing thing that sets off, within a scan.",
        unit="m/s", low=0.1, high=20.0,
    )  # fmt: skip
    gate_sigma: float = param(3.5, "Gate of the association.", low=1.0, high=10.0)
    gate_min_m: float = param(
        0.35, "Detections this near always pass the gate.", unit="m", low=0.05, high=3.0
    )
    confirm_hits: int = param(3, "Detections before a thing is published.", low=1, high=20)
    confirm_near_m: float = param(
        3.0, "Things nearer than this are published at once.", unit="m", low=0.0, high=20.0
    )
    coast_s: float = param(
        2.0, "Time a thing is carried without being seen.", unit="s", low=0.1, high=10.0
    )
    coast_tentative_s: float = param(
        0.35, "The same while it was seen a few times only.", unit="s", low=0.1, high=5.0
    )
    switch_probability: float = param(
        0.03, "Probability per scan that a standing thing moves off, or a moving one stands.",
        low=0.001, high=0.3,
    )  # fmt: skip
    fresh_weight: float = param(
        4.0, "Weight of newly covered free ground as evidence of motion.", low=0.0, high=20.0
    )
    moving_probability: float = param(
        0.6, "Probability of motion from which a thing has a velocity.", low=0.5, high=0.99
    )
    speed_min_mps: float = param(0.2, "Slower things stand.", unit="m/s", low=0.0, high=1.0)
    static_after_s: float = param(
        3.0, "A thing that did not move for so long is of kind static.",
        unit="s", low=0.5, high=30.0,
    )  # fmt: skip
    tracks_max: int = param(256, "Most things followed at once.", low=8, high=4096)
    range_max_m: float = param(
        90.0, "Things farther away are not followed.", unit="m", low=5.0, high=300.0
    )
    static_range_max_m: float = param(
        15.0, "Things of kind static are told up to this distance.", unit="m", low=3.0, high=300.0
    )


@dataclass(frozen=True)
class PredictionConfig:
    """Where things will be."""

    horizon_s: float = param(4.0, "Length of predicted paths.", unit="s", low=0.4, high=10.0)
    step_s: float = param(0.4, "Time between their points.", unit="s", low=0.05, high=1.0)
    acceleration_mps2: float = param(
        0.35, "Growth of their uncertainty: deviation of unknown acceleration.",
        unit="m/s2", low=0.0, high=5.0,
    )  # fmt: skip


@dataclass(frozen=True)
class CostMapConfig:
    """The rolling grid around the robot."""

    size_m: float = param(20.0, "Side of the square grid.", unit="m", low=4.0, high=100.0)
    resolution_m: float = param(0.1, "Side of a cell.", unit="m", low=0.02, high=0.5)
    period_s: float = param(0.2, "Time between published maps.", unit="s", low=0.05, high=2.0)
    hit: int = param(3, "Evidence of an obstacle's return in a cell.", low=1, high=20)
    clear: int = param(2, "Evidence of free ground against an obstacle.", low=1, high=20)
    evidence_max: int = param(9, "Most evidence a cell keeps.", low=1, high=60)
    occupied_from: int = param(3, "Evidence from which a cell is occupied.", low=1, high=60)
    step_hit: int = param(2, "Evidence of a curb or drop-off seen in a cell.", low=1, high=20)
    step_from: int = param(4, "Evidence from which it is published.", low=1, high=60)
    step_clear_m: float = param(
        4.0,
        "Ground seen flat nearer than this speaks against a curb.",
        unit="m",
        low=0.5,
        high=20.0,
    )
    memory_s: float = param(
        30.0, "Cells not seen for longer are unknown again; curbs and drop-offs are kept.",
        unit="s", low=1.0, high=600.0,
    )  # fmt: skip
    visitor_memory_s: float = param(
        10.0,
        "What came to the standing robot and is not seen beside it any more is forgotten then.",
        unit="s", low=1.0, high=600.0,
    )  # fmt: skip
    clearance_max_m: float = param(
        0.30, "Ground between two returns is free if rays pass it no higher than this.",
        unit="m", low=0.05, high=1.0,
    )  # fmt: skip
    overhang_m: float = param(
        1.5, "Returns higher above the ground do not block the robot.", unit="m", low=0.5, high=4.0
    )


@dataclass(frozen=True)
class PerceptionConfig:
    """The node `perception`."""

    input: InputConfig = section(InputConfig, "What a scan must look like.")
    ground: GroundConfig = section(GroundConfig, "Ground, curbs and drop-offs.")
    clusters: ClusterConfig = section(ClusterConfig, "Things among the points.")
    tracker: TrackerConfig = section(TrackerConfig, "Things over time.")
    prediction: PredictionConfig = section(PredictionConfig, "Where they will be.")
    cost_map: CostMapConfig = section(CostMapConfig, "The rolling grid.")


@dataclass(frozen=True)
class FiducialsConfig:
    """The node `fiducials`."""

    marker_side_m: float = param(
        0.16, "Side of a marker's black square.", unit="m", low=0.01, high=2.0
    )
    rate_max_hz: float = param(10.0, "Most images worked on.", unit="Hz", low=0.1, high=60.0)
    age_max_s: float = param(
        0.5, "Images older than this are refused.", unit="s", low=0.05, high=5.0
    )
    reprojection_max_px: float = param(
        2.0, "Markers with a greater mean corner error are dropped.", unit="px", low=0.1, high=20.0
    )
    ambiguity_ratio: float = param(
        1.5, "A second pose with less than this times the error of the best is ambiguous.",
        low=1.0, high=20.0,
    )  # fmt: skip
    side_min_px: float = param(
        14.0, "Markers seen smaller than this are dropped.", unit="px", low=4.0, high=200.0
    )
