# SPDX-License-Identifier: Apache-2.0
"""A producer and a consumer (confluent-kafka) that keep running while a test does something to the gateway."""

import threading
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from . import wire


class Writer(threading.Thread):
    """Produces record-0, record-1, ... to a topic, one by one, until stop(). `acked` and `errors` tell the fate of
    each."""

    def __init__(self, properties, topic, pause=0.02, partition=None, **more):
        super().__init__(daemon=True)
        self.topic, self.pause, self.partition = topic, pause, partition
        self.producer = Producer({"linger.ms": 0, "message.timeout.ms": 60000, **properties, **more})
        self.sent, self.acked, self.errors = 0, [], []
        self._end = threading.Event()

    def _done(self, error, message):
        if error:
            self.errors.append(str(error))
        else:
            self.acked.append(message.value().decode())

    def run(self):
        place = {} if self.partition is None else {"partition": self.partition}
        while not self._end.is_set():
            self.producer.produce(self.topic, f"record-{self.sent}".encode(), callback=self._done, **place)
            self.sent += 1
            self.producer.poll(0)
            time.sleep(self.pause)
        self.producer.flush(60)

    def stop(self):
        """Ends and waits for the last answers; every record must have been acknowledged, once."""
        self._end.set()
        self.join(90)
        assert not self.errors, f"{len(self.errors)} records failed, the first: {self.errors[0]}"
        assert len(self.acked) == self.sent, f"{self.sent} sent, {len(self.acked)} acknowledged"
        assert len(set(self.acked)) == self.sent, "a record was acknowledged twice"
        return self.sent


class Reader(threading.Thread):
    """Consumes a topic by assignment of its partitions from the beginning; `values` in order of arrival."""

    def __init__(self, properties, topic, partitions, **more):
        super().__init__(daemon=True)
        self.consumer = Consumer({"group.id": "reader", "enable.auto.commit": False, "fetch.wait.max.ms": 50,
                                  **properties, **more})
        self.consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in partitions])
        self.values, self.errors = [], []
        self._end = threading.Event()

    def run(self):
        while not self._end.is_set():
            message = self.consumer.poll(0.1)
            if message is None:
                continue
            if message.error():
                self.errors.append(str(message.error()))
            else:
                self.values.append(message.value().decode())
        self.consumer.close()

    def stop(self):
        self._end.set()
        self.join(60)
        return self.values


class Witness(threading.Thread):
    """A client that keeps asking for metadata on one connection while others misbehave. check() fails when it got
    no answer, a wrong one, or lost its connection."""

    def __init__(self, gateway, token):
        super().__init__(daemon=True)
        self.raw = wire.login(gateway, token=token)
        self.answers, self.fault = 0, None
        self._end = threading.Event()

    def run(self):
        try:
            while not self._end.is_set():
                answer = self.raw.ask(wire.metadata([], correlation=self.answers + 10))
                nodes, _ = wire.read_metadata(answer)
                assert nodes, "metadata without nodes"
                self.answers += 1
                time.sleep(0.01)
        except Exception as fault:  # told by check(), in the test's own thread
            self.fault = fault
        self.raw.close()

    def check(self):
        """Still served? At least once more since the call."""
        before = self.answers
        deadline = time.monotonic() + 30
        while self.answers <= before and self.fault is None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert self.fault is None, f"the other client suffered: {self.fault!r}"
        assert self.answers > before, "the other client gets no answer any more"

    def stop(self):
        self.check()
        self._end.set()
        self.join(30)
