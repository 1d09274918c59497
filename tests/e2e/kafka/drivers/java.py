# SPDX-License-Identifier: Apache-2.0
"""The command-line tools of Apache Kafka itself."""

import os
import re
import subprocess

from .base import Driver, Failed

WAIT = 60


class JavaDriver(Driver):
    """kafka-topics, kafka-console-producer, kafka-console-consumer, kafka-consumer-groups, kafka-configs."""

    name = "java-tools"
    slow = True

    def __init__(self, *args):
        super().__init__(*args)
        self.config = os.path.join(self.directory, f"java-{id(self)}.properties")
        with open(self.config, "w", encoding="utf-8") as out:
            out.write(self.target.java())

    def tool(self, name, *arguments, stdin=None, config="--command-config"):
        """Run a tool to its end; Failed with the last exception it names."""
        done = subprocess.run(
            [name, "--bootstrap-server", self.target.bootstrap, config, self.config, *arguments],
            input=stdin, capture_output=True, text=True, timeout=WAIT, env=self.lab.env(), check=False)
        if done.returncode != 0 or "ERROR" in done.stderr:
            named = re.findall(r"\b(\w+Exception)\b", done.stderr + done.stdout)
            named = [name for name in named if name != "ExecutionException"]
            if named or done.returncode != 0:
                raise Failed(named[-1] if named else f"status {done.returncode}", done.stderr[-2000:])
        return done.stdout

    def create(self, topic, partitions):
        out = self.tool("kafka-topics", "--create", "--topic", topic, "--partitions", str(partitions),
                        "--replication-factor", "1")
        assert f"Created topic {topic}." in out, out

    def delete(self, topic):
        self.tool("kafka-topics", "--delete", "--topic", topic)

    def topics(self):
        return set(self.tool("kafka-topics", "--list").split())

    def describe(self, topic):
        try:
            out = self.tool("kafka-topics", "--describe", "--topic", topic)
        except Failed as fault:
            raise Failed(fault.code) from None
        head = re.search(rf"Topic: {re.escape(topic)}\s.*PartitionCount: (\d+)\s+ReplicationFactor: (\d+)", out)
        assert head, out
        config = self.tool("kafka-configs", "--describe", "--all", "--entity-type", "topics",
                           "--entity-name", topic)
        return {"partitions": int(head.group(1)), "replicas": int(head.group(2)),
                "cleanup.policy": re.search(r"cleanup\.policy=(\S+)", config).group(1)}

    def produce(self, topic, values):
        self.tool("kafka-console-producer", "--topic", topic, "--request-required-acks", "all",
                  stdin="".join(value + "\n" for value in values), config="--producer.config")
        return len(values)

    def consume(self, topic, group, count):
        out = self.tool("kafka-console-consumer", "--topic", topic, "--group", group, "--from-beginning",
                        "--max-messages", str(count), "--timeout-ms", "30000", config="--consumer.config")
        return out.split()

    def _group(self, topic, group):
        out = self.tool("kafka-consumer-groups", "--describe", "--group", group)
        rows = [line.split() for line in out.splitlines() if line.split()[:2] == [group, topic]]
        return [(int(row[3]), int(row[5])) for row in rows]

    def committed(self, topic, group):
        return sum(offset for offset, _ in self._group(topic, group))

    def lag(self, topic, group):
        return sum(lag for _, lag in self._group(topic, group))

    def groups(self):
        return set(self.tool("kafka-consumer-groups", "--list").split())
