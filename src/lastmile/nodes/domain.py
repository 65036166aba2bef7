"""Where on the ROS graph a stack lives: its domain."""

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
