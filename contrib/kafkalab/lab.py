# SPDX-License-Identifier: Apache-2.0
"""A lab: the clusters, MirrorMaker, registry and tools below one directory.

    DIR/clusters/NAME/   brokers          DIR/mirror/   DIR/registry/   DIR/bin/   tools for PATH

A lab can be found again from another process by its directory alone.
"""

import os
import shutil

from .artefacts import KAFKA_VERSION, LabError, fetch_kafka
from .cluster import Cluster
from .mirror import Mirror
from .ports import free_ports
from .procs import Process
from .registry import Registry
from .tools import write_tools


class Lab:
    """Everything below `directory`; with die_with_parent nothing outlives the calling thread."""

    def __init__(self, directory, version=KAFKA_VERSION, die_with_parent=False):
        self.directory = os.path.abspath(directory)
        self.kafka = fetch_kafka(version)
        self.die_with_parent = die_with_parent
        self.clusters = {}
        self.mirror = None
        self.registry = None
        os.makedirs(self.directory, exist_ok=True)
        self.bin = write_tools(self.kafka, os.path.join(self.directory, "bin"))

    @classmethod
    def open(cls, directory):
        """The lab that another process started in `directory`, or LabError."""
        base = os.path.join(directory, "clusters")
        if not os.path.isdir(base):
            raise LabError(f"{directory}: there is no lab")
        lab = cls.__new__(cls)
        lab.directory = os.path.abspath(directory)
        lab.die_with_parent = False
        lab.bin = os.path.join(lab.directory, "bin")
        lab.clusters = {name: Cluster.load(fetch_kafka, os.path.join(base, name))
                        for name in sorted(os.listdir(base))}
        lab.kafka = next(iter(lab.clusters.values())).kafka if lab.clusters else fetch_kafka()
        lab.mirror = lab.registry = None
        return lab

    def env(self, **more):
        """The environment with the lab's tools first in PATH."""
        return dict(os.environ, PATH=self.bin + os.pathsep + os.environ["PATH"], **more)

    def add_cluster(self, name, brokers=3, ports=None, version=None, **options):
        """A cluster that start() starts; free ports unless given, the lab's Kafka unless `version` names another.
        Options as Cluster's."""
        kafka = fetch_kafka(version) if version else self.kafka
        host = options.get("host", "localhost")
        bind = options.get("bind") or ("127.0.0.1" if host == "localhost" else host)
        ports = ports or free_ports(brokers, bind)
        cluster = Cluster(kafka, os.path.join(self.directory, "clusters", name), name, ports, **options)
        self.clusters[name] = cluster
        return cluster

    def start(self):
        """Start all added clusters side by side and wait for them."""
        for cluster in self.clusters.values():
            cluster.start(wait=False, die_with_parent=self.die_with_parent)
        for cluster in self.clusters.values():
            cluster.wait_ready()
        return self

    def start_mirror(self, fast=False):
        """MirrorMaker 2 from the cluster `main` to the cluster `failover`."""
        self.mirror = Mirror(self.kafka, os.path.join(self.directory, "mirror"),
                             self.clusters["main"].bootstrap, self.clusters["failover"].bootstrap, fast)
        return self.mirror.start(die_with_parent=self.die_with_parent)

    def start_registry(self, port=8081):
        """The schema registry on the cluster `main`; wait_ready() is the caller's."""
        self.registry = Registry(os.path.join(self.directory, "registry"),
                                 self.clusters["main"].bootstrap, port)
        return self.registry.start(die_with_parent=self.die_with_parent)

    def processes(self):
        """Every process of the lab, whoever started it."""
        found = [p for cluster in self.clusters.values() for p in cluster.processes()]
        found.append(Process(os.path.join(self.directory, "mirror"), "mirror-maker"))
        found.append(Process(os.path.join(self.directory, "registry"), "schema-registry"))
        return found

    def stop(self, graceful=False):
        """End every process: those that talk to brokers first."""
        for process in reversed(self.processes()):
            process.stop(grace=15 if graceful else 0)

    def remove(self):
        """Stop and remove everything below the directory."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)
