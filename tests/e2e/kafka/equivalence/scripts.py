# SPDX-License-Identifier: Apache-2.0
"""How scripts are made up: a strategy for each API, few names and small numbers, so that calls meet each other.

To add an API: a function that returns a strategy of its fields, decorated with @api. Scripts have only what the gateway
offers, see PROMISED in kafka/test_equivalence.py.
"""

from hypothesis import strategies as st

from .actor import end_of
from .asks import Ask, Assignment, Batch, Generation, Member, Name, ProducerEpoch, ProducerId, Subscription

MADE = {}  # API: function that gives a strategy of fields

TOPICS = st.sampled_from([Name("t0"), Name("t1"), Name("t2")])
# Direct these are sent as they are: with a prefix they would be good names.
ILLEGAL = st.sampled_from([".", "..", ""])
ODD = st.sampled_from([Name("a b"), Name("ü"), Name("x" * 230), Name("x" * 245), Name("t.0"), Name("t_0"), Name("t/0")])
ANY_TOPIC = st.one_of(TOPICS, TOPICS, TOPICS, TOPICS, TOPICS, ODD, ILLEGAL)
GROUPS = st.sampled_from([Name("g0"), Name("g1")])
TRANSACTIONS = st.sampled_from([Name("x0"), Name("x1")])
PARTITIONS = st.sampled_from([0, 0, 0, 1, 1, 2, 7, -1])
OFFSETS = st.sampled_from([0, 1, 2, 3, 5, 100, -1])
FLAG = st.sampled_from([False, False, False, True])


def api(name):
    """Registers the strategy of an API's fields."""
    def register(function):
        MADE[name] = function
        return function
    return register


def some(strategy, most=2):
    """A few of a kind, seldom none."""
    return st.lists(strategy, min_size=1, max_size=most) | st.lists(strategy, max_size=most)


def fields(**parts):
    """A dictionary with a strategy or a constant for each key."""
    return st.fixed_dictionaries({k: v if isinstance(v, st.SearchStrategy) else st.just(v) for k, v in parts.items()})


# -- topics -------------------------------------------------------------------------------------------

GOOD_CONFIGS = {"cleanup.policy": ["delete", "compact"], "retention.ms": ["3600000", "-1"],
                "max.message.bytes": ["200", "1000000"], "min.insync.replicas": ["1", "2"],
                "message.timestamp.type": ["CreateTime"]}
BAD_CONFIGS = [("retention.ms", "soon"), ("no.such.key", "1"), ("cleanup.policy", "keep"), ("segment.bytes", "1"),
               ("retention.ms", None), ("", "1")]
CREATED_CONFIG = st.sampled_from([(k, v) for k, values in GOOD_CONFIGS.items() for v in values] + BAD_CONFIGS[:3])
# What a broker applies to its log some time after it answered would make the next Produce a matter of chance.
ALTERED_CONFIG = st.sampled_from([("retention.ms", "3600000"), ("retention.ms", "7200000"),
                                  ("file.delete.delay.ms", "1000"), ("segment.ms", "86400000")] + BAD_CONFIGS)
# Of groups: within the brokers' bounds, and not.
GROUP_CONFIGS = {"consumer.session.timeout.ms": ["46000", "50000", "1"],
                 "consumer.heartbeat.interval.ms": ["6000", "soon"]}
GROUP_CONFIG = st.sampled_from([(k, v) for k, values in GROUP_CONFIGS.items() for v in values] + [("no.such.key", "1")])
TOPIC_TYPE, GROUP_TYPE = 2, 32


@api("CreateTopics")
def create_topics():
    topic = fields(name=ANY_TOPIC, num_partitions=st.sampled_from([1, 1, 2, 3, -1, 0, -5, 20001]),
                   replication_factor=st.sampled_from([1, 1, 1, -1, 0, 5]),
                   assignments=[], configs=st.lists(
                       CREATED_CONFIG.map(lambda c: {"name": c[0], "value": c[1]}), max_size=1))
    return fields(topics=some(topic), timeout_ms=10000, validate_only=FLAG)


@api("DeleteTopics")
def delete_topics():
    return fields(topic_names=some(ANY_TOPIC), timeout_ms=10000)


@api("CreatePartitions")
def create_partitions():
    # Kafka has no limit here as it has for a new topic: it would make them.
    topic = fields(name=ANY_TOPIC, count=st.sampled_from([2, 3, 4, 1, 0, -1]), assignments=None)
    return fields(topics=some(topic), timeout_ms=10000, validate_only=FLAG)


@api("Metadata")
def metadata():
    names = some(ANY_TOPIC.map(lambda name: {"name": name}), 3)
    return fields(topics=names | st.just(None), allow_auto_topic_creation=FLAG,
                  include_cluster_authorized_operations=FLAG, include_topic_authorized_operations=FLAG)


@api("DescribeTopicPartitions")
def describe_topic_partitions():
    # To an empty name Kafka 4.3.1 answers UNKNOWN_SERVER_ERROR here, the gateway that it is illegal.
    names = st.lists(ANY_TOPIC.filter(bool), min_size=1, max_size=3, unique=True).map(
        lambda ns: [{"name": name} for name in ns])
    # All of them, direct, are other tenants', too: no page of those ends where a tenant's does.
    return (fields(topics=names, response_partition_limit=st.sampled_from([2000, 1, 2]), cursor=None) |
            fields(topics=[], response_partition_limit=2000, cursor=None))


@api("DescribeConfigs")
def describe_configs():
    keys = st.none() | st.lists(st.sampled_from(["retention.ms", "cleanup.policy", "no.such.key"]), max_size=2)
    topic = fields(resource_type=TOPIC_TYPE, resource_name=ANY_TOPIC, configuration_keys=keys)
    keys = st.none() | st.lists(st.sampled_from([*GROUP_CONFIGS, "no.such.key"]), max_size=2)
    group = fields(resource_type=GROUP_TYPE, resource_name=GROUPS, configuration_keys=keys)
    return fields(resources=some(topic | topic | group), include_synonyms=st.booleans(), include_documentation=FLAG)


@api("ListConfigResources")
def list_config_resources():
    return fields(resource_types=st.sampled_from([[], [2], [2, 4], [16], [32], [2, 32], [16, 32]]))


def _altered(kind, names, config):
    change = st.tuples(config, st.sampled_from([0, 0, 1, 2, 3, 9])).map(
        lambda c: {"name": c[0][0], "value": c[0][1], "config_operation": c[1]})
    return fields(resource_type=kind, resource_name=names, configs=some(change))


@api("IncrementalAlterConfigs")
def incremental_alter_configs():
    # For an empty name Kafka 4.3.1 has INVALID_REQUEST here, the gateway that it is illegal.
    topic = _altered(TOPIC_TYPE, ANY_TOPIC.filter(bool), ALTERED_CONFIG)
    group = _altered(GROUP_TYPE, GROUPS, GROUP_CONFIG)
    # Kafka 4.3.1 never answers this one when it names a topic twice.
    return fields(resources=st.lists(topic | topic | group, max_size=2, unique_by=lambda r: r["resource_name"]),
                  validate_only=FLAG)


@api("AlterConfigs")
def alter_configs():
    config = ALTERED_CONFIG.map(lambda c: {"name": c[0], "value": c[1]})
    resource = fields(resource_type=2, resource_name=ANY_TOPIC.filter(bool), configs=some(config))
    # No empty name, as above. Kafka 4.3.1 never answers this one when it names a topic twice.
    return fields(resources=st.lists(resource, max_size=2, unique_by=lambda r: r["resource_name"]), validate_only=FLAG)


@api("DeleteRecords")
def delete_records():
    partition = fields(partition_index=PARTITIONS, offset=OFFSETS)
    return fields(topics=some(fields(name=ANY_TOPIC, partitions=some(partition))), timeout_ms=5000)


@api("ElectLeaders")
def elect_leaders():
    topic = fields(topic=ANY_TOPIC, partitions=some(PARTITIONS))
    return fields(election_type=st.sampled_from([0, 1]), topic_partitions=some(topic), timeout_ms=5000)


@api("ListPartitionReassignments")
def list_partition_reassignments():
    topic = fields(name=ANY_TOPIC, partition_indexes=some(PARTITIONS))
    return fields(timeout_ms=5000, topics=st.none() | some(topic))


@api("DescribeProducers")
def describe_producers():
    return fields(topics=some(fields(name=ANY_TOPIC, partition_indexes=some(PARTITIONS))))


@api("DescribeLogDirs")
def describe_log_dirs():
    return fields(topics=st.none() | some(fields(topic=ANY_TOPIC, partitions=some(PARTITIONS))))


# -- records ------------------------------------------------------------------------------------------


@st.composite
def _produce(draw, producer=None, transactional=None):
    topic, partition = draw(ANY_TOPIC), draw(PARTITIONS)
    values = tuple(draw(st.lists(st.sampled_from(["a", "b", "c", "d" * 300]), min_size=1, max_size=3)))
    shift = draw(st.sampled_from([0, 0, 0, 5, -1])) if producer is not None else 0
    return {"transactional_id": transactional, "acks": -1 if producer is not None else draw(st.sampled_from([-1, 1, 0])),
            "timeout_ms": 5000, "topic_data": [{"name": topic, "partition_data": [{"index": partition, "records": Batch(
                str(topic), partition, values, producer, shift, transactional is not None)}]}]}


@api("Produce")
def produce():
    return (_produce() | _produce() | _produce(producer="") |
            TRANSACTIONS.flatmap(lambda name: _produce(producer=str(name), transactional=name)))


@api("Fetch")
def fetch():
    partition = fields(partition=PARTITIONS, current_leader_epoch=-1, fetch_offset=OFFSETS, last_fetched_epoch=-1,
                       log_start_offset=-1, partition_max_bytes=1 << 20)
    return fields(replica_id=-1, max_wait_ms=0, min_bytes=0, max_bytes=1 << 20, isolation_level=st.sampled_from([0, 1]),
                  session_id=0, session_epoch=-1, topics=some(fields(topic=ANY_TOPIC, partitions=some(partition))),
                  forgotten_topics_data=[], rack_id="")


@api("ListOffsets")
def list_offsets():
    partition = fields(partition_index=PARTITIONS, current_leader_epoch=-1,
                       timestamp=st.sampled_from([-1, -2, -3, -4, -5, 0, 1 << 50, -9]))
    return fields(replica_id=-1, isolation_level=st.sampled_from([0, 1]), timeout_ms=5000,
                  topics=some(fields(name=ANY_TOPIC, partitions=some(partition))))


@api("OffsetForLeaderEpoch")
def offset_for_leader_epoch():
    partition = fields(partition=PARTITIONS, current_leader_epoch=-1, leader_epoch=st.sampled_from([-1]))
    return fields(replica_id=-1, topics=some(fields(topic=ANY_TOPIC, partitions=some(partition))))


# -- groups -------------------------------------------------------------------------------------------

# Now and then a static member: the one of the beginnings, or one that nobody has seen.
INSTANCES = st.sampled_from([None, None, None, None, "desk", "desk", "window"])

COMMITTED = fields(partition_index=st.sampled_from([0, 0, 1, 2, 7]), committed_offset=st.sampled_from([0, 1, 5]),
                   committed_leader_epoch=-1, committed_metadata=st.sampled_from(["", "note", None]))


def _as_member(draw, group):
    """Nobody, the member, somebody else; of this generation or of another one."""
    return draw(st.sampled_from([("", -1), (Member(str(group)), Generation(str(group))),
                                 (Member(str(group)), Generation(str(group), 1)), ("nobody", Generation(str(group)))]))


@api("OffsetCommit")
@st.composite
def offset_commit(draw):
    group = draw(GROUPS)
    member, generation = _as_member(draw, group)
    topics = draw(some(fields(name=ANY_TOPIC, partitions=some(COMMITTED))))
    return {"group_id": group, "generation_id_or_member_epoch": generation, "member_id": member,
            "group_instance_id": draw(INSTANCES), "retention_time_ms": -1, "topics": topics}


@api("OffsetFetch")
@st.composite
def offset_fetch(draw):
    group = draw(GROUPS)
    topics = draw(st.none() | some(fields(name=ANY_TOPIC, partition_indexes=some(PARTITIONS))))
    groups = [{"group_id": group, "member_id": None, "member_epoch": -1, "topics": topics}]
    if draw(FLAG):
        groups.append({**groups[0], "group_id": draw(GROUPS)})
    return {"group_id": group, "topics": topics, "groups": groups, "require_stable": draw(st.booleans())}


@api("OffsetDelete")
def offset_delete():
    partition = fields(partition_index=PARTITIONS)
    return fields(group_id=GROUPS, topics=some(fields(name=ANY_TOPIC, partitions=some(partition))))


@api("FindCoordinator")
@st.composite
def find_coordinator(draw):
    kind = draw(st.sampled_from([0, 0, 1]))
    key = draw(GROUPS if kind == 0 else TRANSACTIONS)
    return {"key": key, "key_type": kind, "coordinator_keys": [key]}


@api("JoinGroup")
@st.composite
def join_group(draw):
    group = draw(GROUPS)
    topics = draw(st.sampled_from([("t0",), ("t0", "t1"), ()]))
    names = draw(st.sampled_from([("range",), ("range", "roundrobin"), ()]))
    return {"group_id": group, "session_timeout_ms": draw(st.sampled_from([30000, 30000, 30000, 1])),
            "rebalance_timeout_ms": 1000,
            "member_id": draw(st.sampled_from(["", Member(str(group)), Member(str(group)), "nobody"])),
            "group_instance_id": draw(INSTANCES),
            "protocol_type": draw(st.sampled_from(["consumer", "consumer", "consumer", ""])),
            "protocols": [{"name": name, "metadata": Subscription(topics)} for name in names], "reason": None}


@api("SyncGroup")
@st.composite
def sync_group(draw):
    group = draw(GROUPS)
    member, generation = _as_member(draw, group)
    return {"group_id": group, "generation_id": generation, "member_id": member, "group_instance_id": draw(INSTANCES),
            "protocol_type": "consumer", "protocol_name": "range",
            "assignments": [{"member_id": member, "assignment": Assignment(draw(st.sampled_from([("t0",), ()])))}]}


@api("Heartbeat")
@st.composite
def heartbeat(draw):
    group = draw(GROUPS)
    member, generation = _as_member(draw, group)
    return {"group_id": group, "generation_id": generation, "member_id": member, "group_instance_id": draw(INSTANCES)}


@api("LeaveGroup")
@st.composite
def leave_group(draw):
    group = draw(GROUPS)
    member, _ = _as_member(draw, group)
    return {"group_id": group, "member_id": member, "members": [
        {"member_id": member, "group_instance_id": draw(INSTANCES), "reason": None}]}


@api("DescribeGroups")
def describe_groups():
    return fields(groups=some(GROUPS), include_authorized_operations=FLAG)


@api("ListGroups")
def list_groups():
    states = st.sampled_from(["Empty", "Stable", "Dead", "PreparingRebalance", "No such state"])
    kinds = st.sampled_from(["classic", "consumer", "no such type"])
    return fields(states_filter=st.just([]) | some(states), types_filter=st.just([]) | some(kinds, 1))


@api("DeleteGroups")
def delete_groups():
    return fields(groups_names=some(GROUPS))


# -- access, on a cluster without an authorizer -------------------------------------------------------

ACL = {"operation": st.sampled_from([3, 4, 2]), "permission_type": st.sampled_from([3, 2])}


@api("CreateAcls")
def create_acls():
    return fields(creations=some(fields(resource_type=2, resource_name=TOPICS, resource_pattern_type=st.sampled_from([3, 4]),
                                        principal="User:sa", host="*", **ACL)))


def _acl_filter(**names):
    return fields(**names, pattern_type_filter=st.sampled_from([1, 3]), principal_filter=st.sampled_from([None, "User:sa"]),
                  host_filter=None, **ACL)


@api("DescribeAcls")
def describe_acls():
    return _acl_filter(resource_type_filter=2, resource_name_filter=TOPICS | st.none())


@api("DeleteAcls")
def delete_acls():
    return fields(filters=some(_acl_filter(resource_type_filter=2, resource_name_filter=TOPICS | st.none())))


# -- transactions -------------------------------------------------------------------------------------


@api("InitProducerId")
def init_producer_id():
    return fields(transactional_id=TRANSACTIONS | st.none(), transaction_timeout_ms=st.sampled_from([60000, 60000, -1]),
                  producer_id=-1, producer_epoch=-1)


def _epoch(name):
    return st.sampled_from([ProducerEpoch(str(name)), ProducerEpoch(str(name)), ProducerEpoch(str(name), 3)])


@api("AddPartitionsToTxn")
@st.composite
def add_partitions_to_txn(draw):
    name = draw(TRANSACTIONS)
    topics = draw(some(fields(name=ANY_TOPIC, partitions=some(st.sampled_from([0, 0, 1, 7])))))
    return {"v3_and_below_transactional_id": name, "v3_and_below_producer_id": ProducerId(str(name)),
            "v3_and_below_producer_epoch": draw(_epoch(name)), "v3_and_below_topics": topics}


@api("AddOffsetsToTxn")
@st.composite
def add_offsets_to_txn(draw):
    name = draw(TRANSACTIONS)
    return {"transactional_id": name, "producer_id": ProducerId(str(name)), "producer_epoch": draw(_epoch(name)),
            "group_id": draw(GROUPS)}


@api("TxnOffsetCommit")
@st.composite
def txn_offset_commit(draw):
    name = draw(TRANSACTIONS)
    return {"transactional_id": name, "group_id": draw(GROUPS), "producer_id": ProducerId(str(name)),
            "producer_epoch": draw(_epoch(name)), "generation_id": -1, "member_id": "", "group_instance_id": draw(INSTANCES),
            "topics": draw(some(fields(name=ANY_TOPIC, partitions=some(COMMITTED))))}


@api("EndTxn")
@st.composite
def end_txn(draw):
    name = draw(TRANSACTIONS)
    return end_of(name, draw(st.booleans()), 0, draw(st.sampled_from([0, 0, 3]))).fields


@api("DescribeTransactions")
def describe_transactions():
    return fields(transactional_ids=some(TRANSACTIONS))


@api("ListTransactions")
def list_transactions():
    return fields(state_filters=st.just([]) | some(st.sampled_from(["Ongoing", "Empty", "CompleteCommit"])),
                  producer_id_filters=[], duration_filter=-1)


# -- scripts ------------------------------------------------------------------------------------------


def _topic(name, partitions):
    return {"name": Name(name), "num_partitions": partitions, "replication_factor": 1, "assignments": [], "configs": []}


def _write(topic, values, producer=None, transactional=None):
    return Ask("Produce", {"transactional_id": transactional and Name(transactional), "acks": -1, "timeout_ms": 5000,
                           "topic_data": [{"name": Name(topic), "partition_data": [{"index": 0, "records": Batch(
                               topic, 0, values, producer, 0, transactional is not None)}]}]})


_READY = [Ask("CreateTopics", {"topics": [_topic("t0", 2), _topic("t1", 1)], "timeout_ms": 10000,
                               "validate_only": False})]
_JOIN = Ask("JoinGroup", {
    "group_id": Name("g0"), "session_timeout_ms": 30000, "rebalance_timeout_ms": 1000, "member_id": Member("g0"),
    "group_instance_id": None, "protocol_type": "consumer",
    "protocols": [{"name": "range", "metadata": Subscription(("t0",))}], "reason": None})
_FIRST_JOIN = Ask("JoinGroup", {**_JOIN.fields, "member_id": ""})
_SYNC = Ask("SyncGroup", {
    "group_id": Name("g0"), "generation_id": Generation("g0"), "member_id": Member("g0"), "group_instance_id": None,
    "protocol_type": "consumer", "protocol_name": "range",
    "assignments": [{"member_id": Member("g0"), "assignment": Assignment(("t0",))}]})
_STATIC_JOIN = Ask("JoinGroup", {**_FIRST_JOIN.fields, "group_instance_id": "desk"})
_STATIC_SYNC = Ask("SyncGroup", {**_SYNC.fields, "group_instance_id": "desk"})
_GROUP_CONFIG = Ask("IncrementalAlterConfigs", {"validate_only": False, "resources": [
    {"resource_type": GROUP_TYPE, "resource_name": Name("g0"), "configs": [
        {"name": "consumer.session.timeout.ms", "value": "46000", "config_operation": 0}]}]})
_INIT = Ask("InitProducerId", {"transactional_id": Name("x0"), "transaction_timeout_ms": 60000, "producer_id": -1,
                               "producer_epoch": -1})
_ADD = Ask("AddPartitionsToTxn", {
    "v3_and_below_transactional_id": Name("x0"), "v3_and_below_producer_id": ProducerId("x0"),
    "v3_and_below_producer_epoch": ProducerEpoch("x0"),
    "v3_and_below_topics": [{"name": Name("t0"), "partitions": [0]}]})
# Where a script begins: chance alone seldom gets that far.
BEGINNINGS = [[], _READY, _READY + [_write("t0", ("a", "b", "c"))], _READY + [_FIRST_JOIN, _JOIN, _SYNC],
              _READY + [_STATIC_JOIN, _STATIC_SYNC], _READY + [_GROUP_CONFIG],
              _READY + [_INIT, _ADD, _write("t0", ("a", "b"), "x0", "x0")]]


def scripts(offered, steps):
    """A strategy of scripts of what is offered: a beginning and up to `steps` more."""
    asks = [st.builds(Ask, st.just(name), make(), st.sampled_from([0, 0, 0, 1, 2, 3, 5]))
            for name, make in MADE.items() if name in offered]
    return st.builds(lambda beginning, more: beginning + more, st.sampled_from(BEGINNINGS),
                     st.lists(st.one_of(asks), min_size=1, max_size=steps))
