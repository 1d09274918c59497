# SPDX-License-Identifier: Apache-2.0
"""MirrorMaker 2 from one cluster to another, with the settings of the original demo.

`fast` adds what a test needs to see a record on the other side within seconds; only the plain
settings give the topic listings that the original document shows.
"""

import os

from .artefacts import LabError
from .procs import Process

# The settings of the original demo's mm2.properties, unchanged; only its comments are left out.
SEED = """\
clusters = main, failover
main.bootstrap.servers = {main}
failover.bootstrap.servers = {failover}
main->failover.enabled = true
replication.policy.class=org.apache.kafka.connect.mirror.IdentityReplicationPolicy
main->failover.topics = .*
refresh.topics.interval.seconds=10
main.consumer.auto.offset.reset=earliest
main->failover.groups = .*
sync.group.offsets.enabled=true
refresh.groups.interval.seconds=10
replication.factor=1
checkpoints.topic.replication.factor=1
heartbeats.topic.replication.factor=1
offset-syncs.topic.replication.factor=1
offset.storage.replication.factor=1
status.storage.replication.factor=1
config.storage.replication.factor=1
"""
FAST = """\
refresh.topics.interval.seconds=1
refresh.groups.interval.seconds=1
sync.group.offsets.interval.seconds=1
emit.checkpoints.interval.seconds=1
offset.lag.max=0
offset.flush.interval.ms=1000
scheduled.rebalance.max.delay.ms=0
offset.storage.partitions=1
status.storage.partitions=1
sync.topic.acls.enabled=false
plugin.discovery=service_load
failover->main.enabled=false
failover->main.emit.heartbeats.enabled=false
"""


class Mirror:
    """One MirrorMaker 2 process in `directory`."""

    def __init__(self, kafka, directory, main, failover, fast=False):
        self.kafka = kafka
        self.directory = directory
        self.process = Process(directory, "mirror-maker")
        self.config = os.path.join(directory, "mm2.properties")
        self.text = SEED.format(main=main, failover=failover) + (FAST if fast else "")

    def start(self, die_with_parent=False):
        """Start it; it needs half a minute to work with the plain settings, nothing waits for that."""
        if not self.kafka.has_mirror():
            raise LabError(f"MirrorMaker 2 of Kafka {self.kafka.version} was not published: run this with another")
        os.makedirs(self.directory, exist_ok=True)
        with open(self.config, "w", encoding="utf-8") as out:
            out.write(self.text)
        command = self.kafka.command("org.apache.kafka.connect.mirror.MirrorMaker", self.config,
                                     properties=("org.slf4j.simpleLogger.defaultLogLevel=warn",
                                                 "org.slf4j.simpleLogger.showDateTime=true"))
        self.process.start(command, die_with_parent=die_with_parent)
        return self

    def check(self):
        """LabError with the log's end when it has ended by itself."""
        if not self.process.alive():
            raise LabError(f"MirrorMaker 2 has ended\n{self.process.log_tail()}")

    def stop(self, grace=0):
        """End it."""
        self.process.stop(grace=grace)
