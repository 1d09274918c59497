# SPDX-License-Identifier: Apache-2.0
"""Waiting for a condition with a generous deadline: no test depends on how fast a machine is."""

import time


def wait_until(condition, what, seconds=30, pause=0.02):
    """Returns the first true value of condition(); AssertionError that names `what` at the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds} s not yet: {what() if callable(what) else what}")
        time.sleep(pause)
