# SPDX-License-Identifier: Apache-2.0
"""Ports: free ones below the ephemeral range, and waiting until one answers.

A port above 32768 may be taken at any moment by an outgoing connection of another process, so only
ports below are handed out, and never the same one twice in a process.
"""

import os
import random
import socket
import time

LOWEST, HIGHEST = 10240, 32000
_handed_out = set()


def is_free(host, port):
    """Whether a listener could bind the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _reserved():
    """Ports that others on this machine count on: the demo's and the usual ones."""
    fixed = {19092, 19093, 19094, 29092, 29093, 29094, 8081, 8888, 8889}
    return fixed | set(range(6969, 6999)) | set(range(7969, 7999))


def free_ports(count, host="0.0.0.0", consecutive=False):
    """`count` ports that are free on `host` now; `consecutive` for one run of them."""
    rng = random.Random(os.getpid() * 1000003 + time.monotonic_ns())
    reserved = _reserved()
    found = []
    for _ in range(10000):
        first = rng.randrange(LOWEST, HIGHEST - count)
        wanted = range(first, first + (count if consecutive else 1))
        if any(p in reserved or p in _handed_out or not is_free(host, p) for p in wanted):
            continue
        found.extend(wanted)
        _handed_out.update(wanted)
        if len(found) >= count:
            return found
    raise RuntimeError(f"no {count} free ports on {host}")


def can_connect(host, port, timeout=0.5):
    """Whether something accepts connections there."""
    try:
        with socket.create_connection((host, port), timeout=timeout):
            return True
    except OSError:
        return False


def wait_port(host, port, seconds, process=None):
    """Wait until the port accepts; False at the deadline or as soon as `process` has ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if can_connect(host, port):
            return True
        if process is not None and not process.alive():
            return False
        time.sleep(0.05)
    return False
