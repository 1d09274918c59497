# SPDX-License-Identifier: Apache-2.0
"""kcat (Debian's, an old librdkafka); what it has no call for is asked of confluent-kafka."""

import json
import subprocess

from .base import Failed
from .confluent import ConfluentDriver

WAIT = 60


class KcatDriver(ConfluentDriver):
    """kcat for reading, writing and metadata."""

    name = "kcat"

    def kcat(self, *arguments, stdin=None):
        """Run kcat to its end."""
        options = [word for key, value in self.target.librdkafka().items() if key != "bootstrap.servers"
                   for word in ("-X", f"{key}={value}")]
        done = subprocess.run(["kcat", "-b", self.target.bootstrap, *options, *arguments], input=stdin,
                              capture_output=True, text=True, timeout=WAIT, check=False)
        if done.returncode != 0:
            raise Failed(f"status {done.returncode}", done.stderr[-2000:])
        return done.stdout

    def topics(self):
        return {topic["topic"] for topic in json.loads(self.kcat("-L", "-J"))["topics"]}

    def describe(self, topic):
        told = json.loads(self.kcat("-L", "-J", "-t", topic))["topics"][0]
        if told.get("error"):
            raise Failed(told["error"])
        return {"partitions": len(told["partitions"]), "replicas": len(told["partitions"][0]["replicas"])}

    def produce(self, topic, values):
        self.kcat("-P", "-t", topic, "-X", "acks=all", stdin="".join(value + "\n" for value in values))
        return len(values)

    def consume(self, topic, group, count):
        return self.kcat("-G", group, "-q", "-c", str(count), "-X", "auto.offset.reset=earliest",
                         topic).split()
