# SPDX-License-Identifier: Apache-2.0
"""What has to be waited for after a step, since Kafka's answer comes before its effect shows everywhere.

A controller answers when it has written down what was asked, a broker learns of it a moment later; a transaction
is over when its markers are written. Without the wait the next step of a script would depend on chance. It is the
same for all, through the path of the one who waits; what never comes is left to the next steps to show.
"""

import time

PATIENCE = 5.0  # seconds


def until(done):
    """Waits until done() is true, or long enough."""
    deadline = time.monotonic() + PATIENCE
    while not done() and time.monotonic() < deadline:
        time.sleep(0.003)


def shown(actor, topic):
    """How many partitions a topic has in Metadata, if all of them can be read; 0 otherwise."""
    told, = actor.plain("Metadata", {"topics": [{"name": topic}], "allow_auto_topic_creation": False})["topics"]
    if told["error_code"] or any(p["leader_id"] < 0 for p in told["partitions"]):
        return 0
    numbers = range(len(told["partitions"]))
    return len(numbers) if all(end is not None for end in ends(actor, topic, numbers)) else 0


def ends(actor, topic, partitions):
    """The end offset of each partition, None where it cannot be told."""
    answer = actor.plain("ListOffsets", {"replica_id": -1, "isolation_level": 0, "timeout_ms": 5000, "topics": [
        {"name": topic, "partitions": [{"partition_index": p, "timestamp": -1} for p in partitions]}]})
    told = {p["partition_index"]: None if p["error_code"] else p["offset"]
            for t in answer["topics"] for p in t["partitions"]}
    return [told.get(p) for p in partitions]


def _created(actor, step, answer):
    for topic in [] if step.fields["validate_only"] else answer["topics"]:
        if topic["error_code"] == 0:
            until(lambda: shown(actor, topic["name"]))


def _more(actor, step, answer):
    wanted = {actor.resolve(t["name"]): t["count"] for t in step.fields["topics"]}
    for topic in [] if step.fields["validate_only"] else answer["results"]:
        if topic["error_code"] == 0:
            until(lambda: shown(actor, topic["name"]) == wanted[topic["name"]])


def _deleted(actor, _step, answer):
    for topic in answer["responses"]:
        if topic["error_code"] == 0:
            gone(actor, topic["name"])


def gone(actor, topic):
    """Waits until nothing is left of a topic; what groups have committed of it goes a moment later."""
    until(lambda: not shown(actor, topic))
    for group in [group for group, names in actor.commits.items() if topic in names]:
        until(lambda: committed(actor, group, topic) == -1)
        actor.commits[group].discard(topic)
    for key in [key for key in actor.sequences if actor.physical(key[1]) == topic]:
        del actor.sequences[key]


def committed(actor, group, topic, stable=False):
    """A group's offset of partition 0 and 1 of a topic, added up: -1 for none; None for "not yet"."""
    topics = [{"name": topic, "partition_indexes": [0, 1, 2]}]
    answer = actor.plain("OffsetFetch", {"group_id": group, "topics": topics, "require_stable": stable, "groups": [
        {"group_id": group, "member_id": None, "member_epoch": -1, "topics": topics}]})
    found = [p for g in (answer["groups"] if "groups" in answer else [answer]) for t in g["topics"]
             for p in t["partitions"]]
    if any(p["error_code"] for p in found):
        return None
    return max((p["committed_offset"] for p in found), default=-1)


def _committed(actor, step, _answer):
    actor.commits.setdefault(actor.resolve(step.fields["group_id"]), set()).update(
        actor.resolve(t["name"]) for t in step.fields["topics"])


def _configured(actor, step, answer):
    done = {r["resource_name"] for r in answer["responses"] if r["error_code"] == 0}
    for resource in [] if step.fields["validate_only"] else step.fields["resources"]:
        name = actor.resolve(resource["resource_name"])
        if name in done:
            until(lambda: as_asked(actor, name, resource["configs"], resource["resource_type"]))


def as_asked(actor, name, wanted, kind=2):
    """Whether a topic, or a resource of another kind, shows the configs that an answer says it has."""
    told, = actor.plain("DescribeConfigs", {"resources": [{
        "resource_type": kind, "resource_name": name, "configuration_keys": [c["name"] for c in wanted]}],
        "include_synonyms": False, "include_documentation": False})["results"]
    values = {c["name"]: (c["value"], c["config_source"]) for c in told["configs"]}
    for config in wanted:
        value, source = values.get(config["name"], (None, None))
        operation = config.get("config_operation", 0)
        if operation == 0 and value != config["value"] or operation == 1 and source in (1, 8):  # a topic's or group's own
            return False
    return True


def _initialised(actor, step, answer):
    if answer["error_code"] == 0:
        key = step.fields["transactional_id"] or ""
        actor.producers[key] = (answer["producer_id"], answer["producer_epoch"])
        actor.sequences = {at: n for at, n in actor.sequences.items() if at[0] != key}
        actor.open.pop(key, None)


def _produced(actor, step, answer):
    for topic in step.fields["topic_data"]:
        for partition in topic["partition_data"]:
            batch = partition["records"]
            key = (batch.producer, batch.topic, batch.partition)
            good = answer is not None and any(
                p["error_code"] == 0 for t in answer["responses"] for p in t["partition_responses"])
            if batch.producer is not None and good and batch.shift == 0:
                actor.sequences[key] = actor.sequences.get(key, 0) + len(batch.values)


def _added(actor, step, answer):
    told = answer.get("results_by_topic_v3_and_below", [])
    good = [(t["name"], p["partition_index"]) for t in told for p in t["results_by_partition"]
            if p["partition_error_code"] == 0]
    if good:
        actor.open.setdefault(step.fields["v3_and_below_transactional_id"], {"partitions": set(), "groups": set()})[
            "partitions"].update(good)


def _offsets_added(actor, step, answer):
    if answer["error_code"] == 0:
        actor.open.setdefault(step.fields["transactional_id"], {"partitions": set(), "groups": set()})[
            "groups"].add(actor.resolve(step.fields["group_id"]))


def _ended(actor, step, answer):
    """The markers are written: the next transaction of the same id can begin, no partition holds anything back."""
    if answer["error_code"]:
        return
    left = actor.open.pop(step.fields["transactional_id"], {"partitions": set(), "groups": set()})
    for topic, partition in left["partitions"]:
        until(lambda: stable(actor, topic, partition, step.fields["transactional_id"]))
    for group in left["groups"]:
        for topic in actor.commits.get(group, set()):
            until(lambda: committed(actor, group, topic, True) is not None)
    until(lambda: not _ending(actor, actor.resolve(step.fields["transactional_id"])))


def _ending(actor, transaction):
    """Whether the coordinator has yet to write down that the markers are there."""
    told, = actor.plain("DescribeTransactions", {"transactional_ids": [transaction]})["transaction_states"]
    return told["transaction_state"].startswith("Prepare")


def stable(actor, topic, partition, but=None):
    """Whether no transaction is open in a partition, other than those that the script left so."""
    if any((topic, partition) in left["partitions"] for name, left in actor.open.items() if name != but):
        return True
    asked = {"replica_id": -1, "timeout_ms": 5000, "topics": [
        {"name": topic, "partitions": [{"partition_index": partition, "timestamp": -1}]}]}
    both = [actor.plain("ListOffsets", {**asked, "isolation_level": level})["topics"][0]["partitions"][0]["offset"]
            for level in (0, 1)]
    return both[0] == both[1]


def _joined(actor, step, answer):
    if answer["error_code"] in (0, 79) and answer["member_id"]:
        if answer["error_code"] == 0:
            actor.seated.add(step.fields["group_id"])
        actor.joined.add((step.fields["group_id"], answer["member_id"]))
        actor.members[step.fields["group_id"]] = (answer["member_id"], max(answer["generation_id"], 0))


def _left(actor, step, answer):
    if answer["error_code"] == 0:
        actor.members.pop(step.fields["group_id"], None)


AFTER = {
    "CreateTopics": _created, "CreatePartitions": _more, "DeleteTopics": _deleted, "OffsetCommit": _committed,
    "TxnOffsetCommit": _committed, "IncrementalAlterConfigs": _configured, "AlterConfigs": _configured,
    "InitProducerId": _initialised, "Produce": _produced, "AddPartitionsToTxn": _added,
    "AddOffsetsToTxn": _offsets_added, "EndTxn": _ended, "JoinGroup": _joined, "LeaveGroup": _left,
}


def settle(actor, step, answer):
    """Waits for what the step has set going, and remembers what later steps lean on."""
    if step.api in AFTER:
        AFTER[step.api](actor, step, answer)
