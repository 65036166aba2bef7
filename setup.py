"""Build of lastmile: packages, Cython kernels and the files ROS 2 looks for."""

import os
from pathlib import Path

from setuptools import Extension, find_packages, setup

PACKAGE = "lastmile"
DATA_FOLDERS = ("launch", "config", "maps", "sim")

# `make setup` compiles the kernels in a step of its own, which keeps what did not change.
KERNELS_APART = os.environ.get("LASTMILE_KERNELS") == "apart"


def kernels():
    """List one extension per .pyx below the package."""
    flags = os.environ.get("LASTMILE_CFLAGS", "-O3").split()
    return [
        Extension(
            ".".join(source.with_suffix("").parts[1:]),
            [source.as_posix()],
            depends=sorted(part.as_posix() for part in source.parent.glob("*.pxi")),
            extra_compile_args=flags,
        )
        for source in sorted(Path("src", PACKAGE).rglob("*.pyx"))
    ]


def shared_files():
    """Pair install folders with files: ament marker, package.xml and data."""
    pairs = [
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
    ]
    for top in DATA_FOLDERS:
        for folder in sorted({path.parent for path in Path(top).rglob("*") if path.is_file()}):
            if "__pycache__" in folder.parts:
                continue
            files = sorted(path.as_posix() for path in folder.iterdir() if path.is_file())
            pairs.append((f"share/{PACKAGE}/{folder.as_posix()}", files))
    return pairs


setup(
    license="Apache-2.0",
    package_dir={"": "src"},
    packages=find_packages("src", include=[PACKAGE, f"{PACKAGE}.*"]),
    package_data={"": ["*.html", "*.j2", "*.css", "*.js", "*.json"]},
    ext_modules=[] if KERNELS_APART else kernels(),
    data_files=shared_files(),
    zip_safe=False,
)
