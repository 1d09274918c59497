# SPDX-License-Identifier: Apache-2.0
"""Every key of the files while the gateway runs: those that a reload puts into effect do it, and those that wait for a
restart (`.restart` in keys.def) are told of and change nothing until then.

Shown elsewhere: token.keys, users, not.before, admin: (test_auth), active (test_switch, test_stand_in).
security.protocol, of the gateway and of clusters, has one value only.
"""

import os
import socket
import threading
import time

import pytest
import requests

from lib import tokens, wire
from lib.gateway import HOST, prefix_of
from lib.kcat import Kcat
from lib.process import find_binary
from lib.wait import wait_until

RAW = True
TOPIC = "users"


def change(gateway, **keys):
    """Writes keys (with __ for dots) into turnout.yaml and reloads; returns the answer."""
    gateway.config.update({k.replace("__", "."): v for k, v in keys.items()})
    gateway.write_turnout()
    return gateway.reload()


def faults(gateway):
    return gateway.call("GET", "/admin/config/v1")["faults"]


def write_vcluster(gateway, name, **keys):
    keys = {"prefix": prefix_of(name), "users": "{sa: {}}", **{k.replace("__", "."): v for k, v in keys.items()}}
    gateway.write_vcluster(name, "".join(f"{k}: {v}\n" for k, v in keys.items()))
    gateway.reload()


def cluster_id(raw):
    """The Kafka cluster id that a client sees (Metadata 2)."""
    answer = raw.ask(wire.metadata([], version=2))
    answer.array(lambda: (answer.i32(), answer.string(), answer.i32(), answer.string()))
    return answer.string()


def nodes(raw):
    return wire.read_metadata(raw.ask(wire.metadata([])))[0]


def physical(gateway, name):
    return gateway.call("GET", f"/admin/pclusters/v1/pcluster/{name}")["physical"]


def metric(gateway, name):
    text = gateway.call("GET", "/metrics")
    return float(next(line for line in text.splitlines() if line.startswith(name + " ")).split()[1])


# -- keys that wait for a restart ----------------------------------------------------------------


def test_settings_that_wait_for_a_restart(gateway, tmp_path):
    token = gateway.token("teamA", "sa")
    raw = wire.login(gateway, token=token)
    before = cluster_id(raw)
    old = dict(gateway.config)
    first = gateway.claim.first
    late = {"cluster.id": "another", "bind.host": "127.0.0.3", "port.start": first + 1, "port.count": 3, "workers": 1,
            "admin.bind.host": "127.0.0.3", "admin.port": first + 5}
    gateway.config.update(late)
    gateway.write_turnout()
    answer = gateway.reload()
    assert answer["warnings"] == len(late)
    for _ in range(2):  # told as long as it is so, not only when it changed
        told = {f["key"]: f for f in faults(gateway)}
        assert set(told) == set(late)
        for fault in told.values():
            assert fault["severity"] == "warning" and fault["file"] == gateway.path("turnout.yaml")
            assert "next start" in fault["text"]
        assert gateway.reload()["changed"] is False
    status = gateway.ctl("status").stdout
    for key in late:
        assert gateway.log_lines("warn config.fault", rf"{key}: changed"), key
        assert key in status, key

    # Nothing has moved: ids (of new tenants too), ports, hosts, threads.
    assert cluster_id(raw) == before
    assert sorted(nodes(raw).items()) == [(i, (HOST, first + i)) for i in range(3)]
    write_vcluster(gateway, "teamC")
    with wire.login(gateway, "teamC") as other:
        new_tenant = cluster_id(other)
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.3", first + 1), timeout=5)
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://127.0.0.3:{first + 5}/health", timeout=5)
    assert gateway.switch("failover")["workers"] == 2
    gateway.switch("main")
    raw.ask(wire.metadata([]))
    raw.close()

    # Taken back, nothing is owed; the ids that clients were told are those of the running name.
    gateway.config = old
    gateway.write_turnout()
    assert gateway.reload()["warnings"] == 0 and faults(gateway) == []
    gateway.restart()
    with wire.login(gateway, token=token) as raw, wire.login(gateway, "teamC") as other:
        assert cluster_id(raw) == before and cluster_id(other) == new_tenant

    # And a restart puts them into effect.
    gateway.config.update({"cluster.id": "another", "workers": 1})
    gateway.restart()
    with wire.login(gateway, token=token) as raw:
        assert cluster_id(raw) != before
    assert gateway.switch("failover")["workers"] == 1


def test_state_dir_waits_for_a_restart(sandbox, start_gateway, tmp_path):
    """Not even secrets that are missing only now go to the new folder."""
    gateway = start_gateway(sandbox.clusters)
    gateway.stop()
    gateway.command = lambda *more: [find_binary("turnoutd"), "--config", gateway.path("turnout.yaml"), *more]
    gateway.config["state.dir"] = gateway.state
    gateway.start()
    other = tmp_path / "other"
    gateway.config["state.dir"] = str(other)
    gateway.secrets_configured = False
    gateway.write_turnout()
    gateway.sighup()
    wait_until(lambda: os.path.exists(os.path.join(gateway.state, "admin.password")), "they are made where we run")
    gateway._read_generated()
    wait_until(lambda: [f["key"] for f in faults(gateway)] == ["state.dir"], lambda: f"it is told: {faults(gateway)}")
    gateway.switch("failover")
    assert not other.exists()


# -- turnout.yaml: keys that a reload puts into effect -------------------------------------------


def test_advertised_host(gateway):
    with wire.login(gateway) as raw:
        assert {h for h, _ in nodes(raw).values()} == {HOST}
        change(gateway, advertised__host="gateway.example")
        assert {h for h, _ in nodes(raw).values()} == {"gateway.example"}
        coordinator = raw.ask(wire.find_coordinator("g"))
        coordinator.i32()
        assert coordinator.i16() == 0
        coordinator.string()
        coordinator.i32()
        assert coordinator.string() == "gateway.example"


def test_clusters_file_and_vclusters_dir(gateway, sandbox):
    """The new ones are in force, watched and written to."""
    token = gateway.token("teamA", "sa")
    old = gateway.clusters_file
    before = gateway.read_clusters()
    gateway.clusters_file = gateway.path("others.yaml")
    gateway.write_clusters("failover")
    os.mkdir(gateway.path("tenants"))
    with open(gateway.path("tenants", "teamC.yaml"), "w", encoding="utf-8") as f:
        f.write(f"prefix: {prefix_of('teamC')}\nusers: {{sc: {{}}}}\n")
    with wire.login(gateway, token=token) as raw:
        assert change(gateway, clusters__file=gateway.clusters_file, vclusters__dir="tenants")["warnings"] == 0
        assert raw.is_closed(), "teamA is no tenant any more"
    gateway.wait_active("failover")
    assert gateway.call("GET", "/admin/vclusters/v1") == {"vclusters": ["teamC"]}
    gateway.switch("main")
    assert "active: main" in gateway.read_clusters()
    gateway.edit_active("failover")
    gateway.wait_active("failover")
    gateway.token("teamD", "sd")
    assert os.path.exists(gateway.path("tenants", "teamD.yaml"))
    with open(old, encoding="utf-8") as f:
        assert f.read() == before


def test_admin_users(gateway):
    other = "pw-" + tokens.new_key()[:16]
    old = gateway.user
    gateway.secrets.append(other)
    users = f"[{{username: admin, password: '{other}', admin: true}}, {{username: root, password: '{other}'}}]"
    gateway.config["admin.users"] = users
    gateway.write_turnout()
    gateway.sighup()
    gateway.user = ("admin", other)
    wait_until(lambda: gateway.request("GET", "/admin/config/v1").status_code == 200, "the new password works")
    assert gateway.request("GET", "/admin/config/v1", auth=old).status_code == 401
    assert gateway.request("POST", "/admin/config/v1/reload", auth=("root", other)).status_code == 403
    change(gateway, admin__users=users.replace("}]", ", admin: true}]"))
    assert gateway.request("POST", "/admin/config/v1/reload", auth=("root", other)).status_code == 200


def test_metrics_secured(gateway):
    assert gateway.request("GET", "/metrics", auth=None).status_code == 401
    change(gateway, metrics__secured="false")
    assert gateway.request("GET", "/metrics", auth=None).status_code == 200
    change(gateway, metrics__secured="true")
    assert gateway.request("GET", "/metrics", auth=None).status_code == 401


def test_token_keys(gateway):
    """The first signs, all verify; a key that is gone lets nobody in, and cuts off whom it let in."""
    old, new = gateway.key, tokens.new_key()
    token = gateway.token("teamA", "sa")
    raw = wire.login(gateway, token=token)
    change(gateway, token__keys=f"[{new}, {old}]")
    fresh = gateway.token("teamA", "sa")
    assert fresh.rsplit(".", 1)[1] != token.rsplit(".", 1)[1]
    for good in (token, fresh, tokens.make(old, "sa", "teamA"), tokens.make(new, "sa", "teamA")):
        wire.login(gateway, token=good).close()
    change(gateway, token__keys=f"[{new}]")
    for bad in (token, tokens.make(old, "sa", "teamA")):
        with wire.Raw(gateway.address) as refused:
            assert refused.authenticate("sa", bad)[0] == wire.SASL_AUTHENTICATION_FAILED
    wire.login(gateway, token=fresh).close()
    assert raw.is_closed()


def test_limits_frame_bytes(gateway, sandbox):
    big = [b"x" * 100000]
    token = gateway.token("teamA", "sa")
    sandbox.create(gateway.physical("teamA", TOPIC), 1)
    with wire.leader_connection(gateway, TOPIC, token=token) as raw:
        assert wire.read_produce(raw.ask(wire.produce(TOPIC, big)))[TOPIC][0][0] == 0
        change(gateway, limits__frame__bytes=65536)
        raw.send(wire.produce(TOPIC, big))
        assert raw.is_closed()
    gateway.wait_log("request.too_large", r"size=100\d\d\d", "Produce")
    # The way back is limited too: the record that is there cannot come through ...
    with wire.leader_connection(gateway, TOPIC, token=token) as raw:
        raw.send(wire.fetch(TOPIC))
        assert raw.is_closed()
    gateway.wait_log("answer.refused", "limits.frame.bytes")
    # ... until it may.
    change(gateway, limits__frame__bytes=1 << 20)
    with wire.leader_connection(gateway, TOPIC, token=token) as raw:
        assert len(raw.ask(wire.fetch(TOPIC)).data) > 100000
        assert wire.read_produce(raw.ask(wire.produce(TOPIC, big)))[TOPIC][0][0] == 0


def test_limits_request_bytes(gateway):
    """Of a request that is no Produce."""
    names = [f"a-topic-with-a-long-name-{i:06}" for i in range(2500)]
    frame = (wire.Frame(wire.OFFSET_FETCH, 1, 5).string("g")
             .array(names, lambda f, t: f.string(t).array([0], lambda g, p: g.i32(p))))
    token = gateway.token("teamA", "sa")
    with wire.login(gateway, token=token) as raw:
        assert len(frame.data) > 65536 and raw.ask(frame).left() > 65536
        change(gateway, limits__request__bytes=65536)
        raw.send(frame)
        assert raw.is_closed()
    gateway.wait_log("request.too_large", "OffsetFetch")
    change(gateway, limits__request__bytes=1 << 20)
    with wire.login(gateway, token=token) as raw:
        assert raw.ask(frame).left() > 65536


def test_limits_frame_unauthenticated_bytes(gateway):
    long = "x" * 20000

    def attempt():
        with wire.Raw(gateway.address) as raw:
            assert raw.ask(wire.sasl_handshake()).i16() == 0
            raw.send(wire.sasl_authenticate("sa", long))
            try:
                return wire.Answer(raw.receive()).i16()
            except wire.RawClosed:
                return None

    assert attempt() == wire.SASL_AUTHENTICATION_FAILED
    change(gateway, limits__frame__unauthenticated__bytes=8192)
    assert attempt() is None
    gateway.wait_log("request.too_large", r"size=20\d\d\d")
    change(gateway, limits__frame__unauthenticated__bytes=65536)
    assert attempt() == wire.SASL_AUTHENTICATION_FAILED


def test_limits_connections(gateway):
    """In even shares of the (two) workers; those that are there stay."""
    token = gateway.token("teamA", "sa")

    def connected(wanted):
        """So many of the attempts are let in."""
        raws = [wire.Raw(gateway.address) for _ in range(wanted)]
        good = []
        for raw in raws:
            try:
                assert raw.authenticate("sa", token)[0] == 0
                good.append(raw)
            except wire.RawClosed:
                raw.close()
        return good

    here = connected(12)
    assert len(here) == 12
    change(gateway, limits__connections=4)
    for raw in here:
        raw.ask(wire.metadata([]))
    assert connected(4) == []
    gateway.wait_log("client.refused", "limits.connections is reached")
    for raw in here:
        raw.close()
    now = wait_until(lambda: connected(20), "some are let in again")
    assert 1 <= len(now) <= 4
    change(gateway, limits__connections=10000)
    more = connected(20)
    assert len(more) == 20
    for raw in now + more:
        raw.close()


def queued(ports):
    """Bytes between these brokers and the gateway that the gateway has not read."""
    total = 0
    with open("/proc/net/tcp", encoding="ascii") as f:
        for line in list(f)[1:]:
            local, remote, state, queues = line.split()[1:5]
            send, receive = (int(x, 16) for x in queues.split(":"))
            if state != "01":
                continue
            if int(local.split(":")[1], 16) in ports:
                total += send
            elif int(remote.split(":")[1], 16) in ports:
                total += receive
    return total


def test_limits_buffer_bytes(gateway, sandbox):
    """A client that does not read: a small buffer stops reading from the broker, a large one takes it all."""
    ports = {port for _, port in sandbox.addresses("main")}
    token = gateway.token("teamA", "sa")
    sandbox.create(gateway.physical("teamA", TOPIC), 1)
    with wire.leader_connection(gateway, TOPIC, token=token) as raw:
        assert wire.read_produce(raw.ask(wire.produce(TOPIC, [b"x" * 900000])))[TOPIC][0][0] == 0

    def stall():
        raw = wire.leader_connection(gateway, TOPIC, token=token)
        for i in range(24):
            raw.send(wire.fetch(TOPIC, correlation=i))
        return raw

    def settled():
        first = queued(ports)
        time.sleep(0.3)
        return first if queued(ports) == first else None

    change(gateway, limits__buffer__bytes=16384)
    raw = stall()
    wait_until(lambda: (settled() or 0) > 1000000, lambda: f"the broker is not read from: {queued(ports)}")
    raw.close()
    wait_until(lambda: queued(ports) < 100000, "its connection is gone")
    change(gateway, limits__buffer__bytes=1 << 30)
    raw = stall()
    time.sleep(0.5)
    wait_until(lambda: settled() == 0, lambda: f"all is in the gateway: {queued(ports)}")
    for i in range(24):
        assert wire.Answer(raw.receive()).correlation == i
    raw.close()


def test_timeouts_authenticate(gateway):
    with wire.Raw(gateway.address) as silent:
        assert not silent.is_closed(timeout=1)
        change(gateway, timeouts__authenticate__ms=200)
        assert silent.is_closed()
    gateway.wait_log("client.close", "timeouts.authenticate")


def test_timeouts_idle(gateway):
    with wire.login(gateway) as raw:
        raw.ask(wire.metadata([]))
        assert not raw.is_closed(timeout=1)
        change(gateway, timeouts__idle__ms=1000)
        assert raw.is_closed()
    gateway.wait_log("client.close", "timeouts.idle")


@pytest.fixture
def black_hole():
    """A port that neither takes nor refuses connections: its queue is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(address)
            fillers.append(filler)
        yield f"127.0.0.1:{address[1]}"
        for filler in fillers:
            filler.close()


def test_timeouts_connect(sandbox, start_gateway, black_hole):
    gateway = start_gateway({**sandbox.clusters, "hole": black_hole},
                            config={"timeouts.connect.ms": 600, "probe.timeout.ms": 600000, "probe.interval.ms": 100})
    wait_until(lambda: "no connection in time" in str(physical(gateway, "hole")["error"]), "the first attempt has failed")
    assert physical(gateway, "hole")["checkedMsAgo"] is not None
    change(gateway, timeouts__connect__ms=600000)
    # With the old value the next attempt would have failed four times by then.
    wait_until(lambda: physical(gateway, "hole")["checkedMsAgo"] > 3000, "the attempt under way goes on")


def test_switch_drain_timeout(sandbox, start_gateway):
    """A long one waits for an answer of the old cluster; a short one cuts the connection."""
    gateway = start_gateway(sandbox.clusters, config={"switch.drain.timeout.ms": 600000})
    token = gateway.token("teamA", "sa")
    sandbox.mirror(False)
    sandbox.create(gateway.physical("teamA", TOPIC), 1)

    def switch(to, source, delay):
        with wire.leader_connection(gateway, TOPIC, token=token) as raw:
            assert wire.read_produce(raw.ask(wire.produce(TOPIC, [b"warm"])))[TOPIC][0][0] == 0
            sandbox.rtt(source, delay)
            before = metric(gateway, "turnout_requests_total")
            raw.send(wire.produce(TOPIC, [b"slow"], correlation=7))
            wait_until(lambda: metric(gateway, "turnout_requests_total") > before, "it is on its way")
            result = gateway.switch(to, force="true")
            sandbox.rtt(source, 0)
            if result["cut"] == 0:
                assert wire.Answer(raw.receive()).correlation == 7
            else:
                assert raw.is_closed()
            return result["cut"]

    assert switch("failover", "main", 3000) == 0
    change(gateway, switch__drain__timeout__ms=100)
    assert switch("main", "failover", 20000) == 1


def test_switch_settle_timeout(gateway):
    """With no time at all, a worker is sometimes late, which is told; the switch is done all the same."""
    def switch(times):
        for i in range(times):
            gateway.switch("failover" if i % 2 == 0 else "main")
        return gateway.log_lines("warn switch.settle_late")

    assert switch(4) == []
    change(gateway, switch__settle__timeout__ms=0)
    stop = threading.Event()

    def load():
        with wire.login(gateway) as raw:
            while not stop.is_set():
                raw.ask(wire.metadata([]))

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: switch(2), "a worker that is late is told of", seconds=60, pause=0)
    stop.set()
    for thread in threads:
        thread.join(30)
    assert gateway.log_lines("warn switch.done", "generation=")


def test_probe_interval(sandbox, start_gateway):
    gateway = start_gateway(sandbox.clusters, config={"probe.interval.ms": 3600000})
    wait_until(lambda: physical(gateway, "failover")["reachable"], "failover was asked once")
    sandbox.down("failover")
    wait_until(lambda: physical(gateway, "failover")["checkedMsAgo"] > 2000, "it is not asked again")
    assert physical(gateway, "failover")["reachable"]
    sandbox.up("failover")
    change(gateway, probe__interval__ms=100)
    wait_until(lambda: physical(gateway, "failover")["reachable"], "it was asked by the reload")
    sandbox.down("failover")
    wait_until(lambda: not physical(gateway, "failover")["reachable"], "it is asked often now")
    sandbox.up("failover")


def test_probe_timeout(sandbox, start_gateway):
    gateway = start_gateway(sandbox.clusters, config={"probe.timeout.ms": 60000, "probe.interval.ms": 100})
    sandbox.rtt("failover", 700)
    wait_until(lambda: (physical(gateway, "failover")["checkedMsAgo"] or 0) > 500, "a slow answer is waited for")
    assert physical(gateway, "failover")["reachable"]
    change(gateway, probe__timeout__ms=300)
    wait_until(lambda: not physical(gateway, "failover")["reachable"], "it is too slow now")
    change(gateway, probe__timeout__ms=60000)
    wait_until(lambda: physical(gateway, "failover")["reachable"], "and in time again")
    sandbox.rtt("failover", 0)


def test_log_level(gateway):
    change(gateway, log__level="error")
    before = gateway.log()
    gateway.switch("failover")
    wire.login(gateway).close()
    assert gateway.log() == before
    change(gateway, log__level="info")
    gateway.switch("main")
    gateway.wait_log("info switch.done", "to=main")
    assert not [line for line in gateway.log()[len(before):].splitlines() if " debug " in line]
    change(gateway, log__level="debug")
    gateway.wait_log("debug admin.request")


# -- clusters.yaml -------------------------------------------------------------------------------


def test_bootstrap_servers_and_roles(gateway, sandbox, tmp_path):
    """A cluster's servers are exchanged under it: the same name, other brokers."""
    assert physical(gateway, "failover")["gateway.roles"] == ""
    gateway.write_clusters("main", "    gateway.roles: failover\n")
    gateway.reload()
    assert physical(gateway, "failover")["gateway.roles"] == "failover"
    old = {b["port"] for b in physical(gateway, "main")["brokers"]}
    gateway.clusters = {"main": sandbox.clusters["failover"], "failover": sandbox.clusters["main"]}
    gateway.write_clusters("main")
    gateway.reload()
    wait_until(lambda: not old & {b["port"] for b in physical(gateway, "main")["brokers"]}, "main has other brokers")
    gateway.wait_log("warn cluster.replaced", "cluster=main")
    sandbox.mirror(False)
    Kcat(gateway.client(), tmp_path).produce(TOPIC, ["a", "b"])
    sandbox.wait_count(gateway.physical("teamA", TOPIC), failover=2, main=-1)


# -- vclusters/NAME.yaml -------------------------------------------------------------------------


def test_prefix(gateway, sandbox, tmp_path):
    """Its clients are cut, so that none carries state from one name space into the other."""
    write_vcluster(gateway, "teamA")
    kcat = Kcat(gateway.client(), tmp_path)
    kcat.produce(TOPIC, ["a"])
    with wire.login(gateway) as raw:
        other = prefix_of("teamAnew")
        gateway.prefixes.append(other)
        write_vcluster(gateway, "teamA", prefix=other)
        assert raw.is_closed()
    kcat.produce(TOPIC, ["b", "c"])
    sandbox.wait_count(other + TOPIC, main=2)
    sandbox.wait_count(gateway.physical("teamA", TOPIC), main=1)


def test_cluster_and_active_of_a_tenant(gateway, sandbox, tmp_path):
    """Another logical cluster, then a canary; teamB stays where it is."""
    sandbox.mirror(False)
    write_vcluster(gateway, "teamA", cluster="failover")
    wait_until(lambda: gateway.active("failover") == "failover", "there is a logical cluster failover")
    Kcat(gateway.client(), tmp_path).produce(TOPIC, ["a"])
    sandbox.wait_count(gateway.physical("teamA", TOPIC), failover=1, main=-1)
    write_vcluster(gateway, "teamA", cluster="failover", active="main")
    gateway.wait_log("info switch.done", "cluster=vcluster:teamA", "to=main")
    Kcat(gateway.client(), tmp_path).produce(TOPIC, ["b", "c"])
    sandbox.wait_count(gateway.physical("teamA", TOPIC), failover=1, main=2)
    assert gateway.active("main") == "main" and gateway.active("failover") == "failover"


def test_users(gateway):
    write_vcluster(gateway, "teamA")
    token = gateway.token("teamA", "sa")
    with wire.login(gateway, token=token) as raw:
        write_vcluster(gateway, "teamA", users="{sa: {}, sb: {}}")
        raw.ask(wire.metadata([]))
        wire.login(gateway, user="sb", token=tokens.make(gateway.key, "sb", "teamA")).close()
        write_vcluster(gateway, "teamA", users="{sb: {}}")
        assert raw.is_closed()
    with wire.Raw(gateway.address) as refused:
        assert refused.authenticate("sa", token)[0] == wire.SASL_AUTHENTICATION_FAILED


def test_an_alias_acts_on_a_connection_at_its_next_request(gateway):
    """What the file alone decides: a read-only alias refuses what a topic of the tenant's own would be asked for."""
    def error():
        return wire.read_produce(raw.ask(wire.produce("lent", [b"x"])))["lent"][0][0]

    write_vcluster(gateway, "teamA")
    with wire.login(gateway) as raw:
        assert error() == 3
        write_vcluster(gateway, "teamA", topics="{lent: {physical: existingSharedTopic, read.only: true}}")
        assert not [f for f in faults(gateway) if f["key"] == "topics"]
        assert error() == 29
        write_vcluster(gateway, "teamA")
        assert error() == 3
