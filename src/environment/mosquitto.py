"""The MQTT broker mosquitto: from the system, from apt, or unpacked into the environment."""

import os
import re
import shutil
import subprocess

from shell import BUILD, VENV, SetupError, clean_environment, run

# lastmile.handoff.broker.find_mosquitto looks at the same place.
UNPACKED = VENV / "opt" / "mosquitto"
APT = clean_environment(DEBIAN_FRONTEND="noninteractive", LC_ALL="C")


def installed():
    """Tell whether a broker can be started."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/sbin"])
    return shutil.which("mosquitto", path=path) is not None or any(
        UNPACKED.glob("usr/sbin/mosquitto")
    )


def install():
    """
    Provide mosquitto: with apt as root, otherwise unpacked below the environment.

    Raises
    ------
    SetupError
        If neither way works.

    """
    if shutil.which("apt-get") is None:
        raise SetupError("mosquitto is missing and there is no apt: install mosquitto and retry")
    try:
        install_with_apt() if os.geteuid() == 0 else unpack()
    except SetupError as error:
        rule = "mosquitto could not be installed; install it and retry"
        raise SetupError(f"{rule}\n{error}") from error


def install_with_apt():
    """Install the package, without the service that would occupy the standard port."""
    run("apt-get", "update", "-q", env=APT)
    run(
        "apt-get",
        "install",
        "-q",
        "-y",
        "--no-install-recommends",
        "mosquitto",
        env=APT | {"RUNLEVEL": "1"},
    )


def unpack():
    """Download mosquitto and the libraries the system lacks, and unpack them."""
    folder = BUILD / "mosquitto"
    lists = folder / "lists"
    (lists / "partial").mkdir(parents=True, exist_ok=True)
    (folder / "cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    options = ["-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={folder / 'cache'}"]
    run("apt-get", *options, "-o", "Debug::NoLocking=1", "update", "-q", env=APT)
    for package in missing_packages("mosquitto", options):
        run("apt-get", *options, "download", "-q", package, cwd=folder, env=APT)
    shutil.rmtree(UNPACKED, ignore_errors=True)
    UNPACKED.mkdir(parents=True)
    for archive in sorted(folder.glob("*.deb")):
        run("dpkg", "-x", archive, UNPACKED)


def missing_packages(wanted, options):
    """List a package and the libraries below it that are not installed."""
    found, pending = [], [wanted]
    while pending:
        package = pending.pop()
        if package in found or (package != wanted and is_installed(package)):
            continue
        found.append(package)
        listing = run("apt-cache", *options, "depends", package, env=APT)
        pending += re.findall(r"^\s*Depends: (lib[\w.+-]+)$", listing, flags=re.MULTILINE)
    return found


def is_installed(package):
    """Ask dpkg whether a package is installed."""
    status = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Status}", package],
        capture_output=True,
        text=True,
        check=False,
    )
    return status.stdout.endswith("ok installed")
