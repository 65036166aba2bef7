"""
Make the environment of the checkout: `.venv` with everything lastmile needs.

Each stage is done again only when its inputs changed since the last time. Runs with the plain
interpreter of the machine, so it uses the standard library alone.

"""

import fcntl
import os
import shutil
import sys
import sysconfig
import tomllib
from pathlib import Path

import messages
import mosquitto
import stamps
from shell import BUILD, LOG, PYTHON, ROOT, VENV, SetupError, clean_environment, run, step, stop

OLDEST, NEWEST = (3, 11), (3, 13)
SITE_PACKAGES = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
PROJECT = ROOT / "pyproject.toml"
CONSTRAINTS = ROOT / "constraints.txt"
ON_REQUEST = ("colcon",)
DATA_FOLDERS = ("launch", "config", "maps", "sim")


def python_key():
    """Key of the interpreter, then of the place, which scripts in the environment name."""
    return f"{stamps.digest(sys.version, sys.base_prefix)}-{stamps.digest(str(VENV))}"


def is_same_place(key, other):
    """Tell whether two keys of the interpreter name the same folder."""
    return key.split("-")[-1] == other.split("-")[-1]


def read_project():
    """Tables of pyproject.toml."""
    return tomllib.loads(PROJECT.read_text(encoding="utf-8"))


def requirements():
    """Everything the project asks for: build, run time and all extras but those on request."""
    project = read_project()
    wanted = list(project["build-system"]["requires"]) + list(project["project"]["dependencies"])
    for name, extra in project["project"]["optional-dependencies"].items():
        if name not in ON_REQUEST:
            wanted += extra
    return sorted(set(wanted))


def install_colcon():
    """Install colcon, the build tool of ROS 2 workspaces."""
    pip(*read_project()["project"]["optional-dependencies"]["colcon"])


def kernels():
    """Cython sources of the package."""
    package = ROOT / "src" / "lastmile"
    patterns = ("*.pyx", "*.pxd", "*.pxi")
    return sorted(path for pattern in patterns for path in package.rglob(pattern))


def stage_keys():
    """Keys of all stages as the checkout stands now, in the order they are done."""
    wheels = stamps.digest(requirements(), CONSTRAINTS)
    pins = [
        line
        for line in CONSTRAINTS.read_text(encoding="utf-8").splitlines()
        if line.startswith(("ros-", "numpy", "cmake", "empy"))
    ]
    keys = {"python": python_key(), "wheels": wheels}
    for package in messages.PACKAGES:
        keys[package] = stamps.digest(pins, *messages.sources(package))
    tables = read_project()
    keys["project"] = stamps.digest(
        tables["build-system"], tables["project"], ROOT / "setup.py", ROOT / "setup.cfg"
    )
    keys["kernels"] = stamps.digest(
        os.environ.get("LASTMILE_CFLAGS", ""),
        ROOT / "setup.py",
        *[part for path in kernels() for part in (path.relative_to(ROOT).as_posix(), path)],
    )
    keys["colcon"] = stamps.digest(tables["project"]["optional-dependencies"]["colcon"], wheels)
    return keys


def make_venv():
    """Create the virtual environment, with what Debian splits off the interpreter."""
    python_header = Path(sysconfig.get_path("include")) / "Python.h"
    wanted = []
    if not python_header.exists():
        wanted.append("python3-dev")
    if not any(shutil.which(name) for name in (os.environ.get("CXX", "c++"), "g++", "clang++")):
        wanted.append("g++")
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        wanted.append("python3-venv")
    if wanted:
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            raise SetupError(f"missing on this machine: {' '.join(wanted)}; install and retry")
        run("apt-get", "update", "-q", env=mosquitto.APT)
        run("apt-get", "install", "-q", "-y", "--no-install-recommends", *wanted, env=mosquitto.APT)
    shutil.rmtree(VENV, ignore_errors=True)
    base = Path(sys.base_prefix) / "bin" / Path(os.path.realpath(sys.executable)).name
    run(base if base.exists() else sys.executable, "-m", "venv", VENV)


def pip(*arguments, env=None):
    """Run pip of the environment with the project's constraints."""
    run(
        PYTHON,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "--progress-bar",
        "off",
        "-c",
        CONSTRAINTS,
        *arguments,
        env=env,
    )


def install_wheels():
    """Install what the project depends on, and make the wheels fit for CMake."""
    pip(*requirements())
    messages.prepare_wheels()


def install_project():
    """Put the checkout itself on the path, with its programs, and its data where ROS looks."""
    env = clean_environment(LASTMILE_KERNELS="apart")
    pip("--no-deps", "--no-build-isolation", "-e", ROOT, env=env)
    marker = Path("share", "ament_index", "resource_index", "packages", "lastmile")
    link(VENV / marker, ROOT / "resource" / "lastmile")
    for name in ("package.xml", *DATA_FOLDERS):
        link(VENV / "share" / "lastmile" / name, ROOT / name)


def link(place, target):
    """Make a path of the environment stand for one of the checkout, which need not exist yet."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    place.symlink_to(target)


def build_kernels():
    """Compile the Cython kernels beside their sources."""
    run(PYTHON, "setup.py", "-q", "build_ext", "--inplace", "--parallel", str(os.cpu_count() or 1))


STAGES = {
    "python": ("virtual environment", make_venv),
    "wheels": ("Python packages and ROS 2 wheels", install_wheels),
    "tf2_msgs": ("tf2_msgs", lambda: messages.build("tf2_msgs", SITE_PACKAGES)),
    "lastmile_msgs": ("lastmile_msgs", lambda: messages.build("lastmile_msgs", SITE_PACKAGES)),
    "project": ("lastmile", install_project),
    "kernels": ("Cython kernels", build_kernels),
    "colcon": ("colcon", install_colcon),
}


def outdated(only=None):
    """List stages whose inputs changed, with their keys."""
    keys, done = stage_keys(), stamps.read()
    if not PYTHON.exists():
        done = {}
    elif "PYTHON" not in os.environ and is_same_place(keys["python"], done.get("python", "")):
        # Only a named interpreter replaces an environment that works.
        keys["python"] = done["python"]
    if keys["python"] != done.get("python"):
        done = {}
    return {
        stage: key
        for stage, key in keys.items()
        if key != done.get(stage) and (stage in only if only else stage not in ON_REQUEST)
    }


def main(arguments):
    """Bring the environment up to date; with names of stages, only those."""
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        found = sys.version.split()[0]
        stop(f"Python 3.11 to 3.13 is needed, {sys.executable} is {found}; name one with PYTHON=")
    only = set(arguments) or None
    BUILD.mkdir(exist_ok=True)
    with (BUILD / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            for stage, key in outdated(only).items():
                title, action = STAGES[stage]
                with step(title):
                    action()
                    stamps.write(stage, key)
            if only is None and not mosquitto.installed():
                with step("mosquitto"):
                    mosquitto.install()
        except SetupError as error:
            stop(f"{error}\nThe whole log is {LOG.relative_to(ROOT)}.")
        except KeyboardInterrupt:
            sys.exit(130)


if __name__ == "__main__":
    main(sys.argv[1:])
