"""Interface packages, built with CMake against the ROS 2 wheels of the environment."""

import os
import re
import shutil

from shell import BUILD, PYTHON, ROOT, VENV, clean_environment, run

PACKAGES = {
    "tf2_msgs": ROOT / "src" / "environment" / "tf2_msgs",
    "lastmile_msgs": ROOT / "src" / "lastmile_msgs",
}
BUILD_FOLDER = BUILD / "messages"
DEFINITIONS = ("msg/*.msg", "srv/*.srv", "action/*.action")

# Folders of the machine that built the wheels, exported by their CMake files.
FOREIGN = r"/opt/python/cp\d+-cp\d+"
FOREIGN_PYTHON = re.compile(FOREIGN + r"/include/python3\.\d+")
FOREIGN_NUMPY = re.compile(FOREIGN + r"/lib/python3\.\d+/site-packages/numpy/\w+/include")


def sources(package):
    """Files that decide what an interface package contains."""
    folder = PACKAGES[package]
    found = [folder / "CMakeLists.txt", folder / "package.xml"]
    for pattern in DEFINITIONS:
        found += sorted(folder.glob(pattern))
    return found


def prepare_wheels():
    """
    Point the exported CMake files of the wheels at this machine's headers.

    What was built against other wheels goes.

    CMake checks every exported include folder and ends with 'Generate step failed' when one
    does not exist.

    """
    python_include, numpy_include = run(
        PYTHON,
        "-c",
        "import numpy, sysconfig; print(sysconfig.get_path('include')); print(numpy.get_include())",
    ).split()
    for path in (VENV / "share").glob("*/cmake/*__rosidl_generator_pyExport.cmake"):
        text = path.read_text(encoding="utf-8")
        repaired = FOREIGN_NUMPY.sub(numpy_include, FOREIGN_PYTHON.sub(python_include, text))
        if repaired != text:
            path.write_text(repaired, encoding="utf-8")
    shutil.rmtree(BUILD_FOLDER, ignore_errors=True)


def build(package, site_packages):
    """
    Generate, compile and install one interface package into the environment.

    Parameters
    ----------
    package : str
        Key of PACKAGES.
    site_packages : str
        Folder of Python packages relative to the prefix of the environment.

    """
    folder = BUILD_FOLDER / package
    env = clean_environment(AMENT_PREFIX_PATH=str(VENV), CMAKE_PREFIX_PATH=str(VENV))
    env["PATH"] = f"{VENV / 'bin'}{os.pathsep}{env['PATH']}"
    cmake = VENV / "bin" / "cmake"
    run(
        cmake,
        "-S",
        PACKAGES[package],
        "-B",
        folder,
        f"-DCMAKE_INSTALL_PREFIX={VENV}",
        f"-DPYTHON_INSTALL_DIR={site_packages}",
        f"-DPython3_EXECUTABLE={PYTHON}",
        "-DCMAKE_C_FLAGS=-O1",
        "-DCMAKE_CXX_FLAGS=-O1",
        f"-DCMAKE_PROJECT_INCLUDE={ROOT / 'src' / 'environment' / 'unity.cmake'}",
        "-DBUILD_TESTING=OFF",
        "-Wno-dev",
        env=env,
    )
    run(cmake, "--build", folder, "--parallel", str(os.cpu_count() or 1), env=env)
    shutil.rmtree(VENV / site_packages / package, ignore_errors=True)
    run(cmake, "--install", folder, env=env)
