# SPDX-License-Identifier: Apache-2.0
"""Free ports below the ephemeral range, each handed to one taker at a time on this machine.

A listener of ours above 32768 could lose its port to any outgoing connection, so ports come from below. Two
test runs side by side must not both find a port free and then both use it: a port is claimed by binding an
abstract Unix socket of its name, which the kernel frees when the claimant ends, however it ends.
"""

import random
import socket

LOWEST, HIGHEST = 11000, 31900


class Claim:
    """`count` consecutive ports on `host`, ours until release() or the end of the process."""

    def __init__(self, host, count):
        self._locks = []
        for _ in range(2000):
            first = random.randrange(LOWEST, HIGHEST - count)
            if all(self._take(host, port) for port in range(first, first + count)):
                self.first = first
                return
            self.release()
        raise RuntimeError(f"no {count} free ports on {host}")

    def _take(self, host, port):
        lock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            lock.bind(f"\0turnout-test-port-{port}")
        except OSError:
            lock.close()
            return False
        self._locks.append(lock)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                return False
        return True

    def release(self):
        """Lets others have the ports."""
        for lock in self._locks:
            lock.close()
        self._locks = []


def closed_port():
    """A claimed port that nothing listens on: connections to it are refused. Keep the Claim."""
    return Claim("127.0.0.1", 1)
