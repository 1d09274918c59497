# SPDX-License-Identifier: Apache-2.0
"""A second tenant that works beside the one under test: topics, records, a group."""

import contextlib
import threading

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic


def _work(target, failures, stop):
    try:
        producer = Producer(target.librdkafka(acks="all"))
        consumer = Consumer(target.librdkafka(**{"group.id": "shared-group", "auto.offset.reset": "earliest"}))
        consumer.subscribe(["shared-main"])
        while not stop.wait(0.2):
            producer.produce("shared-main", b"of the neighbour")
            producer.poll(0)
            consumer.poll(0.1)
        assert producer.flush(20) == 0, "the neighbour's records are stuck"
        consumer.close()
    except Exception as fault:  # pylint: disable=broad-except
        failures.append(fault)


@contextlib.contextmanager
def at_work(target):
    """While the block runs the neighbour produces and consumes; its own failure is raised at the end."""
    admin = AdminClient(target.librdkafka())
    for future in admin.create_topics([NewTopic("shared-main", 2, 1)]).values():
        future.result(30)
    failures, stop = [], threading.Event()
    thread = threading.Thread(target=_work, args=(target, failures, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(40)
    if failures:
        raise failures[0]
