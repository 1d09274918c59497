# SPDX-License-Identifier: Apache-2.0
"""A tenant that sends whatever it likes, against another tenant's sessions, producers, groups and transactions.

Each test says what defends (a row of the table at the end of src/proxy/rules.c, unless it says otherwise) and fails
where that is gone. The victim is mauve, the attacker is teal; both use raw frames (lib/rawclient.py).
"""

import struct

import pytest
from lib import rawclient as rc
from lib.wait import wait_until
from lib.wire import RawClosed
from peers import brokers, tenant
from world import physical

RAW = True
VICTIM, THIEF = "mauve", "teal"
# What a victim can be known or guessed to have on the brokers.
TOPIC, GROUP, TXN, OLD_GROUP = "ledger", "clerks", "booking", "archive"
# Whatever is asked for by physical name: Kafka repeats it in its answer, which is no leak.
ECHOES = [physical(VICTIM, name) for name in (TOPIC, GROUP, TXN, OLD_GROUP)]


@pytest.fixture(scope="module")
def gateway(make_gateway):
    """The gateway of both."""
    return make_gateway(vclusters=[VICTIM, THIEF], echoes=ECHOES)


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
def ledger(victim):
    """The victim's topic; it has at least one record."""
    victim.create(TOPIC)
    assert victim.produce(TOPIC, [b"secret"])[0] == 0
    return TOPIC


def fetched(answer):
    """Every (topic, partition, error, has records) of a Fetch."""
    return [(t["Topic"], p["PartitionIndex"], p["ErrorCode"], bool(p["Records"]))
            for t in answer["Responses"] for p in t["Partitions"]]


# -- fetch sessions: the broker looks them up by a number and asks for no owner --------------------


@pytest.fixture
def session(inside, ledger):
    """A session on the victim's topic on a broker, as a client that is not behind this gateway has it:
    (connection, session id, the name there)."""
    name = physical(VICTIM, ledger)
    client = inside.leader(name)
    answer = client.call(rc.FETCH, 11, rc.fetch_body(name, SessionId=0, SessionEpoch=0))
    assert answer["ErrorCode"] == 0 and answer["SessionId"] > 0
    return client, answer["SessionId"], name


def still_works(session, epoch=1):
    """The owner of a session goes on with it, and is told nothing of a fault."""
    client, number, _ = session
    answer = client.call(rc.FETCH, 11, rc.fetch_body(SessionId=number, SessionEpoch=epoch))
    return answer["ErrorCode"] == 0 and answer["SessionId"] == number


def test_a_fetch_session_of_another_tenant_cannot_be_read(thief, inside, session):
    """FETCH_SESSION_ID and FETCH_SESSION_EPOCH: an incremental fetch with somebody's session number would get his
    partitions, and put him out of step."""
    thief.create("own")
    for node in range(3):
        client = thief.connect(thief.nodes()[node])
        answer = client.call(rc.FETCH, 11, rc.fetch_body(SessionId=session[1], SessionEpoch=1))
        assert answer["SessionId"] == 0 and not fetched(answer)
    assert still_works(session)


def test_a_fetch_session_of_another_tenant_cannot_be_closed(thief, session):
    """FETCH_SESSION_ID: a number with epoch -1 closes that session; so does one with epoch 0, to open a new one."""
    for epoch in (-1, 0):
        for address in thief.nodes().values():
            thief.connect(address).call(rc.FETCH, 11, rc.fetch_body(SessionId=session[1], SessionEpoch=epoch))
    assert still_works(session)


def test_forgotten_topics_do_not_reach_a_session(thief, session):
    """The same rules: forgetting the victim's partition in his session would stop his consumer without a word. The
    name in it, foreign or not, is the thief's own to the broker (TOPIC_NAME)."""
    client, number, name = session
    for topic in (TOPIC, name):
        for address in thief.nodes().values():
            answer = thief.connect(address).call(rc.FETCH, 11, rc.fetch_body(
                SessionId=number, SessionEpoch=1, ForgottenTopicsData=[{"Topic": topic, "Partitions": [0]}]))
            assert not fetched(answer)
    assert still_works(session)
    # With a new record there it is sent, so the partition is still in the session.
    client.call(rc.PRODUCE, 7, rc.produce_body(name, rc.batch([b"next"])))
    answer = client.call(rc.FETCH, 11, rc.fetch_body(SessionId=number, SessionEpoch=2, MaxWaitMs=5000))
    assert fetched(answer) == [(name, 0, 0, True)]


@pytest.mark.parametrize("version", [7, 11, 12])
def test_no_session_is_ever_given(thief, version):
    """FETCH_SESSION_EPOCH: each session costs a place in the broker's cache, where it can push another's out. None is
    shown to a client, so none of his other connections, or somebody else's, can have it."""
    thief.create("own")
    client = thief.leader("own")
    answer = client.call(rc.FETCH, version, rc.fetch_body("own", SessionId=0, SessionEpoch=0))
    assert answer["ErrorCode"] == 0 and answer["SessionId"] == 0
    for number in (1, 2, 2 ** 31 - 1, -1):
        answer = client.call(rc.FETCH, version, rc.fetch_body("own", SessionId=number, SessionEpoch=7))
        assert answer["SessionId"] == 0 and answer["ErrorCode"] == 0, "not a full fetch of its own"
        assert [f[:3] for f in fetched(answer)] == [("own", 0, 0)]


# -- names in every place --------------------------------------------------------------------------


@pytest.mark.parametrize("version", [4, 11, 12])
def test_the_victims_topic_cannot_be_fetched(thief, ledger, version):
    """TOPIC_NAME, request: what the thief calls by the victim's physical name is no topic of his."""
    thief.create("own")
    client = thief.leader("own")
    for address in thief.nodes().values():
        client = thief.connect(address)
        for name in (ledger, physical(VICTIM, ledger)):
            answer = client.call(rc.FETCH, version, rc.fetch_body(name))
            assert all(error != 0 and not records for _, _, error, records in fetched(answer))


def test_the_victims_topic_cannot_be_written(thief, inside, ledger):
    """TOPIC_NAME, request; by the victim's own name, by the one on the brokers, with and without acknowledgement."""
    name = physical(VICTIM, ledger)
    before = inside.end(name)
    for address in thief.nodes().values():
        for topic in (ledger, name):
            client = thief.connect(address)
            assert rc.produced(client.call(rc.PRODUCE, 7, rc.produce_body(topic, rc.batch([b"forged"]))))[0] != 0
            client.post(rc.PRODUCE, 7, {**rc.produce_body(topic, rc.batch([b"forged"])), "Acks": 0})
            # Kafka closes a connection whose acks=0 request fails: wait for either, so that it was carried out.
            client.is_served()
    assert inside.end(name) == before


@pytest.mark.parametrize("topic", ["__consumer_offsets", "__transaction_state", "__cluster_metadata"])
def test_the_admin_clients_name_writes_no_internal_topic(thief, inside, topic):
    """TOPIC_NAME: with the client id __admin_client Kafka lets a privileged principal write internal topics, and the
    gateway's own principal is privileged. That the id itself does not pass is in test_a_client_id_is_disarmed."""
    inside.commit("nobody's", inside.create("nobodys-topic"), 1)  # brings __consumer_offsets up
    before = {p: inside.end("__consumer_offsets", p) for p in range(4)}
    for address in thief.nodes().values():
        for partition in range(4):
            client = thief.connect(address, client_id="__admin_client")
            try:
                answer = client.call(rc.PRODUCE, 7, rc.produce_body(topic, rc.batch([b"forged"]), partition))
                assert rc.produced(answer)[0] != 0
            except RawClosed:
                pass  # refused by its name
    assert {p: inside.end("__consumer_offsets", p) for p in range(4)} == before


# -- producer ids ------------------------------------------------------------------------------------


@pytest.fixture
def booking(victim, ledger):
    """A victim's transaction that is open, with a record in it: (coordinator, producer id, epoch)."""
    client = victim.coordinator(TXN, 1)
    error, number, epoch = victim.producer(TXN, client)
    assert error == 0

    def add():
        answer = client.call(rc.ADD_PARTITIONS_TO_TXN, 3, {
            "V3AndBelowTransactionalId": TXN, "V3AndBelowProducerId": number, "V3AndBelowProducerEpoch": epoch,
            "V3AndBelowTopics": [{"Name": ledger, "Partitions": [0]}]})
        return answer["ResultsByTopicV3AndBelow"][0]["ResultsByPartition"][0]["PartitionErrorCode"] == 0
    wait_until(add, "the partition is in the transaction")
    answer = victim.leader(ledger).call(rc.PRODUCE, 9, rc.produce_body(
        ledger, rc.batch([b"in it"], number, epoch, 0, transactional=True), transactional_id=TXN))
    assert rc.produced(answer)[0] == 0
    return client, number, epoch


def commits(booking):
    """The error of committing the victim's transaction."""
    client, number, epoch = booking
    return client.call(rc.END_TXN, 3, {
        "TransactionalId": TXN, "ProducerId": number, "ProducerEpoch": epoch, "Committed": True})["ErrorCode"]


@pytest.mark.parametrize("name", [TXN, physical(VICTIM, TXN)])
@pytest.mark.parametrize("committed", [False, True])
def test_a_foreign_transaction_cannot_be_ended(thief, booking, name, committed):
    """TRANSACTIONAL_ID: with the right producer id and epoch, asked of every broker."""
    for address in thief.nodes().values():
        for bump in (0, 1):
            answer = thief.connect(address).call(rc.END_TXN, 3, {
                "TransactionalId": name, "ProducerId": booking[1], "ProducerEpoch": booking[2] + bump,
                "Committed": committed})
            assert answer["ErrorCode"] != 0
    assert commits(booking) == 0


@pytest.mark.parametrize("name", [TXN, physical(VICTIM, TXN)])
def test_a_foreign_producer_cannot_be_fenced(thief, victim, booking, name):
    """TRANSACTIONAL_ID: InitProducerId fences all older producers of that id, most of all one that names the current
    producer id and epoch (v3 and on)."""
    thief.producer(name)
    coordinator = thief.coordinator(name, 1)
    for number, epoch in ((booking[1], booking[2]), (booking[1], booking[2] + 1), (booking[1], 32766)):
        _, given, _ = thief.producer(name, coordinator, ProducerId=number, ProducerEpoch=epoch)
        assert given != booking[1]
    for address in victim.nodes().values():
        thief.connect(address).call(rc.INIT_PRODUCER_ID, 4, {
            "TransactionalId": name, "ProducerId": booking[1], "ProducerEpoch": booking[2]})
    assert commits(booking) == 0


def test_a_producer_id_that_is_asked_for_is_not_given(thief, booking):
    """src/proxy/local.c, handle_init_producer_id(): without a transactional id nobody can bring his own."""
    client = thief.connect()
    given = set()
    for epoch in (-1, 0, 5):
        answer = client.call(rc.INIT_PRODUCER_ID, 4, {"ProducerId": booking[1], "ProducerEpoch": epoch})
        assert (answer["ErrorCode"], answer["ProducerEpoch"]) == (0, 0)
        given.add(answer["ProducerId"])
    assert len(given) == 3 and booking[1] not in given


def test_partitions_cannot_be_added_to_a_foreign_transaction(thief, victim, booking):
    """TRANSACTIONAL_ID, and the version cap of AddPartitionsToTxn in apis.def: from 4 on a request has many
    transactions, and only brokers send it."""
    thief.create("own")
    for name in (TXN, physical(VICTIM, TXN)):
        for address in thief.nodes().values():
            answer = thief.connect(address).call(rc.ADD_PARTITIONS_TO_TXN, 3, {
                "V3AndBelowTransactionalId": name, "V3AndBelowProducerId": booking[1],
                "V3AndBelowProducerEpoch": booking[2], "V3AndBelowTopics": [{"Name": "own", "Partitions": [0]}]})
            assert all(p["PartitionErrorCode"] != 0 for t in answer["ResultsByTopicV3AndBelow"]
                       for p in t["ResultsByPartition"])
            for version in (4, 5):
                with pytest.raises(RawClosed):
                    thief.connect(address).call(rc.ADD_PARTITIONS_TO_TXN, version, {"Transactions": [
                        {"TransactionalId": name, "ProducerId": booking[1], "ProducerEpoch": booking[2],
                         "VerifyOnly": False, "Topics": [{"Name": TOPIC, "Partitions": [0]}]}]})
    assert commits(booking) == 0


def partition_of(group, partitions=4):
    """Of __consumer_offsets: Java's String.hashCode() of the physical name."""
    value = 0
    for c in group:
        value = (31 * value + ord(c)) & 0xFFFFFFFF
    return (value & 0x7FFFFFFF) % partitions


def test_offsets_cannot_be_put_into_a_foreign_transaction(thief, victim, inside, booking):
    """TRANSACTIONAL_ID and GROUP_ID. The groups of all tenants share the partitions of __consumer_offsets, and a
    producer id is one there for all: a commit under the victim's id, into a group of the thief's own, would go into
    the victim's transaction with the same epoch; with a higher one it would fence the victim's commits and leave a
    transaction open there for ever. The broker's verification of the transactional id refuses it
    (transaction.partition.verification.enable must stay on)."""
    thief.create("own")
    client, number, epoch = booking

    def add():
        return client.call(rc.ADD_OFFSETS_TO_TXN, 3, {
            "TransactionalId": TXN, "ProducerId": number, "ProducerEpoch": epoch, "GroupId": GROUP})["ErrorCode"] == 0
    wait_until(add, "the group is in the transaction")
    shared = partition_of(physical(VICTIM, GROUP))
    group = next(g for g in (f"near-{i}" for i in range(99)) if partition_of(physical(THIEF, g)) == shared)
    thief.producer("own-txn")
    for name in ("own-txn", TXN, physical(VICTIM, TXN)):
        for to in (group, GROUP, physical(VICTIM, GROUP)):
            coordinator = thief.coordinator(to)
            for bump in (0, 1, 100):
                answer = coordinator.call(rc.TXN_OFFSET_COMMIT, 3, {
                    "TransactionalId": name, "GroupId": to, "ProducerId": number, "ProducerEpoch": epoch + bump,
                    "Topics": [{"Name": "own", "Partitions": [{"PartitionIndex": 0, "CommittedOffset": 1}]}]})
                assert answer["Topics"][0]["Partitions"][0]["ErrorCode"] != 0
    own = victim.coordinator(GROUP).call(rc.TXN_OFFSET_COMMIT, 3, {
        "TransactionalId": TXN, "GroupId": GROUP, "ProducerId": number, "ProducerEpoch": epoch,
        "Topics": [{"Name": TOPIC, "Partitions": [{"PartitionIndex": 0, "CommittedOffset": 3}]}]})
    assert own["Topics"][0]["Partitions"][0]["ErrorCode"] == 0, "the victim is fenced"
    assert commits(booking) == 0
    wait_until(lambda: victim.committed(GROUP, TOPIC) == 3, "the victim's offset is committed")


def test_a_foreign_producer_id_in_ones_own_topic_harms_nobody(thief, victim, ledger):
    """A broker keeps the state of a producer id for each partition (TOPIC_NAME keeps partitions apart): idempotent
    batches of the victim go on whatever the thief writes under the victim's id elsewhere."""
    thief.create("own")
    number = victim.connect().call(rc.INIT_PRODUCER_ID, 4)["ProducerId"]
    for sequence in range(3):
        assert victim.produce(TOPIC, [b"x"], producer_id=number, epoch=0, sequence=sequence)[0] == 0
        assert thief.produce("own", [b"y"], producer_id=number, epoch=100 + sequence, sequence=0)[0] == 0


@pytest.fixture(scope="module")
def sharing(make_gateway, direct):
    """A gateway where both have the same topic, nobody's, under the name `shared`; the victim may only read `feed`."""
    for name in ("between-them", "from-above"):
        direct["main"].create(name)
    gateway = make_gateway(vclusters=[])
    for name in (VICTIM, THIEF):
        gateway.write_vcluster(name, f"prefix: {physical(name, '')}\nusers: {{}}\ntopics:\n"
                                     "  shared: {physical: between-them}\n"
                                     "  feed: {physical: from-above, read.only: true}\n")
    gateway.reload()
    peers = tenant(gateway, VICTIM), tenant(gateway, THIEF)
    yield peers
    for peer in peers:
        peer.close()


def test_a_shared_topic_to_read_is_only_read(sharing, inside):
    """`read.only` of an alias: nobody writes to it or deletes its records, under whatever producer id."""
    thief = sharing[1]
    for options in ({}, {"producer_id": 1 << 62, "epoch": 5, "sequence": 0}):
        assert thief.produce("feed", [b"forged"], **options)[0] == 29
    answer = thief.leader("feed").call(rc.DELETE_RECORDS, 1, {"Topics": [
        {"Name": "feed", "Partitions": [{"PartitionIndex": 0, "Offset": 0}]}]})
    assert answer["Topics"][0]["Partitions"][0]["ErrorCode"] == 29
    assert inside.end("from-above") == 0


def test_a_foreign_producer_id_does_not_write_a_shared_topic(sharing):
    """src/proxy/producers.c: ids are in the batches that both can fetch. One record under the victim's id and next
    sequence, and the broker takes his own next record for that one: acknowledged, and lost. One with a higher epoch,
    and he is fenced; so is a transactional producer whose id the broker made."""
    victim, thief = sharing
    number = victim.connect().call(rc.INIT_PRODUCER_ID, 4)["ProducerId"]
    _, transactional, epoch = victim.producer("sharing")
    error, first = victim.produce("shared", [b"mine"], producer_id=number, epoch=0, sequence=0)
    assert error == 0
    for forged, at, sequence in ((number, 0, 1), (number, 1, 0), (number, 32766, 0), (transactional, epoch, 0),
                                 (transactional, epoch + 1, 0)):
        for values in ([b"forged"], [b"f" * 200000]):
            with pytest.raises(RawClosed):
                thief.produce("shared", values, producer_id=forged, epoch=at, sequence=sequence)
    assert victim.produce("shared", [b"mine"], producer_id=number, epoch=0, sequence=1) == (0, first + 1)
    number = thief.connect().call(rc.INIT_PRODUCER_ID, 4)["ProducerId"]
    assert thief.produce("shared", [b"too"], producer_id=number, epoch=0, sequence=0) == (0, first + 2)


@pytest.fixture
def hosting(make_gateway):
    """A gateway where the thief has the victim's topic `guested` as `theirs`."""
    gateway = make_gateway(vclusters=[])
    for name, topics in ((VICTIM, ""), (THIEF, f"topics:\n  theirs: {{physical: {physical(VICTIM, 'guested')}}}\n")):
        gateway.write_vcluster(name, f"prefix: {physical(name, '')}\nusers: {{}}\n{topics}")
    gateway.reload()
    peers = tenant(gateway, VICTIM), tenant(gateway, THIEF)
    yield peers
    for peer in peers:
        peer.close()


def test_no_record_gets_into_a_foreign_transaction(hosting, inside):
    """src/proxy/producers.c: while a transaction is open in a partition, the broker no longer asks whose the producer id of a
    batch is. A guest in the victim's topic could add a record to the victim's transaction, and his next one would be taken
    for a repetition: acknowledged, and lost."""
    victim, thief = hosting
    victim.create("guested")
    own = "guest-txn"
    client = victim.coordinator("host-txn", 1)
    error, number, epoch = victim.producer("host-txn", client)
    assert error == 0

    def add(coordinator, name, topic, producer):
        return coordinator.call(rc.ADD_PARTITIONS_TO_TXN, 3, {
            "V3AndBelowTransactionalId": name, "V3AndBelowProducerId": producer[0],
            "V3AndBelowProducerEpoch": producer[1], "V3AndBelowTopics": [{"Name": topic, "Partitions": [0]}],
        })["ResultsByTopicV3AndBelow"][0]["ResultsByPartition"][0]["PartitionErrorCode"]

    def write(peer, topic, value, name, producer, sequence):
        return rc.produced(peer.leader(topic).call(rc.PRODUCE, 9, rc.produce_body(
            topic, rc.batch([value], *producer, sequence, transactional=True), transactional_id=name)))

    wait_until(lambda: add(client, "host-txn", "guested", (number, epoch)) == 0, "the partition is in the transaction")
    first = write(victim, "guested", b"his", "host-txn", (number, epoch), 0)
    assert first[0] == 0
    theirs = thief.coordinator(own, 1)
    _, guest, guest_epoch = thief.producer(own, theirs)
    assert add(theirs, own, "theirs", (guest, guest_epoch)) == 29
    for name, at in ((own, epoch), ("host-txn", epoch), (own, epoch + 1)):
        with pytest.raises(RawClosed):
            write(thief, "theirs", b"forged", name, (number, at), 1)
    assert write(victim, "guested", b"his, too", "host-txn", (number, epoch), 1) == (0, first[1] + 1)
    assert client.call(rc.END_TXN, 3, {"TransactionalId": "host-txn", "ProducerId": number, "ProducerEpoch": epoch,
                                       "Committed": True})["ErrorCode"] == 0
    wait_until(lambda: inside.end(physical(VICTIM, "guested")) == first[1] + 3, "two records and the end of the transaction")
    # and the other way round: the victim is no better off with a guest's producer id
    number = thief.connect().call(rc.INIT_PRODUCER_ID, 4)["ProducerId"]
    assert thief.produce("theirs", [b"a guest's"], producer_id=number, epoch=0, sequence=0)[0] == 0
    with pytest.raises(RawClosed):
        victim.produce("guested", [b"forged"], producer_id=number, epoch=1, sequence=0)
    assert thief.produce("theirs", [b"a guest's"], producer_id=number, epoch=0, sequence=1)[0] == 0


def test_the_victims_transactions_are_not_listed(thief, booking):
    """TRANSACTIONAL_ID: DescribeTransactions, and ListTransactions where it is offered."""
    for address in thief.nodes().values():
        client = thief.connect(address)
        answer = client.call(rc.DESCRIBE_TRANSACTIONS, 0, {"TransactionalIds": [TXN, physical(VICTIM, TXN)]})
        for state in answer["TransactionStates"]:
            is_own = state["ErrorCode"] == 0 and state["TransactionState"] == "Empty"
            assert (state["ErrorCode"] != 0 or is_own) and not state["Topics"], state
            assert not is_own or state["ProducerId"] != booking[1]
        if rc.LIST_TRANSACTIONS not in client.versions():
            with pytest.raises(RawClosed):
                client.call(rc.LIST_TRANSACTIONS, 0)
            continue
        for body in ({}, {"ProducerIdFilters": [booking[1]]}, {"StateFilters": ["Ongoing"]}):
            states = client.call(rc.LIST_TRANSACTIONS, 0, body)["TransactionStates"]
            assert booking[1] not in [s["ProducerId"] for s in states]
    assert commits(booking) == 0


# -- groups ----------------------------------------------------------------------------------------------


@pytest.fixture
def member(victim, ledger):
    """A static member of the victim's group, the only one: (coordinator, member id, generation)."""
    victim.commit(GROUP, ledger, 1)
    client = victim.coordinator(GROUP)
    body = {"GroupId": GROUP, "GroupInstanceId": "desk-1", "ProtocolType": "consumer", "SessionTimeoutMs": 30000,
            "Protocols": [{"Name": "range", "Metadata": rc.wire.subscription([ledger])}]}
    answer = client.call(rc.JOIN_GROUP, 5, body)
    assert answer["ErrorCode"] == 0, answer
    answer_sync = client.call(rc.SYNC_GROUP, 3, {
        "GroupId": GROUP, "GenerationId": answer["GenerationId"], "MemberId": answer["MemberId"],
        "GroupInstanceId": "desk-1", "Assignments": [{"MemberId": answer["MemberId"], "Assignment": bytes(10)}]})
    assert answer_sync["ErrorCode"] == 0
    yield client, answer["MemberId"], answer["GenerationId"]
    client.call(rc.LEAVE_GROUP, 4, {"GroupId": GROUP, "Members": [
        {"MemberId": answer["MemberId"], "GroupInstanceId": "desk-1"}]})


def is_in(member):
    """Whether the victim's member is still one, in the same generation."""
    client, number, generation = member
    return client.call(rc.HEARTBEAT, 3, {"GroupId": GROUP, "GenerationId": generation, "MemberId": number,
                                         "GroupInstanceId": "desk-1"})["ErrorCode"] == 0


@pytest.mark.parametrize("name", [GROUP, physical(VICTIM, GROUP)])
def test_a_foreign_member_cannot_be_played(thief, victim, member, name):
    """GROUP_ID: with the right member id, instance id and generation, asked of every broker."""
    _, number, generation = member
    who = {"GroupId": name, "GenerationId": generation, "MemberId": number, "GroupInstanceId": "desk-1"}
    for address in thief.nodes().values():
        client = thief.connect(address)
        assert client.call(rc.HEARTBEAT, 3, who)["ErrorCode"] != 0
        assert client.call(rc.SYNC_GROUP, 3, who)["ErrorCode"] != 0
        commit = client.call(rc.OFFSET_COMMIT, 7, {
            **{k: v for k, v in who.items() if k != "GenerationId"}, "GenerationIdOrMemberEpoch": generation,
            "Topics": [{"Name": TOPIC, "Partitions": [{"PartitionIndex": 0, "CommittedOffset": 0}]}]})
        assert commit["Topics"][0]["Partitions"][0]["ErrorCode"] != 0
        for leaving in (number, ""):
            client.call(rc.LEAVE_GROUP, 4, {"GroupId": name, "Members": [
                {"MemberId": leaving, "GroupInstanceId": "desk-1"}]})
    assert is_in(member)
    assert victim.committed(GROUP, TOPIC) == 1


@pytest.mark.parametrize("name", [GROUP, physical(VICTIM, GROUP)])
def test_a_foreign_static_member_cannot_be_fenced(thief, member, name):
    """GROUP_ID: a JoinGroup under somebody's instance id takes his place."""
    client = thief.coordinator(name)
    answer = client.call(rc.JOIN_GROUP, 5, {
        "GroupId": name, "GroupInstanceId": "desk-1", "ProtocolType": "consumer",
        "Protocols": [{"Name": "range", "Metadata": rc.wire.subscription([TOPIC])}]})
    assert answer["ErrorCode"] == 0 and len(answer["Members"]) == 1, "it is in a group of its own"
    client.call(rc.LEAVE_GROUP, 4, {"GroupId": name, "Members": [
        {"MemberId": answer["MemberId"], "GroupInstanceId": "desk-1"}]})
    assert is_in(member)


def test_foreign_groups_are_not_described(thief, inside, member):
    """GROUP_ID: members, clients' addresses and assignments of the victim."""
    for address in thief.nodes().values():
        client = thief.connect(address)
        for version in range(7):
            answer = client.call(rc.DESCRIBE_GROUPS, version, {"Groups": [GROUP, physical(VICTIM, GROUP)]})
            for group in answer["Groups"]:
                assert not group["Members"] and group["GroupState"] in ("Dead", "Empty", ""), group
        for version in range(6):
            listed = {g["GroupId"] for g in client.call(rc.LIST_GROUPS, version)["Groups"]}
            assert {physical(THIEF, name) for name in listed} <= inside.groups(), "not groups of the thief's own"


def test_foreign_offsets_cannot_be_seen_or_removed(thief, victim, inside, ledger):
    """GROUP_ID: OffsetFetch (also of all topics, and in batches), OffsetDelete, DeleteGroups."""
    victim.commit(OLD_GROUP, ledger, 1)
    for name in (OLD_GROUP, physical(VICTIM, OLD_GROUP)):
        client = thief.coordinator(name)
        for topics in (None, [{"Name": ledger, "PartitionIndexes": [0]}]):
            old = client.call(rc.OFFSET_FETCH, 7, {"GroupId": name, "Topics": topics})
            batched = client.call(rc.OFFSET_FETCH, 8, {"Groups": [{"GroupId": name, "Topics": topics}]})
            for answer in (old, *batched["Groups"]):
                assert all(p["CommittedOffset"] == -1 for t in answer["Topics"] for p in t["Partitions"])
        for address in thief.nodes().values():
            client = thief.connect(address)
            client.call(rc.OFFSET_DELETE, 0, {"GroupId": name, "Topics": [
                {"Name": ledger, "Partitions": [{"PartitionIndex": 0}]}]})
            for result in client.call(rc.DELETE_GROUPS, 2, {"GroupsNames": [name]})["Results"]:
                assert result["ErrorCode"] != 0
    assert victim.committed(OLD_GROUP, ledger) == 1
    assert physical(VICTIM, OLD_GROUP) in inside.groups()


def names_in(data):
    """The topics that a subscription or an assignment of the consumer protocol names."""
    at, names = 6, []
    for _ in range(struct.unpack_from(">i", data, 2)[0]):
        size, = struct.unpack_from(">h", data, at)
        names.append(data[at + 2:at + 2 + size].decode())
        at += 2 + size
        if len(data) > at + 4 and struct.unpack_from(">i", data, at)[0] == 1 and data[at + 4:at + 8] == b"\0\0\0\0":
            at += 8  # an assignment: one partition, number 0
    return names


def assignment(names):
    """An assignment of partition 0 of each."""
    frame = rc.wire.Frame().i16(0).array(names, lambda f, t: f.string(t).array([0], lambda g, p: g.i32(p)))
    return frame.bytes(b"").data


def joined(peer, group, names, version=5, client_id="raw"):
    """Makes a member that subscribes and assigns these names; returns (coordinator, member id)."""
    client = peer.coordinator(group)
    client.client_id = client_id
    body = {"GroupId": group, "ProtocolType": "consumer", "SessionTimeoutMs": 30000, "Protocols": [
        {"Name": "range", "Metadata": rc.wire.subscription(names)}]}
    answer = client.call(rc.JOIN_GROUP, version, body)
    if answer["ErrorCode"] == 79:
        answer = client.call(rc.JOIN_GROUP, version, {**body, "MemberId": answer["MemberId"]})
    assert answer["ErrorCode"] == 0, answer
    assert names_in(answer["Members"][0]["Metadata"]) == names, "the leader reads what it wrote"
    shared = client.call(rc.SYNC_GROUP, 3, {
        "GroupId": group, "GenerationId": answer["GenerationId"], "MemberId": answer["MemberId"],
        "Assignments": [{"MemberId": answer["MemberId"], "Assignment": assignment(names)}]})
    assert shared["ErrorCode"] == 0
    return client, answer["MemberId"]


def test_a_subscription_names_ones_own_topics(thief, inside, ledger):
    """src/proxy/embedded.c: the broker reads subscriptions, and keeps the offsets of who is subscribed. To it every
    name in one, foreign or not, is the thief's own."""
    names = [TOPIC, physical(VICTIM, TOPIC), "own"]
    group = "subscribed"
    client, member = joined(thief, group, names)
    told, = inside.coordinator(physical(THIEF, group)).call(
        rc.DESCRIBE_GROUPS, 4, {"Groups": [physical(THIEF, group)]})["Groups"]
    for data in (told["Members"][0]["MemberMetadata"], told["Members"][0]["MemberAssignment"]):
        assert names_in(data) == [physical(THIEF, name) for name in names]
    client.call(rc.LEAVE_GROUP, 1, {"GroupId": group, "MemberId": member})


@pytest.mark.parametrize("client_id,seen", [("__admin_client", "-_admin_client"), ("__", "-_"), ("_x", "_x")])
def test_a_client_id_is_disarmed(thief, inside, client_id, seen):
    """CLIENT_ID: the broker gives rights to who calls himself __admin_client (see above), so no such id reaches it. A
    group's coordinator shows the one that a member came with."""
    group = "by-its-client-id"
    for version in (2, 5, 6):  # headers of both kinds; at once a member, or asked to come again with its id
        client, member = joined(thief, group, ["own"], version, client_id)
        told, = inside.coordinator(physical(THIEF, group)).call(
            rc.DESCRIBE_GROUPS, 4, {"Groups": [physical(THIEF, group)]})["Groups"]
        assert [m["ClientId"] for m in told["Members"]] == [seen]
        client.call(rc.LEAVE_GROUP, 1, {"GroupId": group, "MemberId": member})


def test_foreign_names_in_an_assignment_are_not_shown(thief, inside, ledger):
    """src/proxy/embedded.c: what a member that is not behind the gateway has in a group of the thief's."""
    group = "mixed"
    names = [physical(VICTIM, TOPIC), physical(THIEF, "own")]
    client, member = joined(inside, physical(THIEF, group), names)
    for address in thief.nodes().values():
        for version in range(7):
            for told in thief.connect(address).call(rc.DESCRIBE_GROUPS, version, {"Groups": [group]})["Groups"]:
                for one in told["Members"]:
                    assert names_in(one["MemberMetadata"]) == ["own"] and names_in(one["MemberAssignment"]) == ["own"]
    client.call(rc.LEAVE_GROUP, 1, {"GroupId": physical(THIEF, group), "MemberId": member})


# -- coordinators ------------------------------------------------------------------------------------------


def test_coordinators_are_asked_for_ones_own_keys_only(thief, inside):
    """COORDINATOR_KEY: FindCoordinator makes nothing, but its answer is a place that depends on the name. In a batch
    (v4 and on) each key has the prefix; keys of the thief's own give the coordinators of his groups."""
    names = [GROUP, physical(VICTIM, GROUP), "a", "b", "c", "d", "e"]
    inside.commit("nobody's", inside.create("nobodys-topic"), 1)
    nodes = {n: address for n, address in enumerate(sorted(inside.nodes()))}  # vnodes by ascending broker id
    for key_type in (0, 1):
        def ask(peer, keys, key_type=key_type):
            def once():
                answer = peer.connect().call(rc.FIND_COORDINATOR, 4, {"KeyType": key_type, "CoordinatorKeys": keys})
                found = {c["Key"]: c for c in answer["Coordinators"]}
                return all(c["ErrorCode"] == 0 for c in found.values()) and found
            return wait_until(once, "the coordinators", 30)
        shown = ask(thief, names)
        assert sorted(shown) == sorted(names)
        real = ask(inside, [physical(THIEF, n) for n in names])
        for name in names:
            assert nodes[shown[name]["NodeId"]] == real[physical(THIEF, name)]["NodeId"]
            assert (shown[name]["Host"], shown[name]["Port"]) == thief.nodes()[shown[name]["NodeId"]]


@pytest.mark.parametrize("version,key_type", [(1, 2), (4, 2), (5, 2), (4, 3), (4, -1), (4, 127)])
def test_other_coordinators_are_refused(thief, version, key_type):
    """COORDINATOR_TYPE: share groups' keys hold topic ids and need the rights of a broker, which the gateway has."""
    key = f"{GROUP}:AAAAAAAAAAAAAAAAAAAAAA:0"
    body = {"CoordinatorKeys": [key]} if version >= 4 else {"Key": key}
    with pytest.raises(RawClosed):
        thief.connect().call(rc.FIND_COORDINATOR, version, {**body, "KeyType": key_type})


# -- fields that only brokers may fill -------------------------------------------------------------------


@pytest.fixture(scope="module")
def single(lab, gateway):
    """A topic of the thief's with one replica, so that every other broker is no follower of it."""
    peer = tenant(gateway, THIEF)
    yield peer.create("single")
    peer.close()


@pytest.mark.parametrize("version", [4, 11, 12])
def test_nobody_is_a_follower(thief, single, inside, version):
    """REPLICA_ID: a Fetch of a replica that is none is refused by the broker; as -1 it is a consumer's. What a true
    follower's id would do is in test_planted.py."""
    others = sorted(set(inside.nodes()) - {inside.leader_id(physical(THIEF, single))})
    thief.produce(single, [b"x"])
    for replica in (*others, 0, 77, -2):
        answer = thief.leader(single).call(rc.FETCH, version, rc.fetch_body(single, ReplicaId=replica))
        assert fetched(answer) == [(single, 0, 0, True)], replica


def test_a_replica_sees_no_more_in_list_offsets(thief, single, inside):
    """REPLICA_ID: -2 is a debugging replica, which any broker answers; others are refused by the gateway's rule."""
    leader = inside.leader_id(physical(THIEF, single))
    node = thief.leader_id(single)
    for number, address in thief.nodes().items():
        for replica in (-2, leader, 0):
            answer = thief.connect(address).call(rc.LIST_OFFSETS, 2, {"ReplicaId": replica, "Topics": [
                {"Name": single, "Partitions": [{"PartitionIndex": 0, "Timestamp": -1}]}]})
            error = answer["Topics"][0]["Partitions"][0]["ErrorCode"]
            assert (error == 0) == (number == node), (replica, number)


def test_leader_epochs_tell_nothing(thief, single):
    """LEADER_EPOCH and REPLICA_ID in OffsetForLeaderEpoch: every epoch is unknown, whoever asks."""
    client = thief.leader(single)
    for version in (2, 3, 4):
        for replica, epoch in ((-1, 0), (-2, 0), (1, 0), (1, 1 << 20)):
            body = {"Topics": [{"Topic": single, "Partitions": [{"Partition": 0, "LeaderEpoch": epoch}]}]}
            if version >= 3:
                body["ReplicaId"] = replica
            partition = client.call(rc.OFFSET_FOR_LEADER_EPOCH, version, body)["Topics"][0]["Partitions"][0]
            assert (partition["LeaderEpoch"], partition["EndOffset"]) == (-1, -1)


# -- tagged fields -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("cluster_id", [None, "", "another", "x" * 20000])
def test_the_cluster_id_of_a_fetch_does_not_pass(thief, single, cluster_id):
    """DROP_TAG on FetchRequest.ClusterId."""
    answer = thief.leader(single).call(rc.FETCH, 12, rc.fetch_body(single, ClusterId=cluster_id))
    assert [f[:3] for f in fetched(answer)] == [(single, 0, 0)]


def test_unknown_tags_are_dropped(thief, single):
    """src/proxy/rewrite.c, drop_unknown_tag(): a tag that no table knows may mean anything to a newer broker. In the
    header, in the body, in a struct, with and without a value, many of them, before and after known ones."""
    odd = {1000: b"", 5000: b"x" * 300, 2 ** 28 - 1: physical(VICTIM, TOPIC).encode()}
    client = thief.leader(single)
    for key, version, body in (
            (rc.FETCH, 12, {"Topics": [{"Topic": single, rc.UNKNOWN: odd, "Partitions": [
                {"Partition": 0, "FetchOffset": 0, rc.UNKNOWN: odd}]}], "ClusterId": "x", rc.UNKNOWN: odd}),
            (rc.LIST_OFFSETS, 6, {"Topics": [{"Name": single, rc.UNKNOWN: odd, "Partitions": [
                {"PartitionIndex": 0, "Timestamp": -1, rc.UNKNOWN: odd}]}], rc.UNKNOWN: odd}),
            (rc.FIND_COORDINATOR, 4, {"CoordinatorKeys": ["g"], rc.UNKNOWN: odd}),
            (rc.OFFSET_FETCH, 8, {"Groups": [{"GroupId": "g", "Topics": None, rc.UNKNOWN: odd}], rc.UNKNOWN: odd}),
            (rc.LIST_GROUPS, 4, {rc.UNKNOWN: odd}), (rc.DESCRIBE_CLUSTER, 0, {rc.UNKNOWN: odd}),
            (rc.INIT_PRODUCER_ID, 4, {rc.UNKNOWN: odd})):
        client.call(key, version, body, header_tags=odd)
    # In a Produce of a size that is held as a whole they are dropped too.
    body = rc.produce_body(single, rc.batch([b"x"]))
    body[rc.UNKNOWN] = body["TopicData"][0][rc.UNKNOWN] = odd
    assert rc.produced(client.call(rc.PRODUCE, 9, body, header_tags=odd))[0] == 0
    # In one that is passed on while it comes there is no taking back: refused, and nothing of it is written.
    body = rc.produce_body(single, rc.batch([b"y" * 100000]))
    body[rc.UNKNOWN] = {1000: b"z"}
    before = thief.end(single)
    with pytest.raises(RawClosed):
        client.call(rc.PRODUCE, 9, body)
    assert thief.end(single) == before
