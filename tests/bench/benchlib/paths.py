# SPDX-License-Identifier: Apache-2.0
"""The backend, and the ways to it: direct, HAProxy three ways, Turnout.

A path is a port on loopback with a process behind it (none when direct).  All of them lead to the one broker,
and all stay up for the whole run.  Everything written is below one directory.  Start at World.start().
"""

import os
import secrets
import shutil
import subprocess

from kafkalab import Cluster, Gateway, LabError, Process, fetch_kafka, free_ports, wait_port

from .measure import BenchError, prefer

PREFIX = "bench"  # of the topics on the broker, as the vcluster's name says

# The lines that make the difference between the three: in `global`, then in `defaults`. Splicing is asked for in so
# many words: with `option splice-auto` HAProxy 2.6 made not one splice(2) under any of this load (strace).
HAPROXY = {
    "haproxy": ((), ()),
    "haproxy-128k": (("tune.bufsize 131072",), ()),
    "haproxy-splice": (("tune.pipesize 1048576",), ("option splice-request", "option splice-response")),
}
# What is written is deleted again while the bench runs.
KAFKA = {"log.retention.check.interval.ms": "1000", "log.initial.task.delay.ms": "1000"}
NAMES = ["direct", *HAPROXY, "turnout"]


class Path:
    """One way to the broker; `token` where a login is needed."""

    nice = 0  # of its processes and of the load through it

    def __init__(self, name, port, pid=None, token=None):
        self.name = name
        self.port = port
        self.pid = pid
        self.token = token

    def topic(self, name):
        """A topic of the broker as it is called on this path."""
        return name if self.token else PREFIX + name


class Turnout(Gateway):
    """A turnoutd of a build directory of its choice."""

    def __init__(self, build, *arguments):
        super().__init__(*arguments)
        self.state = os.path.join(self.directory, "state")
        self.binary = os.path.join(os.path.abspath(build), "turnoutd")

    def command(self):
        return [self.binary, "--config", self.config, "--state-dir", self.state]


def version_of(command):
    """The first line that a command prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).strip().split("\n")[0]


class World:
    """A backend and its paths. `builds`: the paths that are Turnouts, each with its build directory. `threads`:
    of each proxy, 0 as it comes (one per processor)."""

    def __init__(self, directory, binaries, backend, names, builds, threads=0, nice=0):
        self.directory = directory
        self.binaries = binaries
        self.backend = backend
        self.names = names
        self.builds = builds
        self.threads = threads
        self.nice = nice
        self.paths = []
        self.backend_pid = None
        self.kafka_port = None
        self.turnouts = []
        self._started = []

    def start(self):
        """Start the backend and everything before it; returns the world."""
        port = self._start_null() if self.backend == "null" else self._start_kafka()
        for name in self.names:
            if name == "direct":
                self.paths.append(Path(name, port))
            elif name in self.builds:
                self.paths.append(self._start_turnout(name, port))
            else:
                self.paths.append(self._start_haproxy(name, port))
        for path in self.paths:
            path.nice = self.nice
        if self.nice:
            for pid in [self.backend_pid, *(path.pid for path in self.paths if path.pid)]:
                prefer(pid, self.nice)
        return self

    def stop(self):
        """End what was started, last things first."""
        for process in reversed(self._started):
            process.stop()
        self._started = []

    def _run(self, name, command, port):
        process = Process(self.directory, name).start(command, die_with_parent=True)
        self._started.append(process)
        if not wait_port("127.0.0.1", port, 10, process):
            raise BenchError(f"{name} does not come up\n{process.log_tail()}")
        return process.pid()

    def _start_null(self):
        port = free_ports(1)[0]
        self.backend_pid = self._run("nullbroker", [self.binaries["nullbroker"], str(port)], port)
        return port

    def _start_kafka(self):
        try:
            cluster = Cluster(fetch_kafka(), os.path.join(self.directory, "kafka"), "kafka", free_ports(1),
                              settings=KAFKA)
            self._started.append(cluster)
            cluster.start(die_with_parent=True)
        except LabError as fault:
            raise BenchError(f"{fault}\n(--backend null does without Kafka)") from None
        self.backend_pid = cluster.process().pid()
        self.kafka_port = cluster.ports[0]
        return self.kafka_port

    def _start_haproxy(self, name, backend_port):
        if not shutil.which("haproxy"):
            raise BenchError("there is no haproxy: install the package haproxy, or leave it out with --paths")
        port = free_ports(1)[0]
        tuning, defaults = HAPROXY[name]
        if self.threads:
            tuning = (*tuning, f"nbthread {self.threads}")
        lines = ["global", "maxconn 4000", *tuning,
                 "defaults", "mode tcp", "timeout connect 5s", "timeout client 10m", "timeout server 10m",
                 *defaults,
                 "listen kafka", f"bind 127.0.0.1:{port}", f"server broker 127.0.0.1:{backend_port}"]
        config = os.path.join(self.directory, name + ".cfg")
        with open(config, "w", encoding="ascii") as out:
            out.write("\n".join(lines) + "\n")
        return Path(name, port, self._run(name, ["haproxy", "-db", "-f", config], port))

    def _start_turnout(self, name, backend_port):
        base = os.path.join(self.directory, name)
        os.makedirs(os.path.join(base, "vclusters"))
        port, http = free_ports(2)
        password = secrets.token_hex(8)
        settings = {"bind.host": "127.0.0.1", "advertised.host": "127.0.0.1", "port.start": port,
                    "admin.bind.host": "127.0.0.1", "admin.port": http, "workers": self.threads,
                    "admin.users": f"[{{username: bench, password: {password}, admin: true}}]"}
        with open(os.path.join(base, "turnout.yaml"), "w", encoding="ascii") as out:
            out.writelines(f"{key}: {value}\n" for key, value in settings.items())
        with open(os.path.join(base, "clusters.yaml"), "w", encoding="ascii") as out:
            out.write(f"config:\n  main:\n    bootstrap.servers: 127.0.0.1:{backend_port}\n")
        gateway = Turnout(self.builds[name], base, os.path.join(base, "turnout.yaml"), {}, http, port, "turnoutd",
                          f"bench:{password}")
        self.turnouts.append(gateway)
        self._started.append(gateway)
        try:
            if not os.access(gateway.binary, os.X_OK):
                raise LabError(f"no {gateway.binary}: run make first")
            gateway.start(die_with_parent=True)
            token = gateway.token(PREFIX, "sa")
        except LabError as fault:
            raise BenchError(str(fault)) from None
        return Path(name, port, gateway.process.pid(), token)

    def complaints(self):
        """Lines of the Turnouts' logs that say something went wrong."""
        found = []
        for gateway in self.turnouts:
            with open(gateway.process.log_path, encoding="utf-8", errors="replace") as log:
                found += [line.rstrip() for line in log if " warn " in line or " error " in line]
        return found


def find_binaries(build):
    """The bench's programs in a build directory."""
    found = {}
    for name in ("load", "nullbroker"):  # and turnoutd, where its path is started
        path = os.path.join(build, "tests", "bench", "bench-" + name)
        if not os.access(path, os.X_OK):
            raise BenchError(f"no {path}: run make first, and name the build directory by --build")
        found[name] = path
    return found


def versions(names, builds):
    """What was compared, and on what."""
    told = {"kernel": os.uname().release, "processors": str(len(os.sched_getaffinity(0)))}
    if any(name in HAPROXY for name in names):
        told["haproxy"] = version_of(["haproxy", "-v"])
    for name in names:
        if name in builds:
            told[name] = version_of([os.path.join(builds[name], "turnoutd"), "--version"])
    return told
