# SPDX-License-Identifier: Apache-2.0
"""Clients that are kept open while a test moves the cluster under them, one process each.

Producer and Consumer give the same answers for every client: what was acknowledged or read, when it
was, and what the client complained of.
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CLIENTS = ("kcat", "java-tools", "confluent-kafka", "kafka-python", "aiokafka")


class OpenClient:
    """A process whose output goes into files below `directory`."""

    def __init__(self, client, target, topic, directory, lab, role):
        self.client, self.target, self.topic, self.lab, self.role = client, target, topic, lab, role
        base = os.path.join(directory, f"{client}-{role}-{topic}")
        self.out_path, self.err_path = base + ".out", base + ".err"
        self.config = base + ".properties"
        with open(self.config, "w", encoding="utf-8") as out:
            out.write(target.java())
        self.process = None

    def open(self, stdin=subprocess.DEVNULL):
        """Start it."""
        env = self.lab.env(PYTHONDONTWRITEBYTECODE="1")
        with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            self.process = subprocess.Popen(self.command(), stdin=stdin, stdout=out, stderr=err, env=env,
                                            cwd=HERE, start_new_session=True)
        return self

    def command(self):
        """The command line."""
        raise NotImplementedError

    def _loadgen(self, *more):
        words = [sys.executable, os.path.join(HERE, "loadgen.py"), self.client, self.role, "--bootstrap",
                 self.target.bootstrap, "--topic", self.topic, *more]
        return words + (["--user", self.target.user, "--token", self.target.token] if self.target.token else [])

    def _kcat(self, *more):
        options = [word for key, value in self.target.librdkafka().items() if key != "bootstrap.servers"
                   for word in ("-X", f"{key}={value}")]
        return ["kcat", "-b", self.target.bootstrap, *options, *more]

    def _lines(self):
        with open(self.out_path, encoding="utf-8", errors="replace") as lines:
            return [line for line in lines if line.endswith("\n")]

    def _events(self):
        """The JSON lines, whichever tool wrote them."""
        for line in self._lines():
            try:
                yield json.loads(line)
            except ValueError:
                continue

    def complaints(self):
        """What it reported as failed, for the message of an assertion."""
        with open(self.err_path, encoding="utf-8", errors="replace") as err:
            tail = err.read()[-1500:]
        return [event["fault"] for event in self._events() if "fault" in event][-5:], tail

    def alive(self):
        """Whether it still runs."""
        return self.process.poll() is None

    def kill(self):
        """End it, whatever it does."""
        if self.process is not None and self.alive():
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Producer(OpenClient):
    """Numbered records 0, 1, 2 ... at `rate` a second with acks=all."""

    def __init__(self, client, target, topic, directory, lab, rate=50):
        super().__init__(client, target, topic, directory, lab, "produce")
        self.rate = rate
        self.fed = 0
        if client == "java-tools":
            # The verifiable producer sets retries=0, which no program does: a producer without retries gives up
            # at every change of a leader, the one of a switch, too. With retries it is idempotent, as every Java
            # producer is by default.
            with open(self.config, "a", encoding="utf-8") as out:
                out.write("retries=2147483647\n")
        self._stop = threading.Event()

    def command(self):
        if self.client == "kcat":
            return self._kcat("-P", "-t", self.topic, "-X", "acks=all", "-X", "linger.ms=5")
        if self.client == "java-tools":
            return ["kafka-verifiable-producer", "--bootstrap-server", self.target.bootstrap, "--topic",
                    self.topic, "--acks", "-1", "--throughput", str(self.rate), "--command-config", self.config]
        return self._loadgen("--rate", str(self.rate))

    def open(self, stdin=subprocess.DEVNULL):
        if self.client != "kcat":
            return super().open()
        super().open(subprocess.PIPE)
        self._feeder = threading.Thread(target=self._feed, daemon=True)
        self._feeder.start()
        return self

    def _feed(self):
        start = time.monotonic()
        while not self._stop.wait(max(0, start + self.fed / self.rate - time.monotonic())):
            try:
                self.process.stdin.write(f"{self.fed}\n".encode())
                self.process.stdin.flush()
            except OSError:
                return
            self.fed += 1

    def finish(self, seconds=90):
        """Ask it to end in order, and wait; returns its exit status (None when it had to be killed)."""
        if self.client == "kcat":
            self._stop.set()
            self._feeder.join()
            try:
                self.process.stdin.close()
            except OSError:
                pass
        else:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def acked(self):
        """{number: when it was acknowledged}; for kcat, which says nothing, all it took and no time."""
        if self.client == "kcat":
            with open(self.err_path, encoding="utf-8", errors="replace") as err:
                failed = len(re.findall("Delivery failed", err.read()))
            assert not failed, f"kcat reports {failed} records as not delivered"
            return {number: None for number in range(self.fed)}
        if self.client == "java-tools":
            return {int(event["value"]): event["timestamp"] / 1000 for event in self._events()
                    if event.get("name") == "producer_send_success"}
        return {event["n"]: event["t"] for event in self._events() if "o" in event}

    def refused(self):
        """{number: why} of what the client gave up on."""
        if self.client == "java-tools":
            return {int(event["value"]): f'{event["exception"]}: {event["message"]}' for event in self._events()
                    if event.get("name") == "producer_send_error"}
        return {event["n"]: event["fault"] for event in self._events() if "fault" in event and "n" in event}


class Consumer(OpenClient):
    """A member of a group that reads from the earliest record on."""

    def __init__(self, client, target, topic, group, directory, lab):
        super().__init__(client, target, topic, directory, lab, "consume")
        self.group = group

    def command(self):
        if self.client == "kcat":
            return self._kcat("-G", self.group, "-q", "-u", "-X", "auto.offset.reset=earliest", "-f", "%s\n",
                              self.topic)
        if self.client == "java-tools":
            return ["kafka-verifiable-consumer", "--bootstrap-server", self.target.bootstrap, "--topic",
                    self.topic, "--group-id", self.group, "--reset-policy", "earliest", "--verbose",
                    "--command-config", self.config]
        return self._loadgen("--group", self.group)

    def read(self):
        """The numbers read so far, in order, with those that were read again."""
        if self.client == "kcat":
            return [int(line) for line in self._lines() if line.strip().isdigit()]
        if self.client == "java-tools":
            return [int(event["value"]) for event in self._events() if event.get("name") == "record_data"]
        return [event["n"] for event in self._events() if "o" in event]

    def wait_read(self, wanted, seconds):
        """Wait until all of `wanted` was read; returns what is missing at the deadline."""
        deadline = time.monotonic() + seconds
        while True:
            missing = set(wanted) - set(self.read())
            if not missing or time.monotonic() > deadline or not self.alive():
                return missing
            time.sleep(0.2)
