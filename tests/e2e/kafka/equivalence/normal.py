# SPDX-License-Identifier: Apache-2.0
"""The one table of what may differ between an answer of the brokers and one of the gateway.

Everything that is in no row must be the same. A row is a pattern of API and path, what becomes of the value, and why.
"""

import re

TOLD = "(some text)"


def _gone(_value, _actor):
    return "(not compared)"


def _whether(value, _actor):
    return None if value is None else TOLD


def _node(value, actor):
    if isinstance(value, list):
        return [_node(each, actor) for each in value]
    return actor.nodes.get(value, value)


def _numbered(kind):
    def numbered(value, actor):
        return value if value in (-1, "", None) else actor.number(kind, value)
    return numbered


def _own(value, actor):
    """Of a list of everything: the brokers show all that is theirs, a tenant has only its own to see."""
    return [entry for entry in value if actor.owns(next(entry[key] for key in LISTED if key in entry))]


def _own_resources(value, actor):
    return [entry for entry in value if entry.get("resource_type") in (2, 32) and actor.owns(entry["resource_name"])]


LISTED = ("name", "group_id", "transactional_id")
RULES = [
    (r".*\.(throttle_time_ms|transaction_start_time_ms)", _gone, "timing"),
    (r".*\.(leader_epoch|committed_leader_epoch)", _gone, "leader epochs are hidden: they would not survive a switch"),
    (r".*\.topic_id", _gone, "topic ids are hidden: they are those of one cluster"),
    (r".*\.(node_id|broker_id|leader_id|controller_id|replica_nodes|isr_nodes|offline_replicas|preferred_read_replica)",
     _node, "brokers have the numbers of their vnodes"),
    (r".*\.cluster_id", _gone, "the vcluster's own"),
    (r".*\.(host|port)", _gone, "the gateway's address"),
    (r"ListConfigResources\.config_resources", _own_resources,
     "other resources than topics and groups are the operator's"),
    (r"DescribeLogDirs\.results\.(log_dir|total_bytes|usable_bytes)", _gone, "the brokers' disks"),
    (r".*\.client_host", _gone, "the address of the gateway's own connection"),
    (r".*\.(error_message|batch_index_error_message)", _whether,
     "texts of brokers may name others' things: the gateway has its own for each code"),
    (r".*\.producer_id", _numbered("producer"), "given out by number"),
    (r".*\.(member_id|leader)", _numbered("member"), "made by the broker at random"),
    (r"JoinGroup\.members\.metadata|DescribeGroups\..*\.member_(metadata|assignment)|SyncGroup\.assignment",
     lambda value, actor: actor.embedded(value), "the names in it"),
    (r"(Metadata|DescribeTopicPartitions|DescribeLogDirs\.results)\.topics|ListGroups\.groups|"
     r"ListTransactions\.transaction_states", _own, "the brokers show what all tenants have"),
    (r".*\.(cluster_|topic_)?authorized_operations", _gone, "what the gateway's account may do there is not the tenant's"),
    (r"Fetch\.responses\.partitions\.records", lambda value, actor: actor.records(value), "producer ids in batches"),
]
_COMPILED = [(re.compile(pattern), change) for pattern, change, _why in RULES]
_FOUND = {}


def _rules(path):
    if path not in _FOUND:
        _FOUND[path] = [change for pattern, change in _COMPILED if pattern.fullmatch(path)]
    return _FOUND[path]


def normal(value, path, actor):
    """The answer as it is compared. Lists are sorted: brokers answer in the order of hashes of the physical names."""
    for change in _rules(path):
        value = change(value, actor)
    return _each(value, path, actor)


def _each(value, path, actor):
    if isinstance(value, dict):
        return {key: normal(each, f"{path}.{key}", actor) for key, each in value.items()}
    if isinstance(value, list):
        return sorted((_each(each, path, actor) for each in value), key=repr)
    return actor.virtual(value) if isinstance(value, str) else value
