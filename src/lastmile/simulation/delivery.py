"""One delivery of the whole stack in lockstep: assembled, ordered, run to its end."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from lastmile.config import ConfigError
from lastmile.handoff.link import MemoryNetwork
from lastmile.maps.site import Site
from lastmile.simulation.beginning import find_locker
from lastmile.simulation.component import SimulatorComponent
from lastmile.simulation.engines import engine_maker
from lastmile.simulation.lockstep import Lockstep
from lastmile.simulation.scenario import Scenario
from lastmile.simulation.setting import Setting
from lastmile.simulation.world import World
from lastmile.stack.build import build_component, read_node_config
from lastmile.stack.component import Component
from lastmile.stack.context import Context
from lastmile.stack.table import NODES, NodeSpec
from lastmile.types import DeliverGoal, TaskResult

ROBOT_NAME = "robot-1"
ROBOT_NODES = tuple(name for name in NODES if name not in ("simulator", "locker"))
ORDER_AFTER_S = 3.0
"""The order comes once the sensors run, as an operator's would."""


def order_of(scenario: Scenario, site: Site) -> DeliverGoal:
    """
    Read the order out of a scenario: its first parcel goes to its goal locker.

    Raises
    ------
    ConfigError
        If the scenario has no parcel or names a locker that the site lacks.

    """
    if not scenario.parcels:
        raise ConfigError("the scenario has no parcel; give one under `parcels`")
    parcel = scenario.parcels[0]
    from_id = find_locker(site, parcel.locker or scenario.start or site.lockers[0].id).id
    to_id = find_locker(site, scenario.goal or site.lockers[-1].id).id
    if from_id == to_id:
        raise ConfigError(f"the parcel is in locker {from_id!r} already; it is also the goal")
    return DeliverGoal("goal-1", "order-1", parcel.id, from_id, to_id)


class LockstepDelivery:
    """The whole stack, its lockers and the world on one event queue."""

    def __init__(self, setting: Setting):
        self.order = order_of(setting.scenario, setting.site)
        self.result: TaskResult | None = None
        seeds = np.random.SeedSequence(setting.seed)
        loop_seed, network_seed, self._stack_seed = seeds.spawn(3)
        loop_rng = np.random.default_rng(loop_seed)
        # The same generator as the simulator's node has, so that a seed names the same world.
        world_rng = np.random.default_rng(setting.seed)
        self._setting = setting
        self._network = MemoryNetwork(np.random.default_rng(network_seed))
        figures = read_node_config(NODES["simulator"], setting.config_dir)
        self.engine = setting.engine or figures.engine
        maker = engine_maker(self.engine, setting.seed)
        self.world = World(
            setting.site, setting.robot, setting.scenario, world_rng, figures, maker
        )
        self.loop = Lockstep(
            dict(self._components()), setting.latencies, loop_rng, network=self._network
        )
        self.loop.observe(self._watch_result)

    def run(self, limit_s: float, progress: Callable[[float], None] = lambda _: None) -> TaskResult:
        """
        Order the delivery and run until its result or the limit of simulated time.

        Raises
        ------
        TimeoutError
            If no result came in time; what was published until then was observed.

        """
        self.loop.run_until(ORDER_AFTER_S)
        self.loop.publish("operator", "deliver/goal", self.order)
        while self.result is None and self.loop.now_s < limit_s:
            self.loop.run_until(self.loop.now_s + 1.0, stop=lambda: self.result is not None)
            progress(self.loop.now_s)
        if self.result is None:
            raise TimeoutError(f"no result of the delivery within {limit_s:g} s of simulated time")
        return self.result

    def close(self) -> None:
        """Close all components."""
        self.loop.close()

    def _components(self) -> Iterable[tuple[str, tuple[NodeSpec, Component]]]:
        yield "simulator", (NODES["simulator"], SimulatorComponent(self.world))
        for name in ROBOT_NODES:
            yield name, (NODES[name], self._build(NODES[name], {}, ROBOT_NAME))
        for locker_id in (self.order.from_locker_id, self.order.to_locker_id):
            locker = self._build(NODES["locker"], {"locker_id": locker_id}, locker_id)
            yield f"locker_{locker_id}", (NODES["locker"], locker)

    def _build(self, spec: NodeSpec, changes: dict[str, Any], party: str) -> Component:
        node_config = read_node_config(spec, self._setting.config_dir)
        context = Context(
            site=self._setting.site,
            robot=self._setting.robot,
            rng=np.random.default_rng(self._stack_seed.spawn(1)[0]),
            name=party,
            state_dir=":memory:",
            link=self._network.link,
        )
        return build_component(spec, dataclasses.replace(node_config, **changes), context)

    def _watch_result(self, stamp_s: float, publisher: str, topic: str, value: Any) -> None:
        if topic == "deliver/result" and value.goal_id == self.order.goal_id:
            self.result = value
