# SPDX-License-Identifier: Apache-2.0
"""Null means mine: what a request about "all" brings, and what it costs, on a cluster that belongs to others.

One broker that advertises a counting relay's address; a tenant with a few topics, alone at first, then among a
thousand of others'. What the gateway reads from the broker for one request may not depend on them.
"""

import threading
import time

import kafkalab
import pytest
import world
from kafka.protocol.admin import (
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, CreateTopicsRequest,
    CreateTopicsResponse, DescribeLogDirsRequest, DescribeLogDirsResponse,
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, ElectLeadersRequest, ElectLeadersResponse,
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse)
from kafka.protocol.metadata import MetadataRequest, MetadataResponse
from lib.relay import Relay
from lib.wait import wait_until
from lib.wire import Raw, RawClosed, login
from messages import encode, receive, talk
from world import physical

RAW = True
OWN = [f"own{i:02d}" for i in range(10)]
FOREIGN = 1000
TENANT, EMPTY = "blue", "green"


@pytest.fixture(scope="module")
def crowd(lab):
    """A cluster of one broker behind a relay; before the fixture many_others it is the tenant's alone."""
    host = world.HOSTS["small"]
    port, public = kafkalab.free_ports(2, host)
    cluster = kafkalab.Cluster(lab.kafka, lab.directory + "/crowd", "crowd", [port], host=host,
                               cluster_id=world.CLUSTER_IDS["small"],
                               settings={"advertised.listeners": f"PLAINTEXT://{host}:{public}"})
    relay = Relay(host, public, (host, port))
    try:
        cluster.start(die_with_parent=True)
        cluster.relay, cluster.public = relay, (host, public)
        create(cluster, [physical(TENANT, name) for name in OWN])
        yield cluster
    finally:
        relay.close()
        cluster.clean()


@pytest.fixture(scope="module")
def gateway(make_gateway, crowd):
    """Before that cluster; it does not look at it by itself while a test counts."""
    crowd_by_relay = type("Crowd", (), {"bootstrap": "%s:%d" % crowd.public, "cluster_id": crowd.cluster_id})
    return make_gateway({"main": crowd_by_relay}, vclusters=[TENANT, EMPTY],
                        config={"probe.interval.ms": 3600000})


def create(cluster, names):
    """Topics of one partition, straight on the cluster."""
    topic = CreateTopicsRequest.CreatableTopic
    with Raw((cluster.host, cluster.ports[0])) as raw:
        for at in range(0, len(names), 500):
            request = CreateTopicsRequest(timeout_ms=60000, validate_only=False, topics=[
                topic(name=name, num_partitions=1, replication_factor=1, assignments=[], configs=[])
                for name in names[at:at + 500]])
            answer = talk(raw, request, 5, CreateTopicsResponse)
            assert {t.error_code for t in answer.topics} == {0}
        wait_until(lambda: set(names) <= {t.name for t in metadata(raw, 5).topics}, "the topics show", seconds=300,
                   pause=0.5)


def metadata(raw, version=8, topics=None):
    """Of all topics unless some are named."""
    request = MetadataRequest(topics=topics, allow_auto_topic_creation=True,
                              include_cluster_authorized_operations=False,
                              include_topic_authorized_operations=False)
    return talk(raw, request, version, MetadataResponse)


def pages(raw, limit=2000):
    """All topics by DescribeTopicPartitions, page by page: (topics, how many pages)."""
    cursor, found, count = None, [], 0
    while True:
        request = DescribeTopicPartitionsRequest(topics=[], response_partition_limit=limit, cursor=cursor)
        answer = talk(raw, request, 0, DescribeTopicPartitionsResponse)
        assert sum(len(t.partitions) for t in answer.topics) <= limit
        found += answer.topics
        count += 1
        if answer.next_cursor is None:
            return found, count
        cursor = DescribeTopicPartitionsRequest.Cursor(topic_name=answer.next_cursor.topic_name,
                                                       partition_index=answer.next_cursor.partition_index)


def log_dirs(raw):
    answer = talk(raw, DescribeLogDirsRequest(topics=None), 4, DescribeLogDirsResponse)
    return sorted(t.name for r in answer.results for t in r.topics)


def reassignments(raw):
    answer = talk(raw, ListPartitionReassignmentsRequest(timeout_ms=10000, topics=None), 0,
                  ListPartitionReassignmentsResponse)
    assert answer.error_code == 0
    return [t.name for t in answer.topics]


QUESTIONS = {
    "Metadata": lambda raw: sorted(t.name for t in metadata(raw).topics if t.error_code == 0),
    "DescribeTopicPartitions": lambda raw: [t.name for t in pages(raw)[0] if t.error_code == 0],
    "DescribeLogDirs": log_dirs,
    "ListPartitionReassignments": lambda raw: reassignments(raw) or OWN,
}


def cost(gateway, crowd, question):
    """Bytes that the gateway gets from the broker for one request, with the answer checked."""
    with login(gateway, TENANT) as raw:
        metadata(raw, topics=[])  # the upstream connection is there
        before = crowd.relay.answered
        assert QUESTIONS[question](raw) == OWN
        return crowd.relay.answered - before


@pytest.fixture(scope="module")
def alone(gateway, crowd):
    """What each question costs when there is nobody else."""
    return {question: cost(gateway, crowd, question) for question in QUESTIONS}


@pytest.fixture(scope="module")
def many_others(alone, crowd):
    """Others' topics, before and behind the tenant's in the order of names."""
    prefix = physical(TENANT, "")
    create(crowd, [f"{letter}-{i:04d}" for letter in ("A", "z") for i in range(FOREIGN // 2)])
    create(crowd, [prefix[:-1] + "." + "before", prefix[:-1] + "a-behind"])
    return crowd


@pytest.mark.parametrize("question", QUESTIONS)
def test_others_cost_nothing(gateway, many_others, alone, question):
    """The answer is the tenant's, and so is the work."""
    among = cost(gateway, many_others, question)
    print(f"{question}: {alone[question]} bytes alone, {among} among {FOREIGN} others' topics")
    assert among < 3 * alone[question]


@pytest.mark.parametrize("version", range(9))
def test_metadata_of_all(gateway, many_others, version):
    with login(gateway, TENANT) as raw:
        answer = metadata(raw, version, topics=[] if version == 0 else None)
        assert sorted(t.name for t in answer.topics) == OWN
        assert {t.error_code for t in answer.topics} == {0}


@pytest.mark.parametrize("version", [0, 1, 4, 8])
def test_a_tenant_without_topics_sees_none(gateway, many_others, version):
    with login(gateway, EMPTY) as raw:
        assert metadata(raw, version, topics=[] if version == 0 else None).topics == []
        assert pages(raw) == ([], 1)
        assert log_dirs(raw) == []
        assert reassignments(raw) == []
        assert talk(raw, ElectLeadersRequest(election_type=0, topic_partitions=None, timeout_ms=10000), 2,
                    ElectLeadersResponse).replica_election_results == []


@pytest.mark.parametrize("limit", [1, 3, 7, 2000])
def test_paging_through_ones_own(gateway, many_others, limit):
    """Small pages come to the same, in order, and end."""
    with login(gateway, TENANT) as raw:
        topics, count = pages(raw, limit)
        assert [t.name for t in topics] == OWN
        assert count == -(-len(OWN) // limit)


def test_a_cursor_at_a_topic_that_is_gone(gateway, many_others):
    """As on a broker: the page begins with what comes next."""
    with login(gateway, TENANT) as raw:
        cursor = DescribeTopicPartitionsRequest.Cursor(topic_name="own04x", partition_index=0)
        request = DescribeTopicPartitionsRequest(topics=[], response_partition_limit=100, cursor=cursor)
        answer = talk(raw, request, 0, DescribeTopicPartitionsResponse)
        assert [t.name for t in answer.topics] == OWN[5:]
        assert answer.next_cursor is None


def test_a_new_topic_is_seen_at_once(gateway, many_others):
    """The list is as fresh as the request."""
    with login(gateway, EMPTY) as raw:
        topic = CreateTopicsRequest.CreatableTopic(name="fresh", num_partitions=3, replication_factor=1,
                                                   assignments=[], configs=[])
        answer = talk(raw, CreateTopicsRequest(timeout_ms=30000, validate_only=False, topics=[topic]), 5,
                      CreateTopicsResponse)
        assert answer.topics[0].error_code == 0
        deadline = time.monotonic() + 20  # the broker itself takes its time
        while not metadata(raw, topics=[MetadataRequest.MetadataRequestTopic(name="fresh")]).topics[0].partitions:
            assert time.monotonic() < deadline
        found = metadata(raw).topics
        assert [(t.name, len(t.partitions)) for t in found] == [("fresh", 3)]
        assert log_dirs(raw) == ["fresh"]


def test_a_broker_that_breaks_off_ends_the_client(gateway, many_others):
    """An answer to the gateway's own question that never comes: the client is told as of any other request."""
    name = physical(TENANT, OWN[0]).encode()
    many_others.relay.break_when(lambda data: name in data)
    with login(gateway, TENANT) as raw:
        with pytest.raises(RawClosed):
            metadata(raw)
        assert many_others.relay.is_broken()
    with login(gateway, TENANT) as raw:
        assert QUESTIONS["Metadata"](raw) == OWN


def test_clients_that_go_away(gateway, many_others):
    """In the middle of a lookup, in good order or not: nobody else notices."""
    for i in range(60):
        raw = login(gateway, TENANT)
        raw.send(encode(MetadataRequest(topics=None, allow_auto_topic_creation=True,
                                        include_cluster_authorized_operations=False,
                                        include_topic_authorized_operations=False), 8) * (1 + i % 3))
        (raw.reset if i % 2 else raw.close)()
    with login(gateway, TENANT) as raw:
        assert QUESTIONS["Metadata"](raw) == OWN


def leaders(raw, names):
    """{topic: leader of partition 0}"""
    answer = metadata(raw, topics=[MetadataRequest.MetadataRequestTopic(name=name) for name in names])
    return {t.name: t.partitions[0].leader_id for t in answer.topics if t.partitions}


def test_elections_are_the_tenants_own(make_gateway, lab):
    """ElectLeaders of all elects for the tenant; the others' leaders stay where they are."""
    gateway = make_gateway(vclusters=[TENANT])
    cluster = lab.clusters["main"]
    topic = CreateTopicsRequest.CreatableTopic
    moved = AlterPartitionReassignmentsRequest.ReassignableTopic
    mine, others = physical(TENANT, "elected"), "elect-other"
    with Raw((cluster.host, cluster.ports[0])) as raw:
        request = CreateTopicsRequest(timeout_ms=30000, validate_only=False, topics=[
            topic(name=name, num_partitions=-1, replication_factor=-1, configs=[],
                  assignments=[topic.CreatableReplicaAssignment(partition_index=0, broker_ids=[1, 2, 3])])
            for name in (mine, others)])
        assert {t.error_code for t in talk(raw, request, 5, CreateTopicsResponse).topics} == {0}
        wait_until(lambda: leaders(raw, [mine, others]) == {mine: 1, others: 1}, "both are led by 1")
        # The same replicas in another order: the leader stays, and is not the preferred one any more.
        request = AlterPartitionReassignmentsRequest(timeout_ms=30000, topics=[
            moved(name=name, partitions=[moved.ReassignablePartition(partition_index=0, replicas=[2, 3, 1])])
            for name in (mine, others)])
        assert talk(raw, request, 0, AlterPartitionReassignmentsResponse).error_code == 0
        with login(gateway, TENANT) as own:
            answer = talk(own, ElectLeadersRequest(election_type=0, topic_partitions=None, timeout_ms=10000), 2,
                          ElectLeadersResponse)
            assert answer.error_code == 0
            assert [(r.topic, [(p.partition_id, p.error_code) for p in r.partition_result])
                    for r in answer.replica_election_results] == [("elected", [(0, 0)])]
            # All are led as they prefer by now: an answer about all says nothing of those.
            answer = talk(own, ElectLeadersRequest(election_type=0, topic_partitions=None, timeout_ms=10000), 2,
                          ElectLeadersResponse)
            assert answer.replica_election_results == []
        wait_until(lambda: leaders(raw, [mine])[mine] == 2, "the tenant's is led by 2")
        assert leaders(raw, [others]) == {others: 1}


def test_a_switch_among_lookups(make_gateway, lab):
    """Clients that ask for everything all the time, over switches there and back: each answer is of one cluster and
    right, and a client that is not answered is disconnected, which is the worst that may be."""
    gateway = make_gateway(vclusters=[TENANT])
    names = {"main": [f"m{i}" for i in range(30)], "failover": [f"f{i}" for i in range(40)]}
    for where, some in names.items():
        create(lab.clusters[where], [physical(TENANT, name) for name in some])
    sets = {frozenset(some) for some in names.values()}
    stop, seen, wrong = threading.Event(), [], []

    def ask_on():
        while not stop.is_set():
            try:
                with login(gateway, TENANT, token=token) as raw:
                    while not stop.is_set():
                        raw.send(wanted)
                        topics = receive(raw, 8, MetadataResponse).topics
                        found = frozenset(t.name for t in topics if t.name[1:].isdigit())
                        (seen if found in sets else wrong).append(found)
            except (RawClosed, OSError):
                pass

    token = gateway.token(TENANT, "sa")
    wanted = encode(MetadataRequest(topics=None, allow_auto_topic_creation=True,
                                    include_cluster_authorized_operations=False,
                                    include_topic_authorized_operations=False), 8)
    threads = [threading.Thread(target=ask_on) for _ in range(4)]
    for thread in threads:
        thread.start()
    for to in ("failover", "main") * 3:
        count = len(seen)
        gateway.switch(to)
        deadline = time.monotonic() + 30
        while len(seen) < count + 20:
            assert time.monotonic() < deadline, "nobody is answered any more"
            time.sleep(0.05)
    stop.set()
    for thread in threads:
        thread.join(30)
    assert not wrong
    assert sets <= set(seen)
