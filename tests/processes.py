"""Looking at processes, and waiting for what they do; limits are for machines that are busy."""

import time

LIMIT_S = 60.0


def is_running(pid):
    """Tell whether a process runs; one that ended may wait for its parent to take it away."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(done, limit_s=LIMIT_S):
    """Wait until something is so; fail if it never is."""
    deadline = time.monotonic() + limit_s
    while not done():
        assert time.monotonic() < deadline, "the deadline passed"
        time.sleep(0.02)
