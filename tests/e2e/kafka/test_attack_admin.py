# SPDX-License-Identifier: Apache-2.0
"""A tenant that asks for what is the operator's, or for everything: denied APIs and versions, configs of brokers, and
every request in which null means all. Each test says what defends, as in test_attacks.py."""

import pytest
from lib import rawclient as rc
from lib.wait import wait_until
from lib.wire import RawClosed
from peers import brokers, tenant
from world import physical

RAW = True
VICTIM, THIEF = "umber", "ochre"
BROKER, BROKER_LOGGER, CLIENT_METRICS, TOPIC_RESOURCE, GROUP_RESOURCE = 4, 8, 16, 2, 32
NEVER_TYPES = (0, 1, 3, BROKER, 5, BROKER_LOGGER, CLIENT_METRICS, 64, -1, 127)


@pytest.fixture(scope="module")
def gateway(make_gateway):
    """The gateway of both."""
    return make_gateway(vclusters=[VICTIM, THIEF], echoes=[physical(VICTIM, "vault"), physical(THIEF, "own")])


def _closing(peer):
    yield peer
    peer.close()


@pytest.fixture
def victim(gateway):
    """The victim, as a client of the gateway."""
    yield from _closing(tenant(gateway, VICTIM))


@pytest.fixture
def thief(gateway):
    """The attacker, as a client of the gateway."""
    yield from _closing(tenant(gateway, THIEF))


@pytest.fixture
def inside(lab):
    """The brokers themselves, to see what has happened."""
    yield from _closing(brokers(lab.clusters["main"]))


@pytest.fixture
def vault(victim):
    """The victim's topic with a record in it."""
    victim.create("vault", replicas=3)
    victim.produce("vault", [b"x"])
    return "vault"


# -- what is not offered ------------------------------------------------------------------------------


def bodies(key, version):
    """Requests of an API that no table of this gateway may have; a bare header where Kafka has none either."""
    message = rc.api(key)
    if message is not None and version in message.versions:
        yield rc.request(key, version)
    for flexible in (False, True):
        yield rc.wire.Frame(key, version, 7, flexible=flexible).bytes_on_wire()


@pytest.mark.parametrize("key", [*range(0, 101), 1000, 32767, -1, -32768])
def test_what_is_not_offered_closes_the_connection(gateway, thief, victim, key):
    """src/proxy/client.c, check_head(), with D() and the ranges of apis.def. Denied APIs at every version; offered
    ones at each version that is not. The reason is logged, and nobody else is disturbed."""
    bystander = victim.connect()
    offered = thief.connect().versions()
    message = rc.api(key)
    first, last = (message.versions.since, min(message.versions.until, 30)) if message else (0, 1)
    low, high = offered.get(key, (1, 0))
    if key == rc.PRODUCE:
        low = 3  # 0 is only advertised, see apis.def
    if key == 17:
        low = 1
    tried = 0
    for version in sorted({-1, *range(first, last + 2), last + 1, 32767, -32768}):
        if low <= version <= high or key == rc.API_VERSIONS:
            continue
        for frame in bodies(key, version):
            since = len(gateway.log_lines("request.unsupported"))
            client = thief.connect()
            client.send(frame)
            with pytest.raises(RawClosed):
                client.receive()
            line = gateway.wait_log("request.unsupported", since=since)
            assert f"key={key}" in line and f"version={version}" in line and "why=" in line, line
            tried += 1
    assert tried or key == rc.API_VERSIONS
    assert bystander.is_served()


def test_an_unknown_version_of_api_versions_is_answered(thief):
    """Kafka's own rule (KIP-511): with the oldest answer, and only what is offered of ApiVersions."""
    for version in (5, 99, 32767, -1):
        client = thief.connect()
        client.send(rc.wire.Frame(rc.API_VERSIONS, version, 9, flexible=True).bytes_on_wire())
        answer = rc.wire.Answer(client.receive())
        assert (answer.correlation, answer.i16(), answer.i32(), answer.i16()) == (9, 35, 1, rc.API_VERSIONS)


def test_nothing_but_the_login_before_the_login(gateway, thief):
    """src/proxy/client.c, check_head(): API_BEFORE_AUTH."""
    offered = thief.connect().versions()
    for key, (_, high) in sorted(offered.items()):
        if key in (17, 18, 36):
            continue
        with rc.RawClient(gateway.address) as client:
            client.send(rc.request(key, high))
            with pytest.raises(RawClosed):
                client.receive()
    assert "unauthenticated" in gateway.wait_log("request.unauthenticated")


# -- configs --------------------------------------------------------------------------------------------------


def describe(client, resources, version=4):
    """The results of a DescribeConfigs of (type, name) pairs."""
    body = {"IncludeSynonyms": True, "IncludeDocumentation": True, "Resources": [
        {"ResourceType": t, "ResourceName": n, "ConfigurationKeys": None} for t, n in resources]}
    return client.call(rc.DESCRIBE_CONFIGS, version, body)["Results"]


def set_configs(inside, type_, name, configs):
    """Sets configs of a broker or topic on the brokers themselves; a value of None removes one."""
    address = inside.nodes()[int(name)] if type_ == BROKER else None
    answer = inside.connect(address).call(rc.INCREMENTAL_ALTER_CONFIGS, 1, {"Resources": [
        {"ResourceType": type_, "ResourceName": name, "Configs": [
            {"Name": k, "ConfigOperation": 0 if v is not None else 1, "Value": v} for k, v in configs.items()]}]})
    assert answer["Responses"][0]["ErrorCode"] == 0, answer


def test_configs_of_brokers_are_not_shown(thief, inside):
    """RESOURCE_NAME: only topics and groups have an owner among the tenants."""
    names = ["", "0", "1", "2", "3", *(str(n) for n in inside.nodes()), "subscription"]
    for address in thief.nodes().values():
        client = thief.connect(address)
        for version in range(1, 5):
            results = describe(client, [(t, n) for t in NEVER_TYPES for n in names], version)
            assert not [c for r in results for c in r["Configs"]], results
            assert all(r["ErrorCode"] != 0 for r in results)


@pytest.mark.parametrize("key,version", [(rc.ALTER_CONFIGS, 0), (rc.ALTER_CONFIGS, 2),
                                         (rc.INCREMENTAL_ALTER_CONFIGS, 0), (rc.INCREMENTAL_ALTER_CONFIGS, 1)])
def test_configs_of_brokers_cannot_be_altered(thief, inside, vault, key, version):
    """RESOURCE_NAME and RESOURCE_TYPE: of one broker, of all, of a logger, of client metrics; alone, and among
    resources that are the thief's own."""
    thief.create("own")
    brokers_now = [(BROKER, ""), *((BROKER, str(n)) for n in inside.nodes())]
    wanted = {"Name": "log.cleaner.backoff.ms", "Value": "15077"}
    for type_, name in (*brokers_now, (BROKER_LOGGER, "1"), (CLIENT_METRICS, "spy"), (TOPIC_RESOURCE, vault),
                        (TOPIC_RESOURCE, physical(VICTIM, vault))):
        config = {"Name": "retention.ms", "Value": "77"} if type_ == TOPIC_RESOURCE else wanted
        for resources in ([(type_, name)], [(TOPIC_RESOURCE, "own"), (type_, name), (TOPIC_RESOURCE, "own2")]):
            body = {"Resources": [{"ResourceType": t, "ResourceName": n, "Configs": [
                config if n == name else {"Name": "retention.ms", "Value": "99999"}]} for t, n in resources]}
            for address in thief.nodes().values():
                try:
                    thief.connect(address).call(key, version, body)
                except RawClosed:
                    pass
    for node, address in inside.nodes().items():
        for result in describe(inside.connect(address), [(BROKER, str(node))]):
            values = {c["Name"]: c["Value"] for c in result["Configs"]}
            assert values["log.cleaner.backoff.ms"] != "15077"
    shown, = describe(inside.connect(), [(TOPIC_RESOURCE, physical(VICTIM, vault))])
    assert {c["Name"]: c["Value"] for c in shown["Configs"]}["retention.ms"] not in ("77", "99999")


@pytest.mark.parametrize("kind", ["leader", "follower"])
def test_no_broker_id_in_a_topics_configs(thief, inside, kind):
    """The values of the throttle lists name brokers by their ids: shown as vnodes, or not at all."""
    name = f"{kind}.replication.throttled.replicas"
    thief.create("throttled", replicas=3)
    set_configs(inside, TOPIC_RESOURCE, physical(THIEF, "throttled"), {name: "0:1,0:2,0:3"})

    def stands():
        shown, = describe(inside.connect(), [(TOPIC_RESOURCE, physical(THIEF, "throttled"))])
        return {c["Name"]: c["Value"] for c in shown["Configs"]}[name] == "0:1,0:2,0:3"
    wait_until(stands, "the brokers know of it")
    for address in thief.nodes().values():
        for version in range(1, 5):
            shown, = describe(thief.connect(address), [(TOPIC_RESOURCE, "throttled")], version)
            values = [c["Value"] for c in shown["Configs"] if c["Name"] == name]
            values += [s["Value"] for c in shown["Configs"] for s in c.get("Synonyms", []) if s["Name"] == name]
            assert all(v in ("", None, "0:0,0:1,0:2") for v in values), values


# -- null means all ---------------------------------------------------------------------------------------


def spare_leader(inside, topic):
    """Gives the lead of a partition to another than the preferred replica; returns (preferred, leader)."""
    name = physical(VICTIM, topic)
    leader = inside.leader_id(name)
    first = next(n for n in sorted(inside.nodes()) if n != leader)
    order = [first, leader, *(n for n in inside.nodes() if n not in (first, leader))]
    answer = inside.connect().call(rc.ALTER_PARTITION_REASSIGNMENTS, 0, {"Topics": [
        {"Name": name, "Partitions": [{"PartitionIndex": 0, "Replicas": order}]}]})
    assert answer["Responses"][0]["Partitions"][0]["ErrorCode"] == 0

    def replicas():
        found, = inside._metadata([name])["Topics"]
        return found["Partitions"][0]["ReplicaNodes"] == order and found["Partitions"][0]["LeaderId"] == leader
    wait_until(replicas, "the preferred leader is another")
    return first, leader


@pytest.mark.parametrize("version", [0, 1, 2])
def test_an_election_is_only_of_ones_own(thief, inside, vault, version):
    """TOPIC_NAME; and null, which means every partition of the cluster, is the thief's own topics instead."""
    _, leader = spare_leader(inside, vault)
    for address in thief.nodes().values():
        for topics in (None, [{"Topic": vault, "Partitions": [0]}],
                       [{"Topic": physical(VICTIM, vault), "Partitions": [0]}]):
            try:
                answer = thief.connect(address).call(rc.ELECT_LEADERS, version, {"TopicPartitions": topics})
                assert vault not in [t["Topic"] for t in answer["ReplicaElectionResults"]] or topics
            except RawClosed:
                pass
    assert inside.leader_id(physical(VICTIM, vault)) == leader


def reassign(inside, name, replicas):
    """Moves the only partition of a topic; None cancels that."""
    inside.connect().call(rc.ALTER_PARTITION_REASSIGNMENTS, 0, {"Topics": [
        {"Name": name, "Partitions": [{"PartitionIndex": 0, "Replicas": replicas}]}]})


@pytest.fixture
def moving(victim, inside):
    """A topic of the victim's that is moved to another broker, for ever: throttled to a byte a second."""
    victim.create("moving")
    name = physical(VICTIM, "moving")
    for i in range(4):
        assert victim.produce("moving", [bytes([i]) * 900000])[0] == 0
    nodes = [str(n) for n in inside.nodes()]
    set_configs(inside, TOPIC_RESOURCE, name, {"follower.replication.throttled.replicas": "*"})
    for node in nodes:
        set_configs(inside, BROKER, node, {"follower.replication.throttled.rate": "1"})
    reassign(inside, name, [next(n for n in inside.nodes() if n != inside.leader_id(name))])
    yield "moving"
    reassign(inside, name, None)
    for node in nodes:
        set_configs(inside, BROKER, node, {"follower.replication.throttled.rate": None})


def moved(peer, body):
    """What ListPartitionReassignments shows."""
    found = []
    for address in peer.nodes().values():
        answer = peer.connect(address).call(rc.LIST_PARTITION_REASSIGNMENTS, 0, body)
        assert answer["ErrorCode"] == 0 and not answer["ErrorMessage"]
        found += [t["Name"] for t in answer["Topics"]]
    return set(found)


def test_a_reassignment_is_ones_own(thief, victim, inside, moving):
    """TOPIC_NAME: ListPartitionReassignments of null lists those of the cluster."""
    name = physical(VICTIM, moving)
    assert name in moved(inside, {"Topics": None})
    for topics in (None, [], [{"Name": moving, "PartitionIndexes": [0]}], [{"Name": name, "PartitionIndexes": [0]}]):
        assert not moved(thief, {"Topics": topics})
    assert moved(victim, {"Topics": None}) == {moving}
    assert moved(victim, {"Topics": [{"Name": moving, "PartitionIndexes": [0]}]}) == {moving}


def test_log_directories_show_ones_own_only(thief, lab, vault):
    """TOPIC_NAME, LOG_DIR, VOLUME_BYTES: of all topics, of named ones."""
    thief.create("own")
    for body in ({"Topics": None}, {"Topics": []}, {"Topics": [{"Topic": vault, "Partitions": [0]}]},
                 {"Topics": [{"Topic": physical(VICTIM, vault), "Partitions": [0]}]}):
        for address in thief.nodes().values():
            for version in range(1, 6):
                answer = thief.connect(address).call(rc.DESCRIBE_LOG_DIRS, version, body)
                for result in answer["Results"]:
                    assert {t["Name"] for t in result["Topics"]} <= thief.topics()
                    assert "/" not in result["LogDir"] and lab.directory not in result["LogDir"]
                    assert result.get("TotalBytes", -1) == -1 and result.get("UsableBytes", -1) == -1


def test_everything_is_ones_own(thief, inside, vault):
    """TOPIC_NAME and GROUP_ID, response: Metadata, ListGroups and OffsetFetch of all, at every version."""
    thief.create("own")
    client = thief.connect()
    for version in range(0, 9):
        answer = client.call(rc.METADATA, version, {"Topics": None if version else []})
        assert {physical(THIEF, t["Name"]) for t in answer["Topics"]} <= inside.topics()
        assert "own" in [t["Name"] for t in answer["Topics"]] and vault not in [t["Name"] for t in answer["Topics"]]


def test_no_page_of_foreign_topics(thief, inside, vault):
    """DescribeTopicPartitions: a cursor may stand anywhere, before and behind the tenant's own names (protocol.md 1.5).
    Where it is not offered, it is refused."""
    thief.create("own")
    client = thief.connect()
    if rc.DESCRIBE_TOPIC_PARTITIONS not in client.versions():
        with pytest.raises(RawClosed):
            client.call(rc.DESCRIBE_TOPIC_PARTITIONS, 0)
        return
    cursors = [None, *({"TopicName": n, "PartitionIndex": p} for n in (
        "", "\0", "own", "own2", "zzz", "~", "__consumer_offsets", vault, physical(VICTIM, vault),
        physical(VICTIM, "")[:-1], physical(THIEF, "own"), "\uffff", "x" * 249, "x" * 20000)
        for p in (0, -1, 2 ** 31 - 1))]
    for cursor in cursors:
        for names in ([], ["own"], [vault], [physical(VICTIM, vault)], [""]):
            for limit in (1, 2000, 0, -1):
                body = {"Topics": [{"Name": n} for n in names], "ResponsePartitionLimit": limit, "Cursor": cursor}
                try:
                    answer = client.call(rc.DESCRIBE_TOPIC_PARTITIONS, 0, body)
                except RawClosed:
                    client = thief.connect()
                    continue
                for topic in answer["Topics"]:
                    assert topic["ErrorCode"] != 0 or physical(THIEF, topic["Name"]) in inside.topics(), topic
                if answer["NextCursor"]:
                    assert physical(THIEF, answer["NextCursor"]["TopicName"]) in inside.topics()


def test_config_resources_of_others_are_not_listed(thief, inside, vault):
    """ListConfigResources: groups and topics of the tenant's own; no brokers' and no client metrics'. Where it is not
    offered, it is refused."""
    client = thief.connect()
    if rc.LIST_CONFIG_RESOURCES not in client.versions():
        with pytest.raises(RawClosed):
            client.call(rc.LIST_CONFIG_RESOURCES, 0)
        return
    low, high = client.versions()[rc.LIST_CONFIG_RESOURCES]
    for version in range(low, high + 1):
        for types in ([], [BROKER], [BROKER_LOGGER], [CLIENT_METRICS], [TOPIC_RESOURCE], [GROUP_RESOURCE],
                      list(NEVER_TYPES)):
            try:
                answer = client.call(rc.LIST_CONFIG_RESOURCES, version, {"ResourceTypes": types} if version else {})
            except RawClosed:
                client = thief.connect()
                continue
            for resource in answer["ConfigResources"]:
                kind = resource.get("ResourceType", CLIENT_METRICS)
                assert kind in (TOPIC_RESOURCE, GROUP_RESOURCE), resource
                assert kind != TOPIC_RESOURCE or physical(THIEF, resource["ResourceName"]) in inside.topics()


# -- destruction ------------------------------------------------------------------------------------------------


def test_foreign_topics_cannot_be_changed(thief, victim, inside, vault):
    """TOPIC_NAME, request: DeleteTopics, DeleteRecords, CreatePartitions, by either name, at every version."""
    offered = thief.connect().versions()
    for name in (vault, physical(VICTIM, vault)):
        for address in thief.nodes().values():
            for version in range(1, offered[rc.DELETE_TOPICS][1] + 1):
                answer = thief.connect(address).call(rc.DELETE_TOPICS, version, {"TopicNames": [name]})
                assert all(t["ErrorCode"] != 0 for t in answer["Responses"])
            for version in range(3):
                answer = thief.connect(address).call(rc.DELETE_RECORDS, version, {"Topics": [
                    {"Name": name, "Partitions": [{"PartitionIndex": 0, "Offset": -1}]}]})
                assert all(p["ErrorCode"] != 0 for t in answer["Topics"] for p in t["Partitions"])
            for version in range(4):
                answer = thief.connect(address).call(rc.CREATE_PARTITIONS, version, {"Topics": [
                    {"Name": name, "Count": 9, "Assignments": None}]})
                assert all(t["ErrorCode"] != 0 for t in answer["Results"])
    found, = victim._metadata([vault])["Topics"]
    assert found["ErrorCode"] == 0 and len(found["Partitions"]) == 1
    start = victim.leader(vault).call(rc.LIST_OFFSETS, 2, {"Topics": [
        {"Name": vault, "Partitions": [{"PartitionIndex": 0, "Timestamp": -2}]}]})
    assert start["Topics"][0]["Partitions"][0]["Offset"] == 0


def test_replicas_go_to_vnodes_only(thief, inside):
    """NODE_ID, request: a replica assignment names vnodes; the number of a broker that is no vnode is refused."""
    for number in (3, 5, 11, 77, 2 ** 31 - 1, -1, -2, -3):
        answer, = thief.connect().call(rc.CREATE_TOPICS, 5, {"Topics": [
            {"Name": f"at{number}", "NumPartitions": -1, "ReplicationFactor": -1,
             "Assignments": [{"PartitionIndex": 0, "BrokerIds": [number]}]}]})["Topics"]
        assert answer["ErrorCode"] != 0, number
    assert not [t for t in inside.topics() if t.startswith(physical(THIEF, "at"))]
