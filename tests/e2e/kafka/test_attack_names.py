# SPDX-License-Identifier: Apache-2.0
"""Names: which a tenant may give, and which he may try to get at another's with.

Prefixes that begin one another, which would make all of this void, are refused when files are loaded: with both files
named, . and _ counted as equal (tests/unit/config/test_faults.c); here only through the whole daemon.
"""

import pytest
from lib import rawclient as rc
from lib.gateway import prefix_of
from lib.wire import RawClosed
from peers import brokers, tenant
from world import physical

RAW = True
VICTIM, THIEF = "coral", "ivory"
LONGEST = 249
INVALID_TOPIC = 17
FOREIGN = physical(VICTIM, "safe")
INTERNAL = ["__consumer_offsets", "__transaction_state", "__share_group_state", "__cluster_metadata"]
# Raw bytes (surrogates stand for bytes that are not UTF-8), no text that a client library would send.
ODD = ["", ".", "..", "...", "/", "../safe", "a/b", "!", "=04safe", ":safe", "a b", " ", "\t", "\n", "safe\n", "\0",
       "safe\0", "\0safe", "a\0b", FOREIGN, FOREIGN + "\0", "\0" + FOREIGN, "\b" * len(prefix_of(THIEF)) + FOREIGN,
       "%2e", "*", ".*", "\\", "\"", "'", "{}", "é", "ﬀ", "\u202e", "\udcff", "\udcff\udcfe" + FOREIGN, "\udcc3",
       "safe\udcc3", "\udced\udca0\udc80", "ＺｑlarocｑＺ-safe",
       prefix_of(VICTIM) + "x", prefix_of(THIEF) + "x", "x" * (LONGEST + 1), "x" * 5000, "y" * 32000, *INTERNAL]


@pytest.fixture(scope="module")
def gateway(make_gateway):
    """The gateway of both."""
    return make_gateway(vclusters=[VICTIM, THIEF], echoes=[FOREIGN, prefix_of(VICTIM) + "x", prefix_of(THIEF) + "x"])


def _closing(peer):
    yield peer
    peer.close()


@pytest.fixture(scope="module")
def victim(gateway):
    """The victim, as a client of the gateway, with a topic, a group and a transactional id."""
    peer = tenant(gateway, VICTIM)
    peer.create("safe")
    peer.produce("safe", [b"1"])
    peer.commit("safe", "safe", 1)
    peer.producer("safe")
    yield from _closing(peer)


@pytest.fixture(scope="module")
def thief(gateway, victim):
    """The attacker."""
    yield from _closing(tenant(gateway, THIEF))


@pytest.fixture(scope="module")
def inside(lab):
    """The brokers themselves."""
    yield from _closing(brokers(lab.clusters["main"]))


def legal(name):
    """Kafka's own rule for a topic's name, without a length."""
    return name not in ("", ".", "..") and all(c.isascii() and (c.isalnum() or c in "._-") for c in name)


def creation(name):
    """The body of a CreateTopics of one."""
    return {"Topics": [{"Name": name, "NumPartitions": 1, "ReplicationFactor": 1}]}


def attempt(peer, key, version, body):
    """The answer, or None where the connection was closed for it."""
    try:
        with rc.RawClient(peer.address, peer.login) as client:
            return client.call(key, version, body)
    except RawClosed:
        return None


@pytest.mark.parametrize("name", ODD, ids=lambda n: ascii(n)[:40])
def test_no_topic_by_an_odd_name(thief, inside, name):
    """TOPIC_NAME, src/proxy/names.c: whatever is made is the thief's own by its prefix, and has a name that is legal by
    itself. In CreateTopics, in Metadata that may create, in Produce, Fetch, DeleteRecords, DeleteTopics."""
    before = inside.topics()
    shown = thief.topics()
    created = attempt(thief, rc.CREATE_TOPICS, 5, creation(name))
    assert created is None or len(created["Topics"]) == 1, "there is no answer for what was asked"
    is_made = created is not None and created["Topics"][0]["ErrorCode"] == 0
    assert not is_made or (legal(name) and len(prefix_of(THIEF) + name) <= LONGEST)
    assert not is_made or name not in INTERNAL
    attempt(thief, rc.METADATA, 5, {"Topics": [{"Name": name}], "AllowAutoTopicCreation": True})
    if is_made:
        inside.leader_id(physical(THIEF, name))
    assert inside.topics() - before <= {physical(THIEF, name)}
    assert thief.topics() - shown <= {name}
    end = inside.end(FOREIGN)
    for address in thief.nodes().values():
        with rc.RawClient(address, thief.login) as client:
            for key, version, body in (
                    (rc.PRODUCE, 7, rc.produce_body(name, rc.batch([b"forged"]))),
                    (rc.PRODUCE, 9, rc.produce_body(name, rc.batch([b"f" * 90000]))),
                    (rc.FETCH, 11, rc.fetch_body(name)),
                    (rc.DELETE_RECORDS, 1, {"Topics": [
                        {"Name": name, "Partitions": [{"PartitionIndex": 0, "Offset": -1}]}]})):
                try:
                    answer = client.call(key, version, body)
                except RawClosed:
                    client.close()
                    client.__init__(address, thief.login)
                    continue
                if key == rc.FETCH:
                    assert not any(p["Records"] and b"1" in p["Records"][61:] for t in answer["Responses"]
                                   for p in t["Partitions"])
    attempt(thief, rc.DELETE_TOPICS, 5, {"TopicNames": [name]})
    assert inside.end(FOREIGN) == end and FOREIGN in inside.topics()


def transactions(inside):
    """Every transactional id on the brokers."""
    found = set()
    for address in inside.nodes().values():
        with rc.RawClient(address) as client:
            found |= {s["TransactionalId"] for s in client.call(rc.LIST_TRANSACTIONS, 0)["TransactionStates"]}
    return found


@pytest.mark.parametrize("name", ODD, ids=lambda n: ascii(n)[:40])
def test_no_group_by_an_odd_name(thief, victim, inside, name):
    """GROUP_ID, TRANSACTIONAL_ID: any text will do as the name of a group or a transactional id; it becomes the
    thief's own."""
    before, known = inside.groups(), transactions(inside)
    for address in thief.nodes().values():
        with rc.RawClient(address, thief.login) as client:
            try:
                client.call(rc.OFFSET_COMMIT, 5, {"GroupId": name, "Topics": [
                    {"Name": "any", "Partitions": [{"PartitionIndex": 0, "CommittedOffset": 0}]}]})
                joined = client.call(rc.JOIN_GROUP, 3, {"GroupId": name, "ProtocolType": "consumer", "Protocols": [
                    {"Name": "range", "Metadata": rc.wire.subscription(["any"])}]})
                if joined["ErrorCode"] == 0:
                    client.call(rc.LEAVE_GROUP, 2, {"GroupId": name, "MemberId": joined["MemberId"]})
                client.call(rc.INIT_PRODUCER_ID, 2, {"TransactionalId": name})
                client.call(rc.DELETE_GROUPS, 1, {"GroupsNames": [name]})
            except RawClosed:
                pass
    new = inside.groups() - before
    assert all(g.startswith(prefix_of(THIEF)) for g in new), new
    assert victim.committed("safe", "safe") == 1
    new = transactions(inside) - known
    assert all(t.startswith(prefix_of(THIEF)) for t in new), new


def test_the_longest_name(thief, inside):
    """Kafka allows 249 characters, the prefix counted: one more is refused as it is without a gateway."""
    room = LONGEST - len(prefix_of(THIEF))
    for length, error in ((room, 0), (room + 1, INVALID_TOPIC), (LONGEST, INVALID_TOPIC), (LONGEST + 1, INVALID_TOPIC)):
        answer = attempt(thief, rc.CREATE_TOPICS, 5, creation("n" * length))
        assert answer["Topics"][0]["ErrorCode"] == error, length
    thief.leader_id("n" * room)
    assert thief.produce("n" * room, [b"x"])[0] == 0
    assert "n" * room in thief.topics() and physical(THIEF, "n" * room) in inside.topics()


def test_dots_and_underscores_collide_within_a_tenant_only(thief, victim, inside):
    """Kafka refuses a.b where a_b is. Another tenant's a_b is no obstacle, and not told of."""
    victim.create("a_b.c")
    thief.create("a.b_c")
    assert thief.create("a.b_d") and victim.create("a_b.d")
    for taken in ("a_b_c", "a.b.c", "a_b.c"):
        answer = attempt(thief, rc.CREATE_TOPICS, 5, creation(taken))
        assert answer["Topics"][0]["ErrorCode"] == INVALID_TOPIC
        assert "Zq" not in (answer["Topics"][0]["ErrorMessage"] or "")
    assert {t for t in inside.topics() if t.startswith(physical(THIEF, "a"))} == {
        physical(THIEF, n) for n in ("a.b_c", "a.b_d")}


@pytest.mark.parametrize("name", INTERNAL)
def test_internal_topics_have_no_virtual_name(thief, inside, name):
    """A name that clients and tools treat as Kafka's own is no tenant's to give."""
    answer = attempt(thief, rc.CREATE_TOPICS, 5, creation(name))
    assert answer is None or answer["Topics"][0]["ErrorCode"] != 0
    assert physical(THIEF, name) not in inside.topics()


@pytest.mark.parametrize("first,second", [("Ab-", "Ab-c"), ("x.y", "x_y_z"), ("same", "same"), ("q_", "q.")])
def test_prefixes_that_begin_one_another_are_not_loaded(gateway, thief, first, second):
    """src/config/link.c, link_prefixes(): both files are named, and the running world goes on without the change."""
    gateway.write_vcluster("one", f"prefix: {first}\nusers: {{a: {{}}}}\n")
    gateway.write_vcluster("two", f"prefix: {second}\nusers: {{a: {{}}}}\n")
    try:
        told = gateway.request("POST", "/admin/config/v1/reload").text + str(gateway.call("GET", "/admin/config/v1"))
        assert "one.yaml" in told and "two.yaml" in told and "could not be told apart" in told, told
        assert thief.connect().is_served()
    finally:
        for name in ("one", "two"):
            gateway.write_vcluster(name, f"prefix: gone-{name}-\nusers: {{}}\n")
        gateway.reload()
