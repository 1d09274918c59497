# SPDX-License-Identifier: Apache-2.0
"""A tenant's users: what cuts their live connections, how their sessions end and are renewed, what they may do,
and their limits. All by the vcluster's file, as operators do it, without a call of the API."""

import datetime
import os
import re
import threading
import time

import pytest
from confluent_kafka import Consumer, KafkaError, Producer

from lib import tokens, wire
from lib.gateway import prefix_of
from lib.wait import wait_until

RAW = True
THROTTLING_QUOTA_EXCEEDED = 89
TOPIC_AUTHORIZATION_FAILED = 29
# A file's change acts within a second or so; on a busy machine it may take a while longer.
SOON = 10
EITHER = r"\b(config\.loaded|client\.close)\b"


def write(gateway, vcluster="teamA", users="  sa: {}\n", more=""):
    """The vcluster's file, replaced as an editor does."""
    path = gateway.path("vclusters", f"{vcluster}.yaml")
    with open(path + ".new~", "w", encoding="utf-8") as out:
        out.write(f"prefix: {prefix_of(vcluster)}\n{more}users:\n{users}")
    os.rename(path + ".new~", path)


def applied(gateway, act):
    """Does something to the files and waits until it is in force."""
    before = len(gateway.log_lines(r"\bconfig\.loaded\b"))
    act()
    gateway.wait_log(r"\bconfig\.loaded\b", since=before)


def new_token(gateway, user="sa", vcluster="teamA", lifetime=3600):
    """One that the test makes itself: the file stays as it is."""
    token = tokens.make(gateway.key, user, vcluster, lifetime=lifetime)
    gateway.secrets.append(token)
    return token


def login(gateway, user="sa", token=None):
    return wire.login(gateway, "teamA", user, token=token or new_token(gateway, user))


def session_of(raw, token, user="sa"):
    """Logs in (again) and returns the milliseconds that the login holds."""
    assert raw.ask(wire.sasl_handshake(correlation=100)).i16() == 0
    answer = raw.ask(wire.sasl_authenticate(user, token, correlation=101))
    assert answer.i16() == 0, answer.string()
    answer.string()
    answer.bytes()
    return answer.i64()


# -- what cuts


def remove_user(gateway):
    write(gateway, users="  other: {}\n")


def remove_vcluster(gateway):
    os.unlink(gateway.path("vclusters", "teamA.yaml"))


def raise_not_before(gateway):
    write(gateway, users="  sa: {not.before: 2099-01-01T00:00:00Z}\n  other: {}\n")


def retire_key(gateway):
    gateway.config["token.keys"] = f"[{tokens.new_key()}]"
    gateway.write_turnout()


def logged_at(line):
    """When a line of the log was written, in seconds."""
    return datetime.datetime.fromisoformat(line.split()[0].replace("Z", "+00:00")).timestamp()


def cut(gateway, act):
    """Cuts sa's connections, and nobody else's; returns how long that took by the gateway's own log: from the new
    configuration to the last connection."""
    if gateway.config.pop("token.keys", None):
        applied(gateway, gateway.write_turnout)
    else:
        applied(gateway, lambda: write(gateway, users="  sa: {}\n  other: {}\n"))
    with login(gateway) as idle, login(gateway) as busy, login(gateway, "other") as other, \
            wire.login(gateway, "teamB", "sb") as neighbour:
        busy.ask(wire.metadata([]))
        before = len(gateway.log_lines(EITHER))
        act(gateway)
        assert idle.is_closed(SOON) and busy.is_closed(SOON)

        def logged():
            lines = gateway.log_lines(EITHER)[before:]
            ends = [number for number, line in enumerate(lines) if "client.close" in line and "user=sa" in line]
            return len(ends) == 2 and (lines[:ends[0]], lines[ends[1]])

        earlier, last = wait_until(logged, "both are in the log")
        if act in (remove_user, raise_not_before):
            other.ask(wire.metadata([]))
        if act is not retire_key:
            neighbour.ask(wire.metadata([]))
    return logged_at(last) - logged_at([line for line in earlier if "config.loaded" in line][-1])


@pytest.mark.parametrize("act", [remove_user, remove_vcluster, raise_not_before, retire_key])
def test_a_change_of_a_file_cuts_live_connections(gateway, act):
    """Within a second of its being read. On a machine that others keep busy the best of three tries counts."""
    gateway.token("teamB", "sb")
    took = []
    while not took or took[-1] >= 1 and len(took) < 3:
        took.append(cut(gateway, act))
    assert 0 <= min(took) < 1, took


# -- sessions


def test_a_session_ends_and_is_renewed(gateway):
    applied(gateway, lambda: write(gateway, more="session.lifetime.ms: 3000\n"))
    with wire.Raw(gateway.address) as raw, wire.Raw(gateway.address) as other:
        assert session_of(raw, new_token(gateway)) == 3000
        assert session_of(other, new_token(gateway)) == 3000
        end = time.monotonic() + 6
        while time.monotonic() < end:
            raw.ask(wire.metadata([]))
            assert session_of(raw, new_token(gateway)) == 3000
            time.sleep(0.5)
        other.send(wire.metadata([]))
        assert other.is_closed()
        raw.ask(wire.metadata([]))
        # Not as somebody else.
        raw.ask(wire.sasl_handshake())
        assert raw.ask(wire.sasl_authenticate("sb", new_token(gateway, "sb", "teamB"))).i16() == \
            wire.SASL_AUTHENTICATION_FAILED
        assert raw.is_closed()


def test_a_token_that_expires_ends_its_connection(gateway):
    applied(gateway, lambda: write(gateway))
    with wire.Raw(gateway.address) as raw, wire.Raw(gateway.address) as renewed:
        session = session_of(raw, new_token(gateway, lifetime=4))
        assert 0 < session <= 4000
        session_of(renewed, new_token(gateway, lifetime=4))
        assert session_of(renewed, new_token(gateway, lifetime=600)) > 500000
        assert raw.is_closed(20)
        renewed.ask(wire.metadata([]))


def test_librdkafka_renews_its_session_by_itself(gateway, sandbox):
    """While it produces, over a switch, and nothing is closed or lost."""
    applied(gateway, lambda: write(gateway, more="session.lifetime.ms: 1500\n"))
    failed = []
    producer = Producer({**gateway.client(token=new_token(gateway)), "linger.ms": 0,
                         "error_cb": lambda error: failed.append(str(error))})
    acked = []

    def done(error, message):
        (failed if error else acked).append(str(error) if error else message.value())

    sent, switched = 0, False
    end = time.monotonic() + 8
    while time.monotonic() < end or len(gateway.log_lines(r"\bclient\.renew\b")) < 3:
        producer.produce("users", f"record-{sent}".encode(), callback=done)
        sent += 1
        producer.poll(0.02)
        if not switched and time.monotonic() > end - 4:
            switched = gateway.switch("failover")
        assert time.monotonic() < end + 60, "it does not log in again"
        assert not failed
    assert producer.flush(60) == 0
    assert not failed and len(acked) == sent
    assert not gateway.log_lines(r"\bclient\.close\b", "session"), "a session was not renewed in time"


# -- what a user may do


USERS = "  reader: {allow: [read]}\n  writer: {allow: [write]}\n  boss: {allow: [admin]}\n  sa: {}\n"


def produced(gateway, user, topic, values=("a", "b"), **more):
    """Produces; the name of the error, or None."""
    outcome = []
    producer = Producer({**gateway.client(user=user, token=new_token(gateway, user)), **more})
    for value in values:
        producer.produce(topic, value, callback=lambda e, m: outcome.append(e.name() if e else None))
    assert producer.flush(60) == 0
    return next((name for name in outcome if name), None)


def consumed(gateway, user, topic, count, group="g"):
    """So many values, or the name of the error."""
    consumer = Consumer({**gateway.client(user=user, token=new_token(gateway, user)), "group.id": group,
                         "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    values, end = [], time.monotonic() + 60
    try:
        while len(values) < count and time.monotonic() < end:
            message = consumer.poll(1)
            if message is not None and message.error():
                if message.error().code() in (KafkaError.GROUP_AUTHORIZATION_FAILED,
                                              KafkaError.TOPIC_AUTHORIZATION_FAILED):
                    return message.error().name()
            elif message is not None:
                values.append(message.value().decode())
        consumer.commit(asynchronous=False)
        return values
    finally:
        consumer.close()


def test_users_do_what_they_may(gateway, sandbox):
    """Each does its part with no error, and hears of the rest what Kafka's authorizer would say."""
    applied(gateway, lambda: write(gateway, users=USERS))
    sandbox.create(gateway.physical("teamA", "orders"), 1)
    assert produced(gateway, "writer", "orders") is None
    assert produced(gateway, "writer", "orders", ("c",), **{"enable.idempotence": True}) is None
    assert consumed(gateway, "reader", "orders", 3) == ["a", "b", "c"]
    assert produced(gateway, "reader", "orders") == "TOPIC_AUTHORIZATION_FAILED"
    assert produced(gateway, "boss", "orders") == "TOPIC_AUTHORIZATION_FAILED"
    assert produced(gateway, "reader", "orders", ["x" * 900000]) == "TOPIC_AUTHORIZATION_FAILED"
    assert consumed(gateway, "writer", "orders", 1) == "GROUP_AUTHORIZATION_FAILED"
    assert sandbox.count(gateway.physical("teamA", "orders"))["main"] == 3
    assert gateway.log_lines(r"\brequest\.denied\b", r"\buser=reader\b", r"\bapi=Produce\b")
    shown = gateway.call("GET", "/admin/vclusters/v1/vcluster/teamA")["users"]
    assert {u["name"]: u["allow"] for u in shown}["reader"] == ["read"]
    denied = re.search(r"(?m)^turnout_requests_denied_total (\d+)$", gateway.call("GET", "/metrics"))
    assert int(denied.group(1)) >= 4


def test_an_unknown_word_is_a_fault(gateway):
    write(gateway, users="  sa: {allow: [raed]}\n")
    line = gateway.wait_log(r"\bconfig\.fault\b", "raed")
    assert "Did you mean read?" in line
    assert "teamA.yaml:3:" in line


def test_a_changed_list_acts_on_a_live_connection(gateway, sandbox):
    applied(gateway, lambda: write(gateway))
    with wire.leader_connection(gateway, "users", token=new_token(gateway)) as raw:
        assert wire.read_produce(raw.ask(wire.produce("users", [b"one"])))["users"][0][0] == 0
        applied(gateway, lambda: write(gateway, users="  sa: {allow: [read]}\n"))

        def is_refused():
            answer = wire.read_produce(raw.ask(wire.produce("users", [b"two"])))
            return answer["users"][0][0] == TOPIC_AUTHORIZATION_FAILED

        wait_until(is_refused, "the list acts", SOON)
        raw.ask(wire.metadata([]))
        raw.send(wire.produce("users", [b"three"], acks=0))
        assert raw.is_closed()


# -- limits


def test_connections_are_counted_over_all_workers(gateway):
    applied(gateway, lambda: write(gateway, users="  sa: {limits.connections: 3}\n  sb: {}\n"))
    token = new_token(gateway)
    held = [login(gateway, token=token) for _ in range(3)]
    for _ in range(4):
        with wire.Raw(gateway.address) as raw:
            error, message = raw.authenticate("sa", token)
            assert error == THROTTLING_QUOTA_EXCEEDED and "limits.connections" in message
            assert raw.is_closed()
    assert gateway.log_lines(r"\bclient\.refused\b", r"\breason=connections\b", r"\buser=sa\b", "vcluster=teamA")
    login(gateway, "sb").close()
    assert 'turnout_user_connections{vcluster="teamA",user="sa"} 3' in gateway.call("GET", "/metrics")
    held.pop().close()

    def fits():
        with wire.Raw(gateway.address) as raw:
            return raw.authenticate("sa", token)[0] == 0

    wait_until(fits, "a connection that ended makes room")
    for raw in held:
        raw.close()


def timed_produce(gateway, user, topic, batches, size):
    """How long so many requests of so many bytes took; no error may come."""
    producer = Producer({**gateway.client(user=user, token=new_token(gateway, user)), "linger.ms": 0,
                         "batch.num.messages": 1, "max.in.flight": 1, "message.timeout.ms": 120000})
    failed = []
    producer.list_topics(topic, timeout=60)
    began = time.monotonic()
    for _ in range(batches):
        producer.produce(topic, os.urandom(size), callback=lambda e, m: failed.append(str(e)) if e else None)
    assert producer.flush(120) == 0 and not failed, failed
    return time.monotonic() - began


def timed_consume(gateway, user, topic, count):
    consumer = Consumer({**gateway.client(user=user, token=new_token(gateway, user)), "group.id": f"g-{user}",
                         "auto.offset.reset": "earliest", "fetch.message.max.bytes": 100000, "fetch.wait.max.ms": 50})
    consumer.subscribe([topic])
    seen, began = 0, None
    while seen < count:
        message = consumer.poll(30)
        assert message is not None and not message.error(), message and message.error()
        began = began or time.monotonic()
        seen += 1
    consumer.close()
    return time.monotonic() - began


def test_rates_slow_down_and_refuse_nothing(gateway, sandbox):
    """1.2 MB at 300 kB a second: the first second's worth is free, so about three seconds; the neighbour with no limit
    is not slowed meanwhile. Wide bounds: the machine may be slow, not fast."""
    batches, size, rate = 30, 40000, 300000
    applied(gateway, lambda: write(gateway, users=(
        f"  slow: {{limits.in.bytes.per.second: {rate}, limits.out.bytes.per.second: {rate}}}\n  sa: {{}}\n")))
    for topic in ("slow", "fast"):
        sandbox.create(gateway.physical("teamA", topic), 1)
    least = (batches * size - 1.5 * rate) / rate * 0.8
    took = {}

    def run(user, topic):
        took[user] = timed_produce(gateway, user, topic, batches, size)
        took[user + " reads"] = timed_consume(gateway, user, topic, batches)

    threads = [threading.Thread(target=run, args=pair) for pair in (("slow", "slow"), ("sa", "fast"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(200)
    assert set(took) == {"slow", "slow reads", "sa", "sa reads"}, took
    assert least < took["slow"] < 12 * least, took
    assert least < took["slow reads"] < 12 * least, took
    assert took["sa"] < took["slow"] / 2 and took["sa reads"] < took["slow reads"] / 2, took
    metric = re.search(r'turnout_user_throttled_seconds_total\{vcluster="teamA",user="slow"\} (\S+)',
                       gateway.call("GET", "/metrics"))
    assert float(metric.group(1)) > least
