# SPDX-License-Identifier: Apache-2.0
"""Which cluster is active stands in the file: whoever writes it, and whichever gateway reads it."""

import re
import time

import pytest
from drivers import DRIVERS, Target
from lib.gateway import ApiError
from world import physical


@pytest.fixture(scope="module")
def ready(gateway, direct):
    """The module's gateway with a topic on both clusters."""
    for cluster in direct.values():
        cluster.create(physical("blue", "restart"))
    return gateway


def write(gateway, lab, tmp_path, value):
    """Produce one record through a gateway."""
    driver = DRIVERS["confluent-kafka"](gateway.target("blue"), lab, str(tmp_path))
    assert driver.produce("restart", [value]) == 1


def edit_in_place(gateway, to):
    """Edit `active` as some editors do: the same file is cut to nothing and written again."""
    text = re.sub(r"(?m)^active: \S+", f"active: {to}", gateway.read_clusters())
    with open(gateway.clusters_file, "w", encoding="utf-8") as out:
        out.write(text)


def test_a_restarted_gateway_is_on_the_active_cluster(ready, lab, direct, tmp_path):
    """After a switch and a restart, status and data are on failover; the old token is good."""
    ready.switch("failover")
    ready.restart()
    assert ready.active() == "failover"
    write(ready, lab, tmp_path, "after the restart")
    assert "after the restart" in direct["failover"].values(physical("blue", "restart"))
    assert "after the restart" not in direct["main"].values(physical("blue", "restart"))


def test_a_killed_gateway_is_on_the_active_cluster(ready):
    """SIGKILL right after the answer of a switch: the file has it already."""
    ready.switch("main")
    ready.switch("failover")
    ready.process.kill()
    ready.start()
    assert ready.active() == "failover"


def test_the_call_keeps_the_rest_of_the_file(ready):
    """A switch changes one word of clusters.yaml."""
    ready.switch("main")
    text = ready.read_clusters()
    ready.switch("failover")
    assert "# written by the tests: this comment must survive" in text
    assert ready.read_clusters() == text.replace("active: main ", "active: failover ")


@pytest.mark.parametrize("edit", ["in place", "by rename"])
def test_an_edit_of_the_file_switches(ready, lab, direct, tmp_path, edit):
    """`active` edited is a switch, without any call; also when it is put back to what it was at the start."""
    ready.switch("main")
    if edit == "in place":
        edit_in_place(ready, "failover")
    else:
        ready.edit_active("failover")
    ready.wait_active("failover")
    write(ready, lab, tmp_path, f"after the edit {edit}")
    assert f"after the edit {edit}" in direct["failover"].values(physical("blue", "restart"))


def test_sighup_switches_after_an_edit(ready):
    """SIGHUP is a reload, too; twice does no harm."""
    ready.switch("failover")
    ready.edit_active("main")
    ready.sighup()
    ready.sighup()
    ready.wait_active("main")
    assert ready.process.alive()


def test_two_gateways_follow_one_file(ready, make_gateway, lab, tmp_path):
    """Gateways that share clusters.yaml move together, whichever of them is called; tokens are good for both."""
    other = make_gateway(clusters_file=ready.clusters_file, key=ready.key)
    ready.switch("failover")
    other.wait_active("failover")
    assert other.switch("failover")["message"] == "Cluster switched"
    other.switch("main")
    ready.wait_active("main")
    other.write_vcluster("blue", ready.read_vcluster("blue"))
    other.reload()
    target = Target(other.bootstrap, ready.target().user, ready.target().token)
    assert "restart" in DRIVERS["confluent-kafka"](target, lab, str(tmp_path)).topics()


@pytest.mark.parametrize("to,status", [("nowhere", 400), ("", 400)])
def test_unknown_clusters_are_refused(ready, to, status):
    """400 with a sentence, and nothing moves."""
    ready.switch("main")
    with pytest.raises(ApiError) as refused:
        ready.switch(to)
    assert refused.value.status == status
    assert "message" in refused.value.text
    assert ready.active() == "main"


def test_the_same_cluster_again_moves_nothing(ready):
    """200, and the generation stays."""
    ready.switch("main")
    before = ready.call("GET", "/admin/pclusters/v1/pcluster/main")["generation"]
    assert ready.switch("main")["message"] == "Cluster switched"
    assert ready.call("GET", "/admin/pclusters/v1/pcluster/main")["generation"] == before


def test_an_unreachable_cluster_is_refused(ready, make_gateway, lab, direct, tmp_path):
    """503 unless forced; the tenant's traffic stays on main."""
    assert ready.process.alive()
    gateway = make_gateway(broken={"gone": "127.0.0.9:1,127.0.0.9:2,127.0.0.9:3"})
    with pytest.raises(ApiError) as refused:
        gateway.switch("gone")
    assert refused.value.status == 503
    assert gateway.active() == "main"
    write(gateway, lab, tmp_path, "still on main")
    assert "still on main" in direct["main"].values(physical("blue", "restart"))
    gateway.switch("gone", force="true")
    assert gateway.active() == "gone"
    time.sleep(0.5)
    gateway.switch("main")
    write(gateway, lab, tmp_path, "main again")
