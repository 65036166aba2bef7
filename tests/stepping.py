"""Small worlds of tests, run step by step."""


def run_steps(step, count, until=lambda: False):
    """Step `count` times at most, until `until` holds; tell whether it does."""
    for _ in range(round(count)):
        if until():
            return True
        step()
    return until()
