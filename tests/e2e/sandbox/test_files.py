# SPDX-License-Identifier: Apache-2.0
"""The files while the gateway runs: reloads, faults, writes of the API, directories that cannot be written."""

import os
import re
import subprocess
import threading

import pytest

from lib import wire
from lib.gateway import ApiError, prefix_of
from lib.load import Witness
from lib.wait import wait_until

RAW = True


def config(gateway):
    return gateway.call("GET", "/admin/config/v1")


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


@pytest.mark.parametrize("name,text,where", [
    ("clusters.yaml", "active: main\nconfig:\n  main:\n    bootstrap.servers: 127.0.0.1:1\n  - broken\n", ":"),
    ("clusters.yaml", "active: nowhere\nconfig:\n  main:\n    bootstrap.servers: 127.0.0.1:1\n", ":1:9"),
    ("clusters.yaml", "active: main\nconfig:\n  main:\n    bootstrap.servers: [1, 2]\n", ":4:"),
    ("clusters.yaml", "activ: main\nconfig:\n  main:\n    bootstrap.servers: 127.0.0.1:1\n", ":1:1"),
    ("clusters.yaml", "", ""),
    ("vclusters/teamA.yaml", "prefix: [a]\n", ":1:9"),
    ("vclusters/teamA.yaml", "prefix: \"unclosed\n", ":"),
    ("vclusters/teamC.yaml", f"prefix: {prefix_of('teamB')}more\n", "teamB.yaml"),
    ("turnout.yaml", "port.start: many\n", ":1:13"),
])
def test_a_faulty_file_never_reaches_the_data_path(gateway, sandbox, name, text, where):
    """The last good snapshot serves on, and the fault is told with its place."""
    token = gateway.token("teamA", "sa")
    with wire.login(gateway, token=token) as raw:
        path = gateway.path(name)
        before = None
        if os.path.exists(path):
            with open(path, encoding="utf-8") as f:
                before = f.read()
        number = config(gateway)
        write(path, text)
        wait_until(lambda: config(gateway).get("faults"), lambda: f"faults: {config(gateway)}")
        faults = str(config(gateway)["faults"])
        assert os.path.basename(name) in faults
        raw.ask(wire.metadata([]))
        with wire.login(gateway, token=token):
            pass
        assert gateway.active() == "main"
        assert gateway.log_lines(re.escape(os.path.basename(name)) + ".*" + re.escape(where))
        status = gateway.ctl("status", check=False)
        assert os.path.basename(name) in status.stdout + status.stderr, "turnoutctl status hides the fault"
        if before is None:
            os.unlink(path)
        else:
            write(path, before)
        wait_until(lambda: not any("rror" in str(f) for f in config(gateway).get("faults", [])), "the fault is gone")
        raw.ask(wire.metadata([]))
        assert number


def test_a_missing_clusters_file_keeps_the_last_good_one(gateway):
    with wire.login(gateway) as raw:
        os.rename(gateway.clusters_file, gateway.clusters_file + ".away")
        wait_until(lambda: config(gateway).get("faults"), "the missing file is told")
        raw.ask(wire.metadata([]))
        os.rename(gateway.clusters_file + ".away", gateway.clusters_file)
        gateway.reload()
        assert gateway.active() == "main"
        raw.ask(wire.metadata([]))


def test_api_writes_keep_comments_order_and_blank_lines(gateway):
    text = ("# head\n\nactive: main     # who serves\n\n# the clusters\nconfig:\n"
            + "".join(f"  {n}:   # cluster {n}\n    bootstrap.servers: '{b}'\n\n" for n, b in gateway.clusters.items())
            + "# tail\n")
    write(gateway.clusters_file, text)
    gateway.reload()
    gateway.switch("failover")
    assert gateway.read_clusters() == text.replace("active: main ", "active: failover ")
    gateway.switch("main")
    assert gateway.read_clusters() == text


def test_api_writes_of_users_keep_the_tenants_file(gateway):
    text = f"# tenant A\n\nprefix: {prefix_of('teamA')}   # never change\nusers:\n  old: {{}}   # the first\n\n# the end\n"
    gateway.write_vcluster("teamA", text)
    gateway.reload()
    gateway.token("teamA", "sa")
    with open(gateway.path("vclusters", "teamA.yaml"), encoding="utf-8") as f:
        after = f.read()
    for line in text.splitlines():
        assert line in after
    assert "sa" in after
    gateway.token("teamA", "sa")
    with open(gateway.path("vclusters", "teamA.yaml"), encoding="utf-8") as f:
        assert f.read() == after, "a second token of a known user must not touch the file"


def test_an_edit_that_changes_nothing_is_nothing(gateway):
    with wire.login(gateway) as raw:
        before = config(gateway)
        write(gateway.clusters_file, gateway.read_clusters())
        gateway.reload()
        after = config(gateway)
        assert {k: v for k, v in before.items() if k in ("snapshot", "generation", "number")} == \
               {k: v for k, v in after.items() if k in ("snapshot", "generation", "number")}
        raw.ask(wire.metadata([]))


def test_reload_storm(gateway, sandbox):
    """Edits, SIGHUPs and reload calls at once for a while: clients never notice, the last edit wins."""
    token = gateway.token("teamA", "sa")
    witness = Witness(gateway, token)
    witness.start()
    stop = threading.Event()

    def edit():
        turn = 0
        while not stop.is_set():
            turn += 1
            write(gateway.path("vclusters", "storm.yaml"), f"prefix: storm\nusers: {{user{turn}: {{}}}}\n")

    def hang_up():
        while not stop.is_set():
            gateway.sighup()
            stop.wait(0.003)

    def reload():
        while not stop.is_set():
            gateway.request("POST", "/admin/config/v1/reload")

    threads = [threading.Thread(target=t) for t in (edit, hang_up, reload, reload)]
    for thread in threads:
        thread.start()
    wait_until(lambda: witness.answers > 200, "two hundred answers during the storm", seconds=60)
    stop.set()
    for thread in threads:
        thread.join(60)
    write(gateway.path("vclusters", "storm.yaml"), "prefix: storm\nusers: {last: {}}\n")
    gateway.reload()
    listed = gateway.call("GET", "/admin/vclusters/v1/vcluster/storm")
    assert "last" in str(listed)
    witness.stop()


def test_a_file_that_is_being_rewritten_is_never_taken_for_empty(gateway):
    """An editor that truncates and then writes: for a moment the file is empty, and an empty turnout.yaml or
    tenant's file is a legal one. What it leaves out must not be taken for removed."""
    with open(gateway.path("turnout.yaml"), encoding="utf-8") as f:
        text = f.read()
    tenant = f"prefix: {prefix_of('teamA')}\nusers: {{sa: {{}}}}\n"
    stop = threading.Event()

    def rewrite():
        while not stop.is_set():
            for path, whole in ((gateway.path("turnout.yaml"), text), (gateway.path("vclusters", "teamA.yaml"), tenant)):
                with open(path, "w", encoding="utf-8") as f:
                    stop.wait(0.001)
                    f.write(whole)
            stop.wait(0.01)

    writer = threading.Thread(target=rewrite)
    writer.start()
    try:
        for _ in range(200):
            answer = gateway.request("POST", "/admin/config/v1/reload")
            assert answer.status_code != 401, "an empty turnout.yaml was taken: its accounts are gone"
            answer = gateway.request("GET", "/admin/vclusters/v1/vcluster/teamA")
            assert prefix_of("teamA") in answer.text, f"an empty tenant's file was taken: {answer.text}"
    finally:
        stop.set()
        writer.join()


def test_symlinked_files_as_kubernetes_mounts_them(sandbox, start_gateway, tmp_path):
    """A ConfigMap volume: the file is a link to ..data/file, and ..data is swapped as a whole."""
    volume = tmp_path / "volume"

    def publish(version, active):
        folder = volume / version
        folder.mkdir(parents=True)
        lines = [f"active: {active}", "config:"]
        for name, bootstrap in sandbox.clusters.items():
            lines += [f"  {name}:", f"    bootstrap.servers: {bootstrap}"]
        (folder / "clusters.yaml").write_text("\n".join(lines) + "\n")
        os.symlink(version, volume / "..tmp")
        os.rename(volume / "..tmp", volume / "..data")

    publish("v1", "main")
    os.symlink("..data/clusters.yaml", volume / "clusters.yaml")
    gateway = start_gateway(sandbox.clusters, clusters_file=str(volume / "clusters.yaml"))
    publish("v2", "failover")
    gateway.wait_active("failover")


@pytest.fixture
def read_only_mount(tmp_path):
    """read_only_mount(folder) makes a folder read-only even for root; undone after the test."""
    mounted = []

    def mount(folder):
        done = subprocess.run(["mount", "--bind", folder, folder], capture_output=True, text=True)
        assert done.returncode == 0, f"this test needs root with CAP_SYS_ADMIN: {done.stderr}"
        mounted.append(folder)
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)

    yield mount
    for folder in reversed(mounted):
        subprocess.run(["umount", "-l", folder], check=True)


def test_a_read_only_directory_is_answered_409(gateway, read_only_mount):
    """With the exact line to edit; the gateway serves on, and a switch has moved nothing."""
    gateway.token("teamA", "sa")
    before = gateway.read_clusters()
    read_only_mount(gateway.etc)
    with pytest.raises(ApiError) as refused:
        gateway.switch("failover")
    assert refused.value.status == 409
    assert "clusters.yaml" in refused.value.text and "active: failover" in refused.value.text
    assert gateway.active() == "main" and gateway.read_clusters() == before
    with pytest.raises(ApiError) as refused:
        gateway.token("teamA", "somebody-new")
    assert refused.value.status == 409 and "teamA.yaml" in refused.value.text
    gateway.token("teamA", "sa")  # known already: nothing to write


def test_check_tells_all_faults_at_once(gateway):
    write(gateway.path("vclusters", "teamA.yaml"), "prefx: a\nusers: 5\n")
    write(gateway.path("vclusters", "teamC.yaml"), "prefix: [x]\n")
    done = subprocess.run(gateway.command("--check"), capture_output=True, text=True, timeout=60)
    text = done.stdout + done.stderr
    assert done.returncode != 0
    assert "teamA.yaml:1:1" in text and "prefix" in text, "did you mean"
    assert "teamA.yaml:2:8" in text and "teamC.yaml:1:9" in text
    by_tool = gateway.ctl("check", "--config", gateway.path("turnout.yaml"), check=False)
    assert by_tool.returncode != 0 and "teamC.yaml:1:9" in by_tool.stdout + by_tool.stderr


def test_check_passes_good_files(gateway):
    done = subprocess.run(gateway.command("--check"), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_faulty_file_at_the_start_ends_it(sandbox, start_gateway):
    gateway = start_gateway(sandbox.clusters)
    gateway.stop()
    write(gateway.clusters_file, "active: nowhere\nconfig:\n  main:\n    bootstrap.servers: 127.0.0.1:1\n")
    gateway.start(wait=False)
    status = gateway.process.popen.wait(30)
    assert status not in (0, None) and status > 0
    assert gateway.log_lines("clusters.yaml:1:9")
    gateway.expect_exit = status
