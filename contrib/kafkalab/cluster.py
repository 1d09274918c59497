# SPDX-License-Identifier: Apache-2.0
"""A KRaft cluster of combined nodes (broker and controller) on loopback, PLAINTEXT.

All nodes run in one JVM, or each in its own where a test kills single brokers.  The data is
throw-away: a cluster is stopped by SIGKILL unless asked to be graceful.  Start at Cluster.start().
"""

import json
import os
import shutil
import signal
import socket
import struct
import time

from .artefacts import LabError, random_uuid
from .ports import free_ports, is_free, wait_port
from .procs import Process

# What a small machine needs; the cleaner's default buffer alone would take 128 MiB of heap.
SETTINGS = {
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": "{rf}",
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": "{rf}",
    "transaction.state.log.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "log.cleaner.dedupe.buffer.size": "2097152",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "controller.quorum.election.timeout.ms": "500",
    "controller.quorum.fetch.timeout.ms": "1000",
    "broker.session.timeout.ms": "{session}",
    "broker.heartbeat.interval.ms": "500",
}
SETTINGS_4 = {
    "share.coordinator.state.topic.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "{rf}",
    "share.coordinator.state.topic.min.isr": "1",
}


class Cluster:
    """One cluster; everything it writes is below `directory`."""

    def __init__(self, kafka, directory, name, ports, ids=None, host="localhost", bind=None,
                 auto_create=False, jvm_per_broker=False, cluster_id=None, settings=None):
        self.kafka = kafka
        self.directory = directory
        self.name = name
        self.ports = list(ports)
        self.ids = list(ids or range(1, len(self.ports) + 1))
        if len(self.ids) != len(self.ports):
            raise LabError(f"{name}: {len(self.ids)} broker ids for {len(self.ports)} ports")
        self.host = host
        self.bind = bind or ("127.0.0.1" if host == "localhost" else host)
        self.auto_create = auto_create
        self.jvm_per_broker = jvm_per_broker
        self.cluster_id = cluster_id or random_uuid()
        self.settings = dict(settings or {})
        self.controller_ports = None
        self._running = []  # the Process objects that this object started

    # -- description -----------------------------------------------------------------------------

    @property
    def bootstrap(self):
        """The bootstrap.servers of clients."""
        return ",".join(f"{self.host}:{port}" for port in self.ports)

    def describe(self):
        """What load() needs to find the cluster again from another process."""
        keys = ("name", "ports", "ids", "host", "bind", "auto_create", "jvm_per_broker", "cluster_id",
                "settings")
        return {key: getattr(self, key) for key in keys} | {"version": self.kafka.version}

    def _save(self):
        os.makedirs(self.directory, exist_ok=True)
        with open(os.path.join(self.directory, "cluster.json"), "w", encoding="utf-8") as out:
            json.dump(self.describe(), out, indent=4)

    @classmethod
    def load(cls, kafka_of, directory):
        """The cluster that another process started in `directory`; kafka_of(version) gives its Kafka."""
        with open(os.path.join(directory, "cluster.json"), encoding="utf-8") as source:
            told = json.load(source)
        return cls(kafka_of(told.pop("version")), directory, **told)

    # -- processes -------------------------------------------------------------------------------

    def _node_dir(self, node):
        return os.path.join(self.directory, f"broker-{node}")

    def process(self, node=None):
        """The process of one node, or of the whole cluster where it is one JVM."""
        if self.jvm_per_broker:
            return Process(self.directory, f"broker-{node}")
        return Process(self.directory, "brokers")

    def processes(self):
        """All processes of the cluster."""
        return [self.process(node) for node in self.ids] if self.jvm_per_broker else [self.process()]

    def alive(self):
        """Whether any of its processes lives."""
        return any(process.alive() for process in self.processes())

    def start(self, wait=True, die_with_parent=False):
        """Write the nodes and start them; with wait=False call wait_ready() later."""
        for port in self.ports:
            if not is_free(self.bind, port):
                raise LabError(f"cluster {self.name}: port {port} on {self.bind} is taken by another process")
        self.controller_ports = free_ports(len(self.ids), self.bind)
        self._save()
        for index, node in enumerate(self.ids):
            self._write_node(index, node)
        self._spawn_all(die_with_parent)
        if wait:
            self.wait_ready()
        return self

    def start_again(self, die_with_parent=False):
        """Start a cluster that was stopped or killed, on its old data and ports."""
        self._spawn_all(die_with_parent)
        self.wait_ready()

    def _spawn_all(self, die_with_parent):
        self._running = []
        for nodes in ([[n] for n in self.ids] if self.jvm_per_broker else [self.ids]):
            self._spawn(nodes, die_with_parent)

    def _spawn(self, nodes, die_with_parent):
        files = [os.path.join(self._node_dir(node), "server.properties") for node in nodes]
        command = self.kafka.command(
            "KafkaNodes", *files, properties=("org.slf4j.simpleLogger.defaultLogLevel=warn",
                                              "org.slf4j.simpleLogger.showDateTime=true",
                                              "java.net.preferIPv4Stack=true"))
        process = self.process(nodes[0])
        self._running.append(process.start(command, die_with_parent=die_with_parent))

    def stop(self, graceful=False):
        """End all processes; the data stays until clean()."""
        for process in self.processes():
            process.stop(grace=15 if graceful else 0)

    def kill(self):
        """SIGKILL of every process: the whole cluster is gone at once."""
        for process in self.processes():
            process.signal(signal.SIGKILL)
        for process in self.processes():
            process.wait(10)

    def freeze(self, on=True):
        """SIGSTOP, or SIGCONT: a cluster that hangs."""
        for process in self.processes():
            process.signal(signal.SIGSTOP if on else signal.SIGCONT)

    def kill_broker(self, node):
        """SIGKILL of one broker."""
        if not self.jvm_per_broker:
            raise LabError(f"cluster {self.name} runs in one JVM: start it with one JVM per broker")
        self.process(node).stop(grace=0)

    def start_broker(self, node, die_with_parent=False):
        """Start a broker that was killed, on its old data."""
        self._spawn([node], die_with_parent)
        self.wait_ready()

    def clean(self):
        """Stop it and remove everything it wrote."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    # -- files -----------------------------------------------------------------------------------

    def _write_node(self, index, node):
        base = self._node_dir(node)
        data = os.path.join(base, "data")
        shutil.rmtree(data, ignore_errors=True)
        os.makedirs(data)
        self.kafka.copy_snapshot(data)
        with open(os.path.join(data, "meta.properties"), "w", encoding="ascii") as out:
            out.write(f"version=1\nnode.id={node}\ncluster.id={self.cluster_id}\n"
                      f"directory.id={random_uuid()}\n")
        with open(os.path.join(base, "server.properties"), "w", encoding="utf-8") as out:
            for key, value in self._node_settings(index, node, data).items():
                out.write(f"{key}={value}\n")

    def _node_settings(self, index, node, data):
        port, control = self.ports[index], self.controller_ports[index]
        voters = ",".join(f"{n}@{self.bind}:{p}" for n, p in zip(self.ids, self.controller_ports))
        settings = {
            "process.roles": "broker,controller",
            "node.id": node,
            "controller.quorum.voters": voters,
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "listeners": f"PLAINTEXT://{self.bind}:{port},CONTROLLER://{self.bind}:{control}",
            "advertised.listeners": f"PLAINTEXT://{self.host}:{port}",
            "log.dirs": data,
            "auto.create.topics.enable": "true" if self.auto_create else "false",
        }
        common = dict(SETTINGS)
        if self.kafka.at_least(4):
            common.update(SETTINGS_4)
        words = {"rf": min(3, len(self.ids)), "session": 3000 if self.jvm_per_broker else 9000}
        settings.update({key: value.format(**words) for key, value in common.items()})
        settings.update(self.settings)
        return settings

    # -- readiness -------------------------------------------------------------------------------

    def _process_of(self, node):
        names = ("brokers", f"broker-{node}")
        return next((p for p in self._running if p.name in names), self.process(node))

    def wait_ready(self, seconds=60):
        """Wait until every live broker knows of all of them; LabError with the log's end if not."""
        deadline = time.monotonic() + seconds
        for node, port in zip(self.ids, self.ports):
            process = self._process_of(node)
            if not wait_port(self.bind, port, deadline - time.monotonic(), process):
                raise LabError(f"cluster {self.name}: broker {node} does not come up\n{process.log_tail()}")
            while brokers_seen(self.bind, port) < len(self.ids):
                if time.monotonic() > deadline or not process.alive():
                    raise LabError(f"cluster {self.name}: broker {node} does not see the others\n"
                                   f"{process.log_tail()}")
                time.sleep(0.05)


def brokers_seen(host, port):
    """How many brokers one broker lists (a Metadata v1 request for no topics), 0 when it fails."""
    client = b"kafkalab"
    body = struct.pack(">hhih", 3, 1, 1, len(client)) + client + struct.pack(">i", 0)
    try:
        with socket.create_connection((host, port), timeout=2) as peer:
            peer.sendall(struct.pack(">i", len(body)) + body)
            answer = peer.makefile("rb")
            size = struct.unpack(">i", answer.read(4))[0]
            frame = answer.read(size)
            return struct.unpack(">i", frame[4:8])[0]
    except (OSError, struct.error):
        return 0
