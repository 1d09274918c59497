# SPDX-License-Identifier: Apache-2.0
"""turnout-sandbox (contrib/sandbox): the mock clusters `main` and `failover` and their faults."""

import json
import os
import select

from .process import Process, find_binary
from .wait import wait_until


class Sandbox:
    """Two clusters; see contrib/sandbox/sandbox.c for the commands and for what the mock brokers can do."""

    def __init__(self, directory, brokers=3, mirror=True):
        command = [find_binary("turnout-sandbox"), "--brokers", str(brokers)]
        if not mirror:
            command.append("--no-mirror")
        self.process = Process(command, os.path.join(directory, "sandbox.log"), pipe=True)
        self.bootstrap = self._answer()

    def _answer(self):
        out = self.process.popen.stdout
        ready, _, _ = select.select([out], [], [], 30)
        line = out.readline() if ready else ""
        if not line:
            raise RuntimeError(f"turnout-sandbox does not answer:\n{self.process.log()}")
        return json.loads(line)

    def command(self, *words):
        """Runs one command; RuntimeError with the sandbox's sentence when it is refused."""
        self.process.popen.stdin.write(" ".join(str(w) for w in words) + "\n")
        self.process.popen.stdin.flush()
        answer = self._answer()
        if "error" in answer:
            raise RuntimeError(f"sandbox: {words}: {answer['error']}")
        return answer

    @property
    def clusters(self):
        """What Gateway wants: {"main": bootstrap, "failover": bootstrap}."""
        return dict(self.bootstrap)

    def addresses(self, cluster):
        """[(host, port)] of the brokers, in the order of their ids."""
        return [(h, int(p)) for h, p in (a.split(":") for a in self.bootstrap[cluster].split(","))]

    def count(self, topic):
        """Records of a physical topic in each cluster, {"main": n, "failover": n}; -1: no such topic."""
        return self.command("count", topic)

    def wait_count(self, topic, **wanted):
        """Waits until each named cluster holds exactly so many records."""
        last = {}

        def reached():
            last.update(self.count(topic))
            return all(last[c] == n for c, n in wanted.items())

        wait_until(reached, lambda: f"{topic} should hold {wanted} and holds {last}")

    def create(self, topic, partitions):
        self.command("create", topic, partitions)

    def down(self, cluster, broker="all"):
        self.command("down", cluster, broker)

    def up(self, cluster, broker="all"):
        self.command("up", cluster, broker)

    def rtt(self, cluster, milliseconds, broker="all"):
        self.command("rtt", cluster, broker, milliseconds)

    def mirror(self, on):
        self.command("mirror", "on" if on else "off")

    def close(self):
        self.process.popen.stdin.close()
        return self.process.stop()
