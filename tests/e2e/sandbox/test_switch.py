# SPDX-License-Identifier: Apache-2.0
"""Switching the cluster under running clients, by every way there is: one operation behind all of them."""

import os
import re
import threading
import time

import pytest
import requests
from confluent_kafka import Consumer

from lib import wire
from lib.gateway import ApiError
from lib.kcat import Kcat
from lib.load import Reader, Writer
from lib.ports import closed_port
from lib.wait import wait_until

RAW = True
TOPIC = "users"


def by_api(gateway, to):
    answer = gateway.switch(to)
    assert answer["message"] == "Cluster switched", answer


def by_file(gateway, to):
    gateway.edit_active(to)


def by_editing_in_place(gateway, to):
    text = re.sub(r"(?m)^active: \S+", f"active: {to}", gateway.read_clusters())
    with open(gateway.clusters_file, "w", encoding="utf-8") as f:
        f.write(text)


def edit_unseen(gateway, to):
    """Writes by another name of the file, in a folder that is not watched: inotify tells the gateway nothing, so
    only what it is told otherwise can make it switch."""
    far = os.path.join(gateway.directory, "far")
    os.makedirs(far)
    os.link(gateway.clusters_file, os.path.join(far, "hard"))
    text = re.sub(r"(?m)^active: \S+", f"active: {to}", gateway.read_clusters())
    with open(os.path.join(far, "hard"), "r+", encoding="utf-8") as f:
        f.write(text)
        f.truncate()
    assert gateway.read_clusters() == text
    time.sleep(0.5)  # were the edit seen, this is longer than the gateway takes to act on it
    assert gateway.active() == "main", "the edit was seen: nothing is shown of what comes next"


def by_sighup(gateway, to):
    edit_unseen(gateway, to)
    gateway.sighup()


def by_reload(gateway, to):
    edit_unseen(gateway, to)
    gateway.reload()


def by_turnoutctl_reload(gateway, to):
    edit_unseen(gateway, to)
    gateway.ctl("reload")


def by_turnoutctl(gateway, to):
    gateway.ctl("switch", "main", to)


# Each with what the log must name as the origin.
WAYS = {by_api: "api:admin", by_file: "file", by_editing_in_place: "file", by_sighup: "SIGHUP",
        by_reload: "api:admin", by_turnoutctl_reload: "api:admin", by_turnoutctl: "api:admin"}


def switch_lines(gateway, source, target):
    """Lines of the log that tell of a finished switch."""
    return gateway.log_lines(r"switch", rf"\bfrom={source}\b", rf"\bto={target}\b", r"\bheld=\d+")


@pytest.mark.parametrize("way", WAYS, ids=lambda w: w.__name__)
def test_switch_under_load(gateway, sandbox, way):
    """Records go to one side each, none is lost or doubled, and clients notice nothing."""
    physical = gateway.physical("teamA", TOPIC)
    sandbox.create(physical, 2)
    properties = gateway.client()
    writer = Writer(properties, TOPIC)
    reader = Reader(properties, TOPIC, range(2))
    writer.start()
    reader.start()
    wait_until(lambda: len(reader.values) >= 20, "twenty records came through main")
    # A switch is for when the copy is there: a reader's next offset must exist on the other side.
    wait_until(lambda: sandbox.count(physical)["failover"] >= 20, "the mirror follows")

    way(gateway, "failover")
    gateway.wait_active("failover")
    on_main = sandbox.count(physical)["main"]
    seen = len(writer.acked)
    wait_until(lambda: len(writer.acked) >= seen + 30, "thirty more records are acknowledged")

    sent = writer.stop()
    sandbox.wait_count(physical, main=on_main, failover=sent)
    assert 20 <= on_main < sent
    wait_until(lambda: len(set(reader.values)) >= sent, lambda: f"{sent} records, {len(reader.values)} came")
    values = reader.stop()
    assert not reader.errors, reader.errors
    assert sorted(set(values)) == sorted(f"record-{i}" for i in range(sent))
    assert len(values) == sent, "a record came twice"

    (line,) = switch_lines(gateway, "main", "failover")
    assert "switch.done" in line and re.search(rf"\bwho={WAYS[way]}(\s|$)", line), line
    assert re.search(r"\bconnections=[1-9]\d*", line), line
    assert re.search(r"_ms=\d+", line), line


def test_there_and_back_many_times(gateway, sandbox):
    """Each record is on the side that served when it was acknowledged; the mirror is off."""
    sandbox.mirror(False)
    physical = gateway.physical("teamA", TOPIC)
    sandbox.create(physical, 1)
    writer = Writer(gateway.client(), TOPIC, pause=0.005)
    writer.start()
    wait_until(lambda: len(writer.acked) >= 10, "ten records")
    for turn in range(10):
        gateway.switch("failover" if turn % 2 == 0 else "main")
        seen = len(writer.acked)
        wait_until(lambda: len(writer.acked) >= seen + 10, "ten more")
    sent = writer.stop()
    counts = sandbox.count(physical)
    assert counts["main"] + counts["failover"] == sent
    assert counts["main"] >= 50 and counts["failover"] >= 50


def test_group_consumer_lives_through_a_switch(gateway, sandbox):
    physical = gateway.physical("teamA", TOPIC)
    sandbox.create(physical, 2)
    properties = gateway.client()
    errors, values = [], []
    consumer = Consumer({"group.id": "live", "auto.offset.reset": "earliest", "fetch.wait.max.ms": 50,
                         "session.timeout.ms": 6000, "error_cb": errors.append, **properties})
    consumer.subscribe([TOPIC])
    writer = Writer(properties, TOPIC)
    writer.start()

    def read_until(count):
        def got():
            message = consumer.poll(0.1)
            if message is not None and not message.error():
                values.append(message.value().decode())
            return len(set(values)) >= count
        wait_until(got, lambda: f"{count} records, have {len(set(values))}", seconds=60, pause=0)

    read_until(20)
    gateway.switch("failover")
    read_until(len(set(values)) + 40)
    sent = writer.stop()
    read_until(sent)
    consumer.close()
    assert not [e for e in errors if e.fatal()], errors


def test_restart_comes_up_on_the_active_cluster(gateway, sandbox, tmp_path):
    gateway.switch("failover")
    gateway.restart()
    assert gateway.active() == "failover"
    Kcat(gateway.client(), tmp_path).produce("after", ["x", "y"])
    sandbox.wait_count(gateway.physical("teamA", "after"), failover=2, main=-1)


def test_same_cluster_again_moves_nothing(gateway):
    with wire.login(gateway) as raw:
        raw.ask(wire.metadata([]))
        before = gateway.call("GET", "/admin/pclusters/v1/pcluster/main")["generation"]
        gateway.switch("main")
        assert gateway.call("GET", "/admin/pclusters/v1/pcluster/main")["generation"] == before
        raw.ask(wire.metadata([]))
    gateway.switch("failover")
    after = gateway.call("GET", "/admin/pclusters/v1/pcluster/main")["generation"]
    assert after == before + 1
    gateway.switch("failover")
    assert gateway.call("GET", "/admin/pclusters/v1/pcluster/main")["generation"] == after


@pytest.mark.parametrize("logical,to", [("main", "nowhere"), ("nowhere", "main"), ("main", ""), ("main", None)])
def test_unknown_ids_are_refused(gateway, logical, to):
    answer = gateway.request("POST", f"/admin/pclusters/v1/pcluster/{logical}/switch",
                             params={} if to is None else {"to": to})
    assert answer.status_code == 400 and answer.json()["message"]
    assert gateway.active() == "main"


def test_dry_run_only_checks(gateway):
    before = gateway.read_clusters()
    gateway.switch("failover", dryRun="true")
    assert gateway.active() == "main" and gateway.read_clusters() == before


def test_unreachable_target_is_refused_unless_forced(sandbox, start_gateway):
    port = closed_port()
    gateway = start_gateway({**sandbox.clusters, "dead": f"127.0.0.1:{port.first}"})
    for options in ({}, {"dryRun": "true"}):
        with pytest.raises(ApiError) as refused:
            gateway.switch("dead", **options)
        assert refused.value.status == 503
    assert gateway.active() == "main"
    assert gateway.ctl("switch", "main", "dead", check=False).returncode != 0
    gateway.switch("dead", force="true")
    assert gateway.active() == "dead"
    assert requests.get(gateway.url("/health/ready"), timeout=30).status_code == 503
    gateway.switch("main")
    assert gateway.active() == "main"
    port.release()


@pytest.mark.fault
def test_switch_away_from_a_dead_cluster(gateway, sandbox):
    """The reason why the product exists: main is gone, clients go on with failover and lose nothing."""
    physical = gateway.physical("teamA", TOPIC)
    sandbox.create(physical, 2)
    writer = Writer(gateway.client(), TOPIC)
    writer.start()
    wait_until(lambda: len(writer.acked) >= 20, "twenty records")
    sandbox.down("main")
    gateway.switch("failover")
    seen = len(writer.acked)
    wait_until(lambda: len(writer.acked) >= seen + 30, "thirty more")
    sent = writer.stop()
    sandbox.up("main")
    # A record that main took but whose answer was lost is sent again by the client: not lost, maybe twice.
    wait_until(lambda: sandbox.count(physical)["failover"] >= sent, "all records are on failover")


@pytest.mark.fault
def test_switch_with_slow_answers_keeps_every_record(gateway, sandbox):
    """Requests are unanswered when the switch comes: it waits for them, and holds the new ones."""
    sandbox.mirror(False)
    physical = gateway.physical("teamA", TOPIC)
    sandbox.create(physical, 1)
    sandbox.rtt("main", 300)
    writer = Writer(gateway.client(), TOPIC, pause=0.01)
    writer.start()
    wait_until(lambda: len(writer.acked) >= 5, "the first answers")
    gateway.switch("failover")
    seen = len(writer.acked)
    wait_until(lambda: len(writer.acked) >= seen + 50, "fifty more")
    sent = writer.stop()
    counts = sandbox.count(physical)
    assert counts["main"] + counts["failover"] == sent
    (line,) = switch_lines(gateway, "main", "failover")
    assert int(re.search(r"\bheld=(\d+)", line).group(1)) > 0, line


@pytest.mark.fault
def test_held_requests_go_with_their_client(gateway, sandbox):
    """What a client sent during the hold is not delivered when the client is gone before its end."""
    sandbox.mirror(False)
    physical = gateway.physical("teamA", TOPIC)
    sandbox.create(physical, 1)
    token = gateway.token("teamA", "sa")
    busy = wire.leader_connection(gateway, TOPIC, token=token)
    gone = wire.leader_connection(gateway, TOPIC, token=token)
    assert wire.read_produce(gone.ask(wire.produce(TOPIC, [b"warm"])))[TOPIC][0][0] == 0
    sandbox.rtt("main", 2000)
    busy.send(wire.produce(TOPIC, [b"slow"], correlation=7))
    time.sleep(0.3)  # it is on its way before the switch starts; if not, nothing is held below
    switching = threading.Thread(target=gateway.switch, args=("failover",))
    switching.start()
    gateway.wait_log("switch.state", "to=hold")
    peer = "peer=%s:%d " % gone.socket.getsockname()
    gone.send(wire.produce(TOPIC, [b"must never arrive"], correlation=8))
    gone.send(wire.produce(TOPIC, [b"nor this"], correlation=9))
    gateway.wait_log("request.held", peer)
    gone.reset()
    busy.receive()
    switching.join(60)
    sandbox.rtt("main", 0)
    assert gateway.active() == "failover"
    busy.close()
    with wire.leader_connection(gateway, TOPIC, token=token) as after:
        assert wire.read_produce(after.ask(wire.produce(TOPIC, [b"after"])))[TOPIC][0][0] == 0
    assert sandbox.count(physical) == {"main": 2, "failover": 1}


def test_one_switch_at_a_time(gateway, sandbox):
    """Twenty at once: each is answered 200 or 409, and in the end the file and the world agree."""
    answers = []

    def one(i):
        answers.append(gateway.request("POST", "/admin/pclusters/v1/pcluster/main/switch",
                                       params={"to": "failover" if i % 2 else "main"}).status_code)

    threads = [threading.Thread(target=one, args=(i,)) for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(answers) == 20 and set(answers) <= {200, 409} and 200 in answers
    active = gateway.active()
    assert re.search(rf"(?m)^active: {active}\b", gateway.read_clusters())


def test_an_edit_right_after_a_switch_counts(gateway):
    """Before the gateway has read what it wrote itself: the text is the old one again, and it decides."""
    before = gateway.read_clusters()
    for _ in range(3):
        gateway.switch("failover")
        gateway.edit_active("main")
        assert gateway.read_clusters() == before
        gateway.wait_active("main")


def test_two_gateways_on_one_file_follow_it(sandbox, start_gateway):
    first = start_gateway(sandbox.clusters)
    second = start_gateway(sandbox.clusters, clusters_file=first.clusters_file, key=first.key,
                           config={"vclusters.dir": first.path("vclusters")})
    first.edit_active("failover")
    first.wait_active("failover")
    second.wait_active("failover")
    second.switch("main")
    first.wait_active("main")
    # One key, one folder of tenants: a token of the first lets a client into the second.
    token = first.token("teamA", "sa")
    second.reload()
    with wire.login(second, token=token) as raw:
        raw.ask(wire.metadata([]))


def test_two_gateways_with_a_file_each_follow_their_own(sandbox, start_gateway):
    first = start_gateway(sandbox.clusters)
    second = start_gateway(sandbox.clusters)
    first.switch("failover")
    assert first.active() == "failover" and second.active() == "main"
    second.switch("failover")
    first.switch("main")
    assert first.active() == "main" and second.active() == "failover"


def test_history_tells_who_and_when(gateway):
    gateway.switch("failover")
    gateway.ctl("switch", "main", "main")
    told = gateway.call("GET", "/admin/pclusters/v1/pcluster/main")
    assert told["active"] == "main"
    text = str(told)
    assert "admin" in text and "failover" in text
