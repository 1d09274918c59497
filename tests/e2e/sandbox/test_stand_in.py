# SPDX-License-Identifier: Apache-2.0
"""clusters.yaml named by the environment and mounted read-only, as in the compose file of the seed: a switch is kept
in active.yaml of the state directory, and an edit of clusters.yaml wins over it."""

import os
import re
import subprocess

import pytest

from lib.gateway import ApiError
from lib.kcat import Kcat
from lib.load import Writer
from lib.process import find_binary
from lib.wait import wait_until


def seed_clusters(sandbox, active=""):
    """The seed's own file: no `active` in it."""
    return (active + "config:\n"
            + "".join(f"  {name}:\n    bootstrap.servers: {b}\n\n" for name, b in sandbox.clusters.items()))


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


class ReadOnly:
    """A folder of the host, and a read-only bind mount of it as the gateway sees it."""

    def __init__(self, directory):
        self.host = os.path.join(str(directory), "host")
        self.seen = os.path.join(str(directory), "seen")
        os.makedirs(self.host)
        os.makedirs(self.seen)
        self.file = os.path.join(self.seen, "clusters.yaml")

    def write(self, text):
        write(os.path.join(self.host, "clusters.yaml"), text)

    def read(self):
        return read(self.file)

    def mount(self):
        done = subprocess.run(["mount", "--bind", self.host, self.seen], capture_output=True, text=True)
        assert done.returncode == 0, f"this test needs root with CAP_SYS_ADMIN: {done.stderr}"
        self.writable(False)

    def writable(self, on):
        subprocess.run(["mount", "-o", f"remount,bind,{'rw' if on else 'ro'}", self.seen], check=True)

    def unmount(self):
        subprocess.run(["umount", "-l", self.seen], check=True)


@pytest.fixture
def mounted(sandbox, tmp_path):
    folder = ReadOnly(tmp_path)
    folder.write(seed_clusters(sandbox))
    folder.mount()
    yield folder
    folder.unmount()


@pytest.fixture
def gateway(sandbox, start_gateway, mounted):
    """Named by the variable, in the seed's own form."""
    return start_gateway(sandbox.clusters, clusters_file=mounted.file, config={"clusters.file": "/not/this/one.yaml"},
                         env={"GATEWAY_BACKEND_KAFKA_SELECTOR": f"file : {{ path:  {mounted.file}}}"})


def active_yaml(gateway):
    return os.path.join(gateway.state, "active.yaml")


def faults(gateway):
    return gateway.call("GET", "/admin/config/v1")["faults"]


def test_the_seeds_switch_on_a_read_only_file(gateway, sandbox, mounted, tmp_path):
    """By the API, under load; told everywhere; kept over a restart; and back."""
    before = mounted.read()
    sandbox.mirror(False)  # only what clients write is to be counted
    physical = gateway.physical("teamA", "users")
    sandbox.create(physical, 1)
    writer = Writer(gateway.client(), "users")
    writer.start()
    wait_until(lambda: len(writer.acked) >= 5, "five records on main")
    answer = gateway.switch("failover")
    assert answer["message"] == "Cluster switched" and gateway.active() == "failover"
    seen = len(writer.acked)
    wait_until(lambda: len(writer.acked) >= seen + 5, "five more on failover")
    writer.stop()
    assert mounted.read() == before
    text = read(active_yaml(gateway))
    assert text.startswith("# Written by turnoutd") and mounted.file in text
    assert text.endswith("active:\n  main: {cluster: failover}\n")
    assert gateway.log_lines("warn switch.kept_aside cluster=main to=failover", re.escape(active_yaml(gateway)))

    told = f"active of main is failover by {active_yaml(gateway)}, because {mounted.file} cannot be written"
    wait_until(lambda: [f for f in faults(gateway) if f["severity"] == "warning" and told in f["text"]],
               lambda: f"the warning: {faults(gateway)}")
    assert told in gateway.ctl("status").stdout
    assert active_yaml(gateway) in str(gateway.call("GET", "/admin/config/v1")["files"])
    check = subprocess.run(gateway.command("--check"), capture_output=True, text=True, timeout=60,
                           env={**os.environ, **gateway.env})
    assert check.returncode == 0 and told in check.stdout and check.stderr == ""
    assert "main is served by failover" in check.stdout
    assert not re.search(r"warning.*warning:", check.stdout), "said twice"

    gateway.restart()
    assert gateway.active() == "failover"
    assert gateway.call("GET", "/admin/pclusters/v1/pcluster/main")["generation"] == 1, "a restart is no switch"
    on_failover = sandbox.count(physical)["failover"]
    Kcat(gateway.client(), tmp_path).produce("users", ["after the restart"])
    sandbox.wait_count(physical, failover=on_failover + 1)

    gateway.ctl("switch", "main", "main")
    assert gateway.active() == "main" and read(active_yaml(gateway)).endswith("active:\n")
    wait_until(lambda: not faults(gateway), "no warning is left")
    gateway.restart()
    assert gateway.active() == "main"


def test_an_edit_of_clusters_yaml_wins(gateway, sandbox, mounted):
    gateway.switch("failover")
    mounted.write(seed_clusters(sandbox, "active: main   # by hand\n"))
    gateway.wait_active("main")
    gateway.wait_log("config.fault", "active.yaml", "failover is not used any more")
    wait_until(lambda: "failover" not in read(active_yaml(gateway)).split("\nactive:")[1], "the entry is dropped")
    wait_until(lambda: not faults(gateway), lambda: f"no warning is left: {faults(gateway)}")

    # Now the file has an active: a switch is kept aside again, and an edit wins again ...
    gateway.switch("failover")
    assert "main: {cluster: failover, instead.of: main}" in read(active_yaml(gateway))
    gateway.restart()
    assert gateway.active() == "failover"
    mounted.write(seed_clusters(sandbox, "active: failover\n"))
    wait_until(lambda: "instead.of: main" not in read(active_yaml(gateway)), "the entry is dropped")
    assert gateway.active() == "failover"
    # ... also one that brings back what stood there before.
    mounted.write(seed_clusters(sandbox, "active: main\n"))
    gateway.wait_active("main")
    gateway.restart()
    assert gateway.active() == "main"


def test_an_edit_while_the_gateway_is_down_wins(gateway, sandbox, mounted):
    gateway.switch("failover")
    gateway.stop()
    mounted.write(seed_clusters(sandbox, "active: main\n"))
    gateway.start()
    assert gateway.active() == "main"
    assert gateway.log_lines("config.fault", "not used any more")


def test_removing_the_entry_switches_back(gateway):
    gateway.switch("failover")
    os.unlink(active_yaml(gateway))
    gateway.wait_active("main")


def test_a_bad_file_is_a_fault_and_the_last_good_one_serves_on(gateway):
    gateway.switch("failover")
    good = read(active_yaml(gateway))
    write(active_yaml(gateway), "active: {main: {cluster: nowhere}}\n")
    wait_until(lambda: "nowhere" in str(faults(gateway)), lambda: f"the fault is told: {faults(gateway)}")
    assert gateway.active() == "failover"
    write(active_yaml(gateway), good)
    wait_until(lambda: "nowhere" not in str(faults(gateway)), "the fault is gone")
    assert gateway.active() == "failover"


def test_once_it_can_be_written_the_file_itself_is_edited(gateway, mounted):
    gateway.switch("failover")
    mounted.writable(True)
    gateway.switch("main")
    assert gateway.active() == "main" and mounted.read().startswith("active: main\n")
    assert read(active_yaml(gateway)).endswith("active:\n")
    gateway.switch("failover")
    assert mounted.read().startswith("active: failover\n")
    gateway.restart()
    assert gateway.active() == "failover" and not faults(gateway)


def test_state_dir_waits_for_a_restart_and_so_does_active_yaml(sandbox, start_gateway, mounted, tmp_path):
    """The new folder must not be looked into before the restart: it has no entry, or another one."""
    gateway = start_gateway(sandbox.clusters, clusters_file=mounted.file,
                            env={"GATEWAY_BACKEND_KAFKA_SELECTOR": f"{{file: {{path: {mounted.file}}}}}"})
    gateway.stop()
    gateway.command = lambda *more: [find_binary("turnoutd"), "--config", gateway.path("turnout.yaml"), *more]
    gateway.config["state.dir"] = gateway.state
    gateway.start()
    gateway.switch("failover")
    other = tmp_path / "other"
    other.mkdir()
    gateway.config["state.dir"] = str(other)
    gateway.write_turnout()
    gateway.reload()
    assert "state.dir" in [f["key"] for f in faults(gateway)]
    assert gateway.active() == "failover"
    gateway.switch("main")
    gateway.switch("failover")
    assert "failover" in read(active_yaml(gateway)) and not os.listdir(other)


def test_without_the_variable_it_stays_409(sandbox, start_gateway, mounted):
    gateway = start_gateway(sandbox.clusters, clusters_file=mounted.file)
    with pytest.raises(ApiError) as refused:
        gateway.switch("failover")
    assert refused.value.status == 409 and "active: failover" in refused.value.text
    assert gateway.active() == "main" and not os.path.exists(active_yaml(gateway))


def test_a_canarys_own_active_stays_409(sandbox, start_gateway, mounted, tmp_path):
    """Its file is not the one that the variable names."""
    gateway = start_gateway(sandbox.clusters, clusters_file=mounted.file, vclusters=("teamA",),
                            env={"GATEWAY_BACKEND_KAFKA_SELECTOR": f"{{file: {{path: {mounted.file}}}}}"})
    path = gateway.path("vclusters", "teamA.yaml")
    write(path, read(path) + "active: main\n")
    gateway.reload()
    subprocess.run(["mount", "--bind", gateway.etc, gateway.etc], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", gateway.etc], check=True)
        with pytest.raises(ApiError) as refused:
            gateway.switch("failover", logical="vcluster:teamA")
        assert refused.value.status == 409 and "teamA.yaml" in refused.value.text
        gateway.switch("failover")
        assert gateway.active() == "failover"
    finally:
        subprocess.run(["umount", "-l", gateway.etc], check=True)
