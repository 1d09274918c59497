# SPDX-License-Identifier: Apache-2.0
"""A tenant's users before real Kafka, with real clients: sessions that Java renews by itself, what a user may do,
limits that clients get along with."""

import os
import re
import threading
import time

import pytest
from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from drivers import DRIVERS, Failed, Target
from load import Producer as OpenProducer
from world import physical

from lib.gateway import prefix_of
from lib.wait import wait_until

VCLUSTER = "blue"
TOPIC = "people"


class Users:
    """The gateway and the file of its tenant."""

    def __init__(self, gateway):
        self.gateway = gateway

    def write(self, users, more=""):
        """Replaces the file, waits until it is in force."""
        path = self.gateway.path("vclusters", f"{VCLUSTER}.yaml")
        before = len(self.gateway.log_lines(r"\bconfig\.loaded\b"))
        with open(path + "~", "w", encoding="utf-8") as out:
            out.write(f"# edit {before}\nprefix: {prefix_of(VCLUSTER)}\n{more}users:\n{users}")
        os.rename(path + "~", path)
        self.gateway.wait_log(r"\bconfig\.loaded\b", since=before)

    def target(self, user="sa"):
        """As a client reaches the gateway; the user is in the file already, which so does not change."""
        return Target(self.gateway.bootstrap, user, self.gateway.token(VCLUSTER, user))


@pytest.fixture(scope="module")
def users(make_gateway, direct):
    users = Users(make_gateway())
    direct["main"].create(physical(VCLUSTER, TOPIC), 3)
    return users


def test_java_renews_its_session_while_it_produces(users, lab, tmp_path):
    """The session is two seconds long, the producer runs for twelve: it logs in again and again on the same
    connections, none of which is closed."""
    users.write("  sa: {}\n", "session.lifetime.ms: 2000\n")
    gateway = users.gateway
    producer = OpenProducer("java-tools", users.target(), TOPIC, str(tmp_path), lab)
    before = len(gateway.log_lines(r"\bclient\.renew\b"))
    closed = len(gateway.log_lines(r"\bclient\.close\b"))
    producer.open()
    try:
        wait_until(lambda: len(producer.acked()) > 50, lambda: f"it produces: {producer.complaints()}", 60)
        wait_until(lambda: len(gateway.log_lines(r"\bclient\.renew\b")) >= before + 3, "it logs in again", 60)
        produced = len(producer.acked())
        time.sleep(8)
        assert len(gateway.log_lines(r"\bclient\.renew\b")) >= before + 6
        assert len(producer.acked()) > produced + 50
        # It may meet a broker that it has not met before, but leaves none.
        assert len(gateway.log_lines(r"\bclient\.close\b")) == closed, gateway.log_lines(r"\bclient\.close\b")[closed:]
    finally:
        producer.finish()
        producer.kill()
    assert not producer.refused(), producer.refused()
    assert not gateway.log_lines(r"\bclient\.close\b", "session has ended")


ROLES = "  reader: {allow: [read]}\n  writer: {allow: [write]}\n  boss: {allow: [admin]}\n  sa: {}\n"


def test_java_hears_what_an_authorizer_would_say(users, lab, tmp_path):
    users.write(ROLES)
    java = {user: DRIVERS["java-tools"](users.target(user), lab, str(tmp_path))
            for user in ("reader", "writer", "boss")}
    assert java["writer"].produce(TOPIC, [f"value-{i}" for i in range(5)]) == 5
    assert len(java["reader"].consume(TOPIC, "java-readers", 5)) == 5
    assert java["reader"].committed(TOPIC, "java-readers") >= 5
    with pytest.raises(Failed) as refused:
        java["reader"].create("made-by-a-reader", 1)
    assert refused.value.code == "TopicAuthorizationException"
    with pytest.raises(Failed) as refused:
        java["reader"].produce(TOPIC, ["x"])
    # The third is the producer's own slip on its way to the first: its state machine does not foresee the refusal so early.
    assert refused.value.code in ("ClusterAuthorizationException", "TopicAuthorizationException", "IllegalStateException")
    with pytest.raises(Failed) as refused:
        java["writer"].consume(TOPIC, "java-writers", 1)
    assert refused.value.code == "GroupAuthorizationException"
    java["boss"].create("made-by-the-boss", 1)
    assert "made-by-the-boss" in java["boss"].topics()
    java["boss"].delete("made-by-the-boss")


def test_librdkafka_hears_the_same(users):
    def code(call):
        with pytest.raises(KafkaException) as refused:
            call().result(60)
        return refused.value.args[0].name()

    users.write(ROLES)
    admins = {user: AdminClient(users.target(user).librdkafka()) for user in ("reader", "writer", "boss")}
    for user in ("reader", "writer"):
        assert code(lambda u=user: admins[u].create_topics([NewTopic("none", 1, 1)])["none"]) == \
            "TOPIC_AUTHORIZATION_FAILED"
        assert code(lambda u=user: admins[u].delete_topics([TOPIC])[TOPIC]) == "TOPIC_AUTHORIZATION_FAILED"
        assert code(lambda u=user: admins[u].delete_consumer_groups(["g"])["g"]) == "GROUP_AUTHORIZATION_FAILED"
    assert TOPIC in admins["reader"].list_topics(timeout=60).topics
    admins["boss"].create_topics([NewTopic("by-the-boss", 1, 1)])["by-the-boss"].result(60)
    admins["boss"].delete_topics(["by-the-boss"])["by-the-boss"].result(60)

    outcome = []
    producer = Producer(users.target("reader").librdkafka())
    producer.produce(TOPIC, "x", callback=lambda e, m: outcome.append(e.name() if e else None))
    assert producer.flush(60) == 0 and outcome == ["TOPIC_AUTHORIZATION_FAILED"]
    producer = Producer(users.target("reader").librdkafka(**{"transactional.id": "not-mine"}))
    with pytest.raises(KafkaException) as refused:
        producer.init_transactions(60)
    assert refused.value.args[0].name() == "TRANSACTIONAL_ID_AUTHORIZATION_FAILED"


def test_who_may_only_write_has_transactions(users):
    users.write(ROLES)
    producer = Producer(users.target("writer").librdkafka(**{"transactional.id": "of-a-writer"}))
    producer.init_transactions(60)
    for _ in range(3):
        producer.begin_transaction()
        for i in range(10):
            producer.produce(TOPIC, f"transacted-{i}")
        producer.commit_transaction(60)


def test_java_waits_for_a_connection(users, lab, tmp_path):
    """All that the user may have are taken: the client tries again, no error reaches the program, and it goes on
    when there is room."""
    users.write("  sa: {}\n  other: {}\n")
    gateway = users.gateway
    holders = [Consumer({**users.target().librdkafka(), "group.id": f"holder-{i}"}) for i in range(2)]
    for holder in holders:
        holder.assign([])
        holder.list_topics(TOPIC, timeout=60)
    users.write("  sa: {limits.connections: 1}\n  other: {}\n")
    before = len(gateway.log_lines(r"\bclient\.refused\b", "reason=connections"))
    result = []
    java = DRIVERS["java-tools"](users.target(), lab, str(tmp_path))
    thread = threading.Thread(target=lambda: result.append(java.produce(TOPIC, ["patient"])))
    thread.start()
    try:
        wait_until(lambda: len(gateway.log_lines(r"\bclient\.refused\b", "reason=connections")) >= before + 3,
                   "the producer is refused and tries again", 60)
        assert not result
    finally:
        for holder in holders:
            holder.close()
    users.write("  sa: {limits.connections: 20}\n  other: {}\n")
    thread.join(120)
    assert result == [1]


def test_java_is_slowed_down_by_its_rate(users, lab, tmp_path):
    """3 MB at 500 kB a second, the first second's worth free: five seconds and no error; the client's own
    measure of what it was told is above zero."""
    users.write("  slow: {limits.in.bytes.per.second: 500000}\n  sa: {}\n")
    gateway = users.gateway
    java = DRIVERS["java-tools"](users.target("slow"), lab, str(tmp_path))
    out = java.tool("kafka-producer-perf-test", "--topic", TOPIC, "--num-records", "3000", "--record-size", "1000",
                    "--throughput", "-1", "--print-metrics", config="--command-config")
    rate = [float(n) for n in re.findall(r"([\d.]+) records/sec", out)][-1]
    assert 50 < rate < 900, out
    told = re.search(r"produce-throttle-time-max\S*\s*:\s*([\d.]+)", out)
    assert float(told.group(1)) > 0, out
    metric = re.search(r'turnout_user_throttled_seconds_total\{vcluster="blue",user="slow"\} (\S+)',
                       gateway.call("GET", "/metrics"))
    assert float(metric.group(1)) > 1
