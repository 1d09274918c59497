# SPDX-License-Identifier: Apache-2.0
"""Which cluster is active stands in the file: whoever writes it, and whichever gateway reads it."""

import signal
import time

import pytest
from drivers import DRIVERS
from kafkalab import ApiError
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


def set_active(gateway, to):
    """Edit `active` as a person would: in place, everything else kept."""
    with open(gateway.clusters_yaml, encoding="utf-8") as source:
        lines = [line for line in source.read().splitlines() if not line.startswith("active:")]
    with open(gateway.clusters_yaml, "w", encoding="utf-8") as out:
        out.write(f"active: {to}\n" + "\n".join(lines) + "\n")


def test_a_restarted_gateway_is_on_the_active_cluster(ready, lab, direct, tmp_path):
    """After a switch and a restart, status and data are on failover; the old token is good."""
    ready.switch("failover")
    assert ready.stop() == 0
    ready.start(die_with_parent=True)
    assert ready.active() == "failover"
    write(ready, lab, tmp_path, "after the restart")
    assert "after the restart" in direct["failover"].values(physical("blue", "restart"))
    assert "after the restart" not in direct["main"].values(physical("blue", "restart"))


def test_a_killed_gateway_is_on_the_active_cluster(ready):
    """SIGKILL right after the answer of a switch: the file has it already."""
    ready.switch("main")
    ready.switch("failover")
    ready.process.stop(grace=0)
    ready.start(die_with_parent=True)
    assert ready.active() == "failover"


def test_the_call_keeps_the_rest_of_the_file(ready):
    """Comments and order of clusters.yaml survive a switch."""
    ready.switch("main")
    with open(ready.clusters_yaml, encoding="utf-8") as source:
        text = source.read()
    ready.switch("failover")
    with open(ready.clusters_yaml, encoding="utf-8") as source:
        after = source.read()
    assert "# written by the tests; this comment must survive" in after
    assert [line for line in after.splitlines() if "active" not in line] == \
        [line for line in text.splitlines() if "active" not in line]


def test_an_edit_of_the_file_switches(ready, lab, direct, tmp_path):
    """`active` edited in place is a switch, without any call."""
    ready.switch("main")
    set_active(ready, "failover")
    assert ready.wait_active("failover")
    write(ready, lab, tmp_path, "after the edit")
    assert "after the edit" in direct["failover"].values(physical("blue", "restart"))


def test_sighup_switches_after_an_edit(ready):
    """SIGHUP is a reload, too; twice does no harm."""
    ready.switch("failover")
    set_active(ready, "main")
    ready.process.signal(signal.SIGHUP)
    ready.process.signal(signal.SIGHUP)
    assert ready.wait_active("main")
    assert ready.process.alive()


def test_two_gateways_follow_one_file(ready, make_gateway, lab, tmp_path_factory):
    """Gateways that share clusters.yaml move together, whichever of them is called."""
    other = make_gateway(directory=str(tmp_path_factory.mktemp("second")), config_dir=ready.config_dir,
                         key=ready.key)
    ready.switch("failover")
    assert other.wait_active("failover")
    assert other.switch("failover")["message"] == "Cluster switched"
    other.switch("main")
    assert ready.wait_active("main")
    driver = DRIVERS["confluent-kafka"](other.target("blue"), lab, str(tmp_path_factory.mktemp("other")))
    driver.target.token = ready.target("blue").token
    assert "restart" in driver.topics()


@pytest.mark.parametrize("to,status", [("nowhere", 400), ("", 400)])
def test_unknown_clusters_are_refused(ready, to, status):
    """400 with a sentence, and nothing moves."""
    ready.switch("main")
    with pytest.raises(ApiError) as refused:
        ready.switch(to)
    assert refused.value.status == status
    assert "message" in refused.value.body
    assert ready.active() == "main"


def test_the_same_cluster_again_moves_nothing(ready):
    """200, and the generation stays."""
    ready.switch("main")
    before = ready.get("/admin/pclusters/v1/pcluster/main")
    assert ready.switch("main")["message"] == "Cluster switched"
    assert ready.get("/admin/pclusters/v1/pcluster/main").get("generation") == before.get("generation")


def test_an_unreachable_cluster_is_refused(ready, make_gateway, lab, direct, tmp_path):
    """503 unless forced; the tenant's traffic stays on main."""
    assert ready.process.alive()
    gateway = make_gateway(broken=[("gone", "127.0.0.9:1,127.0.0.9:2,127.0.0.9:3")])
    with pytest.raises(ApiError) as refused:
        gateway.switch("gone")
    assert refused.value.status == 503
    assert gateway.active() == "main"
    write(gateway, lab, tmp_path, "still on main")
    assert "still on main" in direct["main"].values(physical("blue", "restart"))
    gateway.switch("gone", options="&force=true")
    assert gateway.active() == "gone"
    time.sleep(0.5)
    gateway.switch("main")
    write(gateway, lab, tmp_path, "main again")
