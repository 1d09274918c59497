# SPDX-License-Identifier: Apache-2.0
"""Real clients through the gateway: what they write and read, and what they see of it."""

import os

import pytest
from confluent_kafka import OFFSET_STORED, Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from lib import wire
from lib.gateway import HOST
from lib.kcat import Kcat
from lib.wait import wait_until

RAW = True


def consume(properties, topic, count, group="readers", **more):
    """Reads `count` records as a member of a group; returns their values, sorted."""
    consumer = Consumer({"group.id": group, "auto.offset.reset": "earliest", "fetch.wait.max.ms": 50,
                         **properties, **more})
    values = []
    try:
        consumer.subscribe([topic])
        def got():
            message = consumer.poll(0.2)
            if message is not None:
                assert not message.error(), message.error()
                values.append(message.value().decode())
            return len(values) >= count
        wait_until(got, lambda: f"{count} records, have {len(values)}", pause=0)
        consumer.commit(asynchronous=False)
    finally:
        consumer.close()
    return sorted(values)


def produce(properties, topic, values, **more):
    producer = Producer({"linger.ms": 5, **properties, **more})
    faults = []
    for value in values:
        producer.produce(topic, value.encode(), callback=lambda e, m: e and faults.append(e))
    assert producer.flush(30) == 0 and not faults, faults


def test_kcat_produces_and_consumes(gateway, kcat, sandbox):
    lines = [f"line {i}" for i in range(500)]
    kcat.produce("users", lines)
    assert kcat.consume("users") == sorted(lines)
    assert sandbox.count(gateway.physical("teamA", "users"))["main"] == 500
    assert sandbox.count("users")["main"] == -1, "the virtual name must not exist on the brokers"


def test_kcat_keeps_keys_headers_and_partitions(kcat):
    kcat.run("-P", "-t", "full", "-p", "2", "-K", ":", "-H", "h1=v1", text="k:v\n")
    out = kcat.run("-C", "-t", "full", "-p", "2", "-o", "beginning", "-e", "-q", "-f", "%p %k %s %h").stdout
    assert out.strip() == "2 k v h1=v1"


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_compressed_batches_arrive_unchanged(kcat, codec):
    lines = [f"{codec} {i} " + "x" * 200 for i in range(200)]
    kcat.produce("packed", lines, "-z", codec)
    assert kcat.consume("packed") == sorted(lines)


# acks=0 is in tests/unit/proxy/test_worker.c and on real Kafka: librdkafka's mock answers it all the same, which no
# broker does, and the gateway parts with a broker that answers what nobody asked.
@pytest.mark.parametrize("acks", ["1", "all"])
def test_acks(gateway, sandbox, acks):
    values = [f"acks {acks} {i}" for i in range(100)]
    properties = gateway.client()
    produce(properties, "acked", values, acks=acks)
    sandbox.wait_count(gateway.physical("teamA", "acked"), main=100)
    assert consume(properties, "acked", 100) == sorted(values)


def test_idempotent_producer(gateway, sandbox):
    values = [f"idempotent {i}" for i in range(300)]
    properties = gateway.client()
    produce(properties, "once", values, **{"enable.idempotence": True})
    produce(properties, "once", values, **{"enable.idempotence": True})
    assert sandbox.count(gateway.physical("teamA", "once"))["main"] == 600


def test_transactional_producer(gateway, sandbox):
    properties = gateway.client()
    producer = Producer({**properties, "transactional.id": "tx-1"})
    producer.init_transactions(30)
    for attempt in range(2):
        producer.begin_transaction()
        for i in range(10):
            producer.produce("ledger", f"{attempt} {i}".encode())
        producer.commit_transaction(30)
    assert sandbox.count(gateway.physical("teamA", "ledger"))["main"] >= 20
    assert len(consume(properties, "ledger", 20)) == 20


def test_committed_offsets_are_found_again(gateway):
    """(The mock lets nobody into a group that all have left, so the second consumer assigns its partitions.)"""
    properties = gateway.client()
    produce(properties, "resumed", [f"a{i}" for i in range(20)])
    assert len(consume(properties, "resumed", 20, group="g1")) == 20
    produce(properties, "resumed", [f"b{i}" for i in range(10)])
    again = Consumer({"group.id": "g1", "auto.offset.reset": "earliest", "fetch.wait.max.ms": 50, **properties})
    values = []
    try:
        again.assign([TopicPartition("resumed", p, OFFSET_STORED) for p in range(4)])

        def got():
            message = again.poll(0.2)
            if message is not None and not message.error():
                values.append(message.value().decode())
            return len(values) >= 10

        wait_until(got, lambda: f"ten records, have {len(values)}", pause=0)
    finally:
        again.close()
    assert sorted(values) == sorted(f"b{i}" for i in range(10))


def test_two_members_share_a_group(gateway, sandbox):
    sandbox.create(gateway.physical("teamA", "shared"), 4)
    properties = gateway.client()
    members = [Consumer({"group.id": "both", "auto.offset.reset": "earliest", **properties}) for _ in range(2)]
    try:
        for member in members:
            member.subscribe(["shared"])

        def balanced():
            for member in members:
                member.poll(0.1)
            owned = [sorted(p.partition for p in m.assignment()) for m in members]
            return sorted(owned[0] + owned[1]) == [0, 1, 2, 3] and all(len(o) == 2 for o in owned)

        wait_until(balanced, "each member has two partitions", seconds=60)
    finally:
        for member in members:
            member.close()


def test_tenants_do_not_see_each_other(gateway, tmp_path, sandbox):
    ours = Kcat(gateway.client("teamA", "sa"), tmp_path)
    theirs = Kcat(gateway.client("teamB", "sb"), tmp_path)
    ours.produce("users", ["of A"])
    theirs.produce("users", ["of B", "of B again"])
    theirs.produce("only-b", ["x"])
    assert ours.consume("users") == ["of A"]
    assert theirs.consume("users") == ["of B", "of B again"]
    assert ours.topics() == ["users"]
    assert theirs.topics() == ["only-b", "users"]
    assert sandbox.count(gateway.physical("teamA", "users"))["main"] == 1
    assert sandbox.count(gateway.physical("teamB", "users"))["main"] == 2


def test_topics_outside_the_prefix_are_invisible(gateway, sandbox, kcat):
    sandbox.create("somebodyelses", 1)
    kcat.produce("mine", ["x"])
    assert kcat.topics() == ["mine"]


def test_metadata_names_the_gateway_only(gateway):
    metadata = AdminClient(gateway.client()).list_topics(timeout=30)
    first = gateway.claim.first
    assert sorted((b.host, b.port) for b in metadata.brokers.values()) == [(HOST, first + i) for i in range(3)]
    assert metadata.cluster_id and not metadata.cluster_id.startswith("mockCluster")


def test_every_port_of_the_metadata_answers(gateway):
    token = gateway.token("teamA", "sa")
    with wire.login(gateway, token=token) as raw:
        nodes, _ = wire.read_metadata(raw.ask(wire.metadata([])))
    for host, port in nodes.values():
        with wire.Raw((host, port)) as raw:
            assert raw.authenticate("sa", token)[0] == 0
            assert wire.read_metadata(raw.ask(wire.metadata([])))[0] == nodes


def test_api_versions_are_the_brokers_and_ours(gateway):
    """Nothing that a mock broker cannot do is offered, and nothing that the gateway does not know."""
    with wire.Raw(gateway.address) as raw:
        answer = raw.ask(wire.api_versions())
        assert answer.i16() == 0
        offered = {}
        for _ in range(answer.i32()):
            key, low, high = answer.i16(), answer.i16(), answer.i16()
            offered[key] = (low, high)
    mock = {0: 7, 1: 11, 2: 3, 3: 2, 8: 7, 9: 5, 10: 2, 11: 5, 12: 3, 13: 1, 14: 3, 22: 4, 24: 1, 25: 1, 26: 1, 28: 2}
    ours = {17, 18, 36, 60}  # answered by the gateway itself, whatever the brokers can do
    assert set(offered) <= set(mock) | ours, "an API is offered that no broker has"
    assert {0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 17, 18, 36} <= set(offered)
    for key, high in mock.items():
        if key in offered and key not in ours and key != 22:
            assert offered[key][1] <= high, f"API {key} is offered up to {offered[key][1]}, brokers stop at {high}"


def test_the_recorder_sees_what_clients_get(gateway, kcat):
    """The leak check of every test rests on this file."""
    kcat.produce("recorded", ["a record that only this test writes"])
    kcat.consume("recorded")
    assert os.path.getsize(gateway.record) > 0
    with open(gateway.record, "rb") as f:
        seen = f.read()
    assert b"a record that only this test writes" in seen
    assert HOST.encode() in seen


def test_large_records_stream_through(gateway, sandbox):
    value = os.urandom(400_000).hex()  # 800 kB, below librdkafka's 1 MB
    properties = gateway.client()
    produce(properties, "large", [value, value[::-1]])
    assert consume(properties, "large", 2) == sorted([value, value[::-1]])
