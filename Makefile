# make setup          the environment in .venv; only what changed since the last time
# make demo           a delivery in simulation, from locker to locker
# make test           the tests; PYTEST_ARGS="tests/planning -k route" picks some
# make lint           ruff and the import rules
# make bench          the benchmarks
# make scorecard-NAME what the stack promises in an area, measured
# make campaign-NAME  long measurements that scorecards read: lockstep, lidar-map, ros, twins,
#                     faults, tests
# make ext            the Cython kernels alone
# make colcon-build   both ROS 2 packages with colcon into install/
# make ros-workspace  a ROS 2 workspace that links both packages, in $(ROS_WORKSPACE)
# make clean          away with all that was made, but for runs/
#
# Every target sets up what it needs. PYTHON names the interpreter, 3.11 to 3.13.
SHELL := /bin/bash
PYTHON ?= python3
PYTEST_ARGS ?=
ROS_WORKSPACE ?= build/ros_workspace
DEMO_ARGS ?=
CAMPAIGNS := docs/scorecard/campaigns
LIDAR_MAP_SEEDS ?= 40

BIN := .venv/bin
INSTALL := $(PYTHON) src/environment/install.py

.PHONY: setup ext demo test lint bench campaign-lidar-map campaign-tests \
  colcon-build ros-workspace clean

setup:
	@$(INSTALL)

ext:
	@$(INSTALL) kernels

demo: setup
	@$(BIN)/lastmile demo $(DEMO_ARGS)

# One thread per numeric library: the tests start processes that share few cores.
test: setup
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -u -m pytest $(PYTEST_ARGS)

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports

bench: setup
	@set -e; for bench in benchmarks/bench_*.py; do echo "== $$bench"; $(BIN)/python $$bench; done

scorecard-%: setup
	@$(BIN)/lastmile scorecard $*

campaign-%: setup
	@$(BIN)/lastmile campaign $* --results $(CAMPAIGNS)/$*.json

# The drives that the lidar maps are made from meet nobody; each map is of its seed's own world, on
# another day: parked vehicles and clutter have changed since.
campaign-lidar-map: setup
	@$(BIN)/lastmile campaign lockstep --scenario mapping --save-maps --output runs/mapping \
	  --seeds $(LIDAR_MAP_SEEDS) --results $(CAMPAIGNS)/mapping.json
	@$(BIN)/lastmile campaign lockstep --maps runs/mapping/maps --output runs/lockstep-lidar-map \
	  --seeds $(LIDAR_MAP_SEEDS) --results $(CAMPAIGNS)/lockstep-lidar-map.json

campaign-tests: setup
	@rm -rf runs/tests
	@$(BIN)/lastmile campaign tests --results $(CAMPAIGNS)/tests.json

# The wheels serve as the underlay, in place of /opt/ros.
colcon-build: setup
	@$(INSTALL) colcon
	@env -u LD_LIBRARY_PATH PATH="$(CURDIR)/$(BIN):$$PATH" AMENT_PREFIX_PATH="$(CURDIR)/.venv" \
	  CMAKE_PREFIX_PATH="$(CURDIR)/.venv" $(BIN)/colcon build --build-base build/colcon \
	  --base-paths . src/lastmile_msgs

ros-workspace:
	@mkdir -p $(ROS_WORKSPACE)/src
	@ln -sfn "$(CURDIR)" $(ROS_WORKSPACE)/src/lastmile
	@ln -sfn "$(CURDIR)/src/lastmile_msgs" $(ROS_WORKSPACE)/src/lastmile_msgs
	@echo "cd $(ROS_WORKSPACE); then: rosdep install --from-paths src --ignore-src -y && colcon build"

clean:
	rm -rf .venv build install log .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	rm -f .coverage .coverage.*
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
	find src -name '*.so' -delete
	find src -name '*.pyx' | sed 's/\.pyx$$/.c/' | xargs -r rm -f
