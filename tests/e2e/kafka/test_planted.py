# SPDX-License-Identifier: Apache-2.0
"""Secrets planted wherever a cluster can have a text or a number of its own, and every advertised API at every version
asked for everything: nothing that was planted is in any byte that the gateway sends.

The cluster is one of its own: two brokers with odd ids on an odd address, in directories, racks and under principals
with the secret in their names, with an authorizer, with topics, groups, transactions, configs and ACLs of others. One
JVM for each broker, so that one can be stopped: see the tests of followers.

One thing of the brokers is no secret: what they are told that is a topic's default (here log.retention.ms), which every
topic shows as its own, with the broker's config as its synonym (turnoutd(8), "Names").
"""

import base64
import glob
import itertools
import struct
import time

import kafkalab
import pytest
import world
from lib import leaks
from lib import rawclient as rc
from lib.wait import wait_until
from lib.wire import RawClosed
from peers import brokers, tenant

RAW = True
SECRET = "pLaNtEd"
HOST = "127.88.77.66"
NODES = [1347174657, 1347174658]  # b"PLA\x01" and b"PLA\x02": as a number they are a text, too
CLUSTER_ID = "pLaNtEdClUsTeRiDq0wErTy"[:22]
RETENTION = "918273645546372"
# Configs of the brokers that are no topic's default.
BROKER_ONLY = {"sasl.kerberos.service.name": f"{SECRET}-kerberos", "connections.max.idle.ms": "192837465546372"}
OWN, OTHER = "plain", "plum"
TOPIC, GROUP, TXN = "mine", "crew", "deal"
NO_SASL = (17, 36)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The cluster; everything of others is in it."""
    lab = kafkalab.Lab(str(tmp_path_factory.mktemp(f"{SECRET}-lab")), world.KAFKA, die_with_parent=True)
    cluster = lab.add_cluster(f"{SECRET}-name", brokers=2, host=HOST, ids=NODES, cluster_id=CLUSTER_ID,
                              jvm_per_broker=True, auto_create=True, settings={
                                  **BROKER_ONLY, "broker.rack": f"{SECRET}-rack", "log.retention.ms": "604800001",
                                  "default.replication.factor": "2", "replica.lag.time.max.ms": "600000",
                                  "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                                  "super.users": f"User:ANONYMOUS;User:{SECRET}-super"})
    try:
        lab.start()
        yield cluster
    finally:
        lab.remove()


@pytest.fixture(scope="module")
def inside(cluster):
    """The brokers, with what others have there."""
    peer = brokers(cluster)
    for name in (f"{SECRET}-topic", f"{SECRET}.topic2"):
        peer.create(name, 2, 2, {"retention.ms": RETENTION, "leader.replication.throttled.replicas": f"0:{NODES[0]}"})
        peer.produce(name, [f"{SECRET}-record".encode()])
    for name in (f"{SECRET}-group", f"a{SECRET}", f"z{SECRET}"):
        peer.commit(name, f"{SECRET}-topic", 1)
    peer.producer(f"{SECRET}-txn")
    peer.connect().call(rc.CREATE_ACLS, 3, {"Creations": [
        {"ResourceType": t, "ResourceName": f"{SECRET}-acl", "ResourcePatternType": p,
         "Principal": f"User:{SECRET}-principal", "Host": "*", "Operation": 3, "PermissionType": 3}
        for t in (2, 3) for p in (3, 4)]})
    for kind, name, key, value in ((16, f"{SECRET}-metrics", "interval.ms", "60000"),
                                   (32, f"{SECRET}-group", "consumer.session.timeout.ms", "47123")):
        peer.connect().call(rc.INCREMENTAL_ALTER_CONFIGS, 1, {"Resources": [
            {"ResourceType": kind, "ResourceName": name,
             "Configs": [{"Name": key, "ConfigOperation": 0, "Value": value}]}]})
    other = peer.create(world.physical(OTHER, f"{SECRET}-others"))  # another tenant's
    peer.produce(other, [f"{SECRET}-record".encode()])
    peer.commit(other, other, 1)
    peer.producer(other)
    yield peer
    peer.close()


def start(make_gateway, cluster, name=OWN, **options):
    """A gateway with the tenant and another one, who has names with the secret."""
    return make_gateway({"main": cluster}, vclusters=[name, OTHER], **options)


@pytest.fixture(scope="module")
def gateway(make_gateway, cluster, inside):
    """Before the cluster; its tenant is told nothing of any secret, and asks by none."""
    return start(make_gateway, cluster)


@pytest.fixture
def mine(gateway):
    """The tenant."""
    peer = tenant(gateway, OWN)
    peer.create(TOPIC, 1, 2)
    yield peer
    peer.close()


def ids_of_topics(inside):
    """{topic: its id}, which clients are not shown."""
    with rc.RawClient(inside.address) as client:
        answer = client.call(rc.METADATA, 12, {"Topics": None})
    return {t["Name"]: t["TopicId"] for t in answer["Topics"]}


def needles(cluster, inside):
    """{what: bytes} of everything that must not be in an answer."""
    found = {"the secret": SECRET.encode(), "the secret in small letters": SECRET.lower().encode(),
             "the secret in UTF-16": SECRET.encode("utf-16-be"), "the retention": RETENTION.encode(),
             "the idle time": BROKER_ONLY["connections.max.idle.ms"].encode(),
             "the cluster id": CLUSTER_ID.encode(), "the host": HOST.encode(),
             "the host as bytes": bytes(map(int, HOST.split("."))), "a directory": cluster.directory.encode()}
    for shift in range(3):
        encoded = base64.b64encode(b"x" * shift + SECRET.encode() + b"yyy")
        found[f"the secret in base64, {shift}"] = encoded[4 if shift else 0:8]
    for node in NODES:
        found[f"node {node} as a number"] = struct.pack(">i", node)
        found[f"node {node} as a text"] = str(node).encode()
    for name, number in ids_of_topics(inside).items():
        found[f"the id of {name}"] = number
    for path in glob.glob(f"{cluster.directory}/**/meta.properties", recursive=True):
        with open(path, encoding="ascii") as properties:
            text = next(line.split("=", 1)[1].strip() for line in properties if line.startswith("directory.id"))
        found[f"the directory id {text}"] = base64.urlsafe_b64decode(text + "==")
        found[f"the directory id {text} as a text"] = text.encode()
    return found


# -- requests for everything ---------------------------------------------------------------------------------


class Filler:
    """Bodies of a request by its definition, in several styles; what a text is follows from its field."""

    STYLES = ("own", "null", "empty", "odd", "other-types")

    def __init__(self, foreign=None):
        self.foreign = foreign
        self.count = itertools.count()

    def text(self, field, style):
        names = {"topicName": TOPIC, "groupId": GROUP, "transactionalId": TXN}
        by_name = {"Topic": TOPIC, "TopicName": TOPIC, "TopicNames": TOPIC, "Key": GROUP, "CoordinatorKeys": GROUP,
                   "ResourceName": TOPIC, "ProtocolType": "consumer", "ClientSoftwareName": "raw", "MemberId": "",
                   "ClientSoftwareVersion": "1", "ConfigurationKeys": "retention.ms", "Host": "*", "HostFilter": None,
                   "StatesFilter": "Empty", "TypesFilter": "classic", "StateFilters": "Ongoing",
                   "PrincipalFilter": None, "Principal": "User:sa", "TransactionalIdPattern": ".*",
                   "ResourceNameFilter": None,
                   "Groups": GROUP, "GroupsNames": GROUP, "TransactionalIds": TXN, "RackId": "r"}
        otherwise = "retention.ms" if field.path.startswith("Resources.Configs") else "range"
        found = names.get(field.entity, by_name.get(field.name, otherwise))
        if found in (TOPIC, GROUP, TXN):
            if self.foreign:
                return self.foreign
            if field.path in ("GroupId",) and style == "odd":
                return f"{GROUP}-{next(self.count)}"
            return {"odd": "", "other-types": "no-such"}.get(style, found)
        return found

    def number(self, field, style):
        if field.name in ("ResourceType", "ResourceTypeFilter"):
            return {"own": 2, "null": 1, "empty": 1, "odd": 4, "other-types": 32}[style]
        if field.name in ("PatternTypeFilter", "ResourcePatternType"):
            return {"own": 3, "null": 1, "empty": 1, "odd": 2, "other-types": 4}[style]
        if field.name in ("Operation", "PermissionType"):
            return 3 if field.name == "PermissionType" else {"null": 1, "empty": 1}.get(style, 3)
        if field.name in ("SessionTimeoutMs", "RebalanceTimeoutMs"):
            return 6000
        if field.name in ("KeyType", "CoordinatorType"):
            return 1 if style == "other-types" else 0
        if field.name in ("Count", "NumPartitions"):
            return {"own": 1, "odd": -5}.get(style, 3)
        if field.name == "BrokerIds":
            return {"own": 0, "odd": 7}.get(style, 1)
        if style == "odd" and field.name not in rc.USUAL:
            return {"int8": 127, "bool": True}.get(field.type, 1)
        return rc.USUAL.get(field.name, style in ("null", "own") if field.type == "bool" else 0)

    def value(self, field, version, style):
        nullable = version in field.nullable
        if field.is_array:
            if style == "null" and nullable:
                return None
            if style == "empty":
                return []
        elif style == "null" and nullable and field.name != "Records":
            return None
        if field.fields is not None:
            inner = self.body(field.fields, version, style)
        elif field.type == "string":
            inner = self.text(field, style)
            inner = "x" if inner is None and not nullable else inner
        elif field.type == "records":
            return rc.batch([b"v" * 10])
        elif field.type == "bytes":
            inner = rc.wire.subscription([TOPIC])
        elif field.type == "uuid":
            inner = bytes(16)
        else:
            inner = self.number(field, style)
        return [inner] if field.is_array else inner

    def body(self, fields, version, style):
        return {f.name: self.value(f, version, style) for f in fields
                if version in f.versions and version not in f.tagged}


def sweep(peer, foreign=None):
    """Asks every advertised API at every version, in every style, of every node; returns how many were answered
    {(key, version): times}."""
    filler, answered = Filler(foreign), {}
    nodes = list(peer.nodes().values())
    clients = {address: peer.connect(address, timeout=15) for address in nodes}
    offered = clients[nodes[0]].versions()
    # What is deleted can tell nothing any more: last.
    for key, (low, high) in sorted(offered.items(), key=lambda item: (item[0] == rc.DELETE_TOPICS, item[0])):
        if key in NO_SASL:
            continue
        for version in range(max(low, rc.api(key).versions.since), high + 1):
            answered[key, version] = 0
            for turn, style in enumerate(Filler.STYLES):
                address = nodes[(turn + version) % len(nodes)]
                body = filler.body(rc.api(key).fields, version, style)
                if key == rc.JOIN_GROUP:  # nobody waits for a member that is gone
                    body["GroupId"] += f"-{next(filler.count)}"
                try:
                    clients[address].call(key, version, body)
                    answered[key, version] += 1
                except (RawClosed, TimeoutError):
                    clients[address].close()
                    clients[address] = peer.connect(address, timeout=15)
    return answered


def test_no_secret_is_in_any_answer(gateway, cluster, inside, mine):
    """Everything of rules.c that works on answers. Each advertised API and version is answered at least once."""
    mine.produce(TOPIC, [b"own"])
    mine.commit(GROUP, TOPIC, 1)
    mine.producer(TXN)
    wanted = needles(cluster, inside)
    answered = sweep(mine)
    assert len(answered) > 100 and all(answered.values()), [k for k, times in answered.items() if not times]
    wanted.update(needles(cluster, inside))
    assert len(wanted) > 20
    assert not leaks.search(gateway.record, wanted)


def test_no_config_of_a_broker_is_told(gateway, cluster, inside, mine):
    """resource_to_physical(): the brokers tell these; a tenant hears of none, by whatever number or name he asks."""
    def asked(client, version, kind, name):
        return client.call(rc.DESCRIBE_CONFIGS, version, {"IncludeSynonyms": True, "Resources": [
            {"ResourceType": kind, "ResourceName": name, "ConfigurationKeys": None}]})["Results"][0]
    with rc.RawClient(inside.nodes()[NODES[0]]) as client:
        told = {c["Name"]: c["Value"] for c in asked(client, 4, 4, str(NODES[0]))["Configs"]}
    assert {key: told[key] for key in BROKER_ONLY} == BROKER_ONLY
    for node, address in mine.nodes().items():
        client = mine.connect(address)
        for version in range(1, 5):
            for name in ("", str(node), TOPIC):
                answer = asked(client, version, 4, name)
                assert answer["ErrorCode"] == 31 and not answer["Configs"]
            assert not set(BROKER_ONLY) & {c["Name"] for c in asked(client, version, 2, TOPIC)["Configs"]}
    assert not leaks.search(gateway.record, needles(cluster, inside))


def test_no_secret_is_in_an_error(gateway, cluster, inside, mine):
    """ERROR_MESSAGE: sentences of the brokers that name physical topics, groups, nodes and principals."""
    mine.create("mi.ne")
    mine.create("compacted", 1, 2, {"cleanup.policy": "compact"})
    client = mine.connect()
    config = [{"Name": "retention.ms", "Value": "never"}, {"Name": "no.such.config", "Value": "1"}]
    texts = []
    for version in (5, 7):
        for topic in ({"Name": TOPIC}, {"Name": "mi_ne"}, {"Name": "a/b"}, {"Name": "many", "ReplicationFactor": 5},
                      {"Name": "bad", "Configs": config[:1]}, {"Name": "bad", "Configs": config[1:]},
                      {"Name": "bad", "NumPartitions": -7}, {"Name": "x" * 245},
                      {"Name": "bad", "Assignments": [{"PartitionIndex": 0, "BrokerIds": [0, 0]}]},
                      {"Name": "bad", "Assignments": [{"PartitionIndex": 3, "BrokerIds": [0, 5]}]}):
            answer = client.call(rc.CREATE_TOPICS, version, {"Topics": [
                {"NumPartitions": 1 if "Assignments" not in topic else -1,
                 "ReplicationFactor": 1 if "Assignments" not in topic else -1, **topic}]})
            texts += [t["ErrorMessage"] for t in answer["Topics"]]
    for version in (1, 3):
        for topic in ({"Name": TOPIC, "Count": 1}, {"Name": TOPIC, "Count": 5, "Assignments": [{"BrokerIds": [9]}]},
                      {"Name": "no-such", "Count": 3}):
            answer = client.call(rc.CREATE_PARTITIONS, version, {"Topics": [{"Assignments": None, **topic}]})
            texts += [t["ErrorMessage"] for t in answer["Results"]]
    for key, version in ((rc.ALTER_CONFIGS, 2), (rc.INCREMENTAL_ALTER_CONFIGS, 1)):
        for kind, name in ((2, TOPIC), (2, "no-such"), (32, GROUP)):
            answer = client.call(key, version, {"Resources": [
                {"ResourceType": kind, "ResourceName": name, "Configs": config}]})
            texts += [r["ErrorMessage"] for r in answer["Responses"]]
    leader = mine.leader("compacted")
    for version in (8, 9, 12):
        answer = leader.call(rc.PRODUCE, version, rc.produce_body("compacted", rc.batch([b"no key"])))
        partition = answer["Responses"][0]["PartitionResponses"][0]
        assert partition["ErrorCode"] != 0
        texts += [partition["ErrorMessage"], *(e["BatchIndexErrorMessage"] for e in partition["RecordErrors"])]
    assert len([t for t in texts if t]) > 15, "the brokers had nothing to say"
    assert not leaks.search(gateway.record, needles(cluster, inside))


@pytest.mark.parametrize("asker,foreign", [
    ("ash", f"{SECRET}-topic"), ("elm", f"{SECRET}-group"), ("oak", f"{SECRET}-txn"),
    ("yew", world.physical(OTHER, f"{SECRET}-others"))])
def test_who_asks_by_the_secret_hears_only_himself(make_gateway, cluster, inside, asker, foreign):
    """As above with somebody's name in every place for one: what comes back of it is the echo of it. Numbers, and other
    secrets, are found as before."""
    gateway = start(make_gateway, cluster, asker, echoes=[foreign])
    peer = tenant(gateway, asker)
    records = inside.end(f"{SECRET}-topic")
    try:
        answered = sweep(peer, foreign)
    finally:
        peer.close()
    assert len(answered) > 100
    assert not leaks.search(gateway.record, needles(cluster, inside), [foreign.encode()])
    assert inside.end(f"{SECRET}-topic") == records


# -- ACLs ----------------------------------------------------------------------------------------------------------


def acls(client, **filters):
    """What DescribeAcls of everything shows, as a list of (type, name, pattern, principal)."""
    answer = client.call(rc.DESCRIBE_ACLS, 3, {
        "ResourceTypeFilter": 1, "ResourceNameFilter": None, "PatternTypeFilter": 1, "PrincipalFilter": None,
        "HostFilter": None, "Operation": 1, "PermissionType": 1, **filters})
    return sorted((r["ResourceType"], r["ResourceName"], r["PatternType"], a["Principal"])
                  for r in answer["Resources"] for a in r["Acls"])


def test_acls_of_others_are_neither_seen_nor_deleted(inside, mine):
    """DescribeAcls and DeleteAcls of null, ANY and MATCH (protocol.md 1.3); where they are not offered, refused."""
    before = acls(inside.connect())
    assert len(before) >= 4
    for address in mine.nodes().values():
        client = mine.connect(address)
        if rc.DELETE_ACLS not in client.versions():
            with pytest.raises(RawClosed):
                client.call(rc.DELETE_ACLS, 3, {"Filters": []})
            continue
        for kind, pattern, name in itertools.product((1, 2, 3, 4), (1, 2, 3, 4), (None, "*", "", TOPIC)):
            filters = {"ResourceTypeFilter": kind, "PatternTypeFilter": pattern, "ResourceNameFilter": name}
            try:
                assert not [a for a in acls(client, **filters) if SECRET in str(a)]
                client.call(rc.DELETE_ACLS, 3, {"Filters": [{
                    "PrincipalFilter": None, "HostFilter": None, "Operation": 1, "PermissionType": 1, **filters}]})
            except RawClosed:
                client = mine.connect(address)
    assert set(before) <= set(acls(inside.connect()))


def test_no_acl_on_what_is_not_ones_own(inside, mine):
    """CreateAcls: on the cluster, on every topic, by a pattern that takes in others, for everybody."""
    client = mine.connect()
    if rc.CREATE_ACLS not in client.versions():
        with pytest.raises(RawClosed):
            client.call(rc.CREATE_ACLS, 3, {"Creations": []})
        return
    before = set(acls(inside.connect()))
    for kind, pattern, name, principal in itertools.product(
            (1, 2, 3, 4, 5, 6, 7), (0, 1, 2, 3, 4), ("*", "kafka-cluster", "", "q", "Zq"),
            ("User:*", "User:ANONYMOUS", "User:sa")):
        try:
            client.call(rc.CREATE_ACLS, 3, {"Creations": [
                {"ResourceType": kind, "ResourceName": name, "ResourcePatternType": pattern, "Principal": principal,
                 "Host": "*", "Operation": 2, "PermissionType": 2}]})
        except RawClosed:
            client = mine.connect()
    prefix = world.physical(OWN, "")
    for kind, name, _, principal in set(acls(inside.connect())) - before:
        assert kind in (2, 3, 5) and name.startswith(prefix), (kind, name)
        assert principal not in ("User:*", "User:ANONYMOUS", "User:sa")
    client = mine.connect()
    assert client.is_served()


# -- followers ---------------------------------------------------------------------------------------------------


@pytest.fixture
def lagging(cluster, mine, inside):
    """A topic whose follower stands still, with a record that it has not got: (topic, follower's id). Its high
    watermark is 1, its log's end is 2."""
    name = f"lagging{time.monotonic_ns()}"
    mine.create(name, 1, 2)
    leader = inside.leader_id(world.physical(OWN, name))
    assert mine.produce(name, [b"everywhere"])[0] == 0
    follower = next(n for n in NODES if n != leader)
    client, straight = mine.leader(name), inside.leader(world.physical(OWN, name))
    wait_until(lambda: high_watermark(straight, world.physical(OWN, name)) == 1, "the first record is everywhere")
    process = cluster.process(follower)
    process.signal(19)
    try:
        body = {**rc.produce_body(name, rc.batch([b"here only"])), "Acks": 1}
        assert rc.produced(client.call(rc.PRODUCE, 7, body)) == (0, 1)
        yield name, follower, client, straight
    finally:
        process.signal(18)


def high_watermark(client, topic):
    """Of partition 0, as its leader tells consumers."""
    answer = client.call(rc.FETCH, 11, rc.fetch_body(topic, MaxWaitMs=0))
    return answer["Responses"][0]["Partitions"][0]["HighWatermark"]


def test_nobody_moves_the_high_watermark(lagging, inside):
    """REPLICA_ID: a Fetch under the follower's id, behind the last record, tells the leader that the follower has it:
    records that are nowhere else count as safe, and consumers get them."""
    name, follower, client, straight = lagging
    for version in (4, 11, 12):
        for offset in (1, 2):
            answer = client.call(rc.FETCH, version, rc.fetch_body(name, offset, ReplicaId=follower, MaxWaitMs=100))
            assert not answer["Responses"][0]["Partitions"][0]["Records"], "read what is not safe"
    assert high_watermark(straight, world.physical(OWN, name)) == 1


def test_nobody_sees_behind_the_high_watermark(lagging):
    """REPLICA_ID in ListOffsets: a replica is told the log's own end."""
    name, follower, client, _ = lagging
    for version in range(1, 9):
        for replica in (follower, -2, 0):
            answer = client.call(rc.LIST_OFFSETS, version, {"ReplicaId": replica, "Topics": [
                {"Name": name, "Partitions": [{"PartitionIndex": 0, "Timestamp": -1}]}]})
            assert answer["Topics"][0]["Partitions"][0]["Offset"] == 1, (version, replica)
