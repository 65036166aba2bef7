"""Where on the ROS graph a stack lives: its domain and its namespace."""

from __future__ import annotations

import os
from collections.abc import Mapping

from lastmile.config import ConfigError

DOMAIN_VARIABLE = "ROS_DOMAIN_ID"
# The last domain whose ports fit below 65536 (DDSI-RTPS 2.2, section 9.6.1.1).
DOMAIN_MAX = 232


def ros_domain(environ: Mapping[str, str] = os.environ) -> int:
    """
    Read the ROS domain of an environment, 0 where it names none.

    Raises
    ------
    ConfigError
        If it is no whole number from 0 to 232.

    """
    text = environ.get(DOMAIN_VARIABLE) or "0"
    if text not in map(str, range(DOMAIN_MAX + 1)):
        raise ConfigError(
            f"{DOMAIN_VARIABLE} {text!r}: expected a whole number from 0 to {DOMAIN_MAX}"
        )
    return int(text)


def checked_namespace(text: str) -> str:
    """
    Read a ROS namespace, with or without its leading slash.

    Raises
    ------
    ConfigError
        If it is not made of words of letters, digits and underscores.

    """
    words = [word for word in text.split("/") if word]
    for word in words:
        if not (word.isascii() and word.replace("_", "a").isalnum() and not word[0].isdigit()):
            raise ConfigError(
                f"namespace {text!r}: {word!r} must be letters, digits and underscores, and not"
                " begin with a digit"
            )
    return "/" + "/".join(words)
