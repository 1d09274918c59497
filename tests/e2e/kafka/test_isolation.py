# SPDX-License-Identifier: Apache-2.0
"""Two tenants of one gateway do not see each other, nor anything else on the brokers."""

import time

import pytest
from confluent_kafka import Producer
from drivers import DRIVERS, Failed, Target
from lib.wait import wait_until
from world import USER, physical


# Tenants of this module only: the others' topics and groups are in the same clusters.
TENANTS = ("red", "amber")
# Names that exist on the brokers but not in the tenant red.
FOREIGN = ["outside", physical("amber", "shared-name"), physical("red", "shared-name"), "__consumer_offsets"]


@pytest.fixture(scope="module")
def gateway(make_gateway):
    """The gateway of the two tenants."""
    return make_gateway(vclusters=TENANTS)


@pytest.fixture(scope="module")
def asked_for_foreign(make_gateway, gateway):
    """A second one, for the test that asks for physical names: Kafka repeats the name that was asked for, and
    this must not look like a leak. Everything else that it sends is searched as ever."""
    return make_gateway(vclusters=TENANTS, key=gateway.key, echoes=FOREIGN)


@pytest.fixture(scope="module")
def tenants(gateway, lab, direct, tmp_path_factory):
    """One client for each tenant, with the same names of topic and group; `outside` is nobody's topic."""
    directory = str(tmp_path_factory.mktemp("tenants"))
    direct["main"].create("outside")
    clients = {}
    for name in TENANTS:
        clients[name] = DRIVERS["confluent-kafka"](gateway.target(name), lab, directory)
        clients[name].create("shared-name", 1)
    for name, client in clients.items():
        deadline = time.monotonic() + 20
        while "shared-name" not in client.topics() and time.monotonic() < deadline:
            time.sleep(0.1)
        client.produce("shared-name", [f"{name}-{i}" for i in range(10)])
        client.consume("shared-name", "shared-group", 10)
    return clients


def test_same_names_are_different_topics(tenants, direct):
    """Each tenant's topic is a topic of its own on the brokers."""
    for name in tenants:
        held = direct["main"].values(physical(name, "shared-name"))
        assert sorted(held) == [f"{name}-{i}" for i in range(10)]


def test_listing_shows_only_own_topics(tenants):
    """Own names without prefix; nobody else's, and no internal topic of the brokers."""
    tenants["red"].create("only-red", 1)
    time.sleep(1)
    assert tenants["amber"].topics() == {"shared-name"}
    assert tenants["red"].topics() == {"shared-name", "only-red"}


@pytest.mark.parametrize("name", FOREIGN)
def test_others_topics_cannot_be_reached(tenants, asked_for_foreign, lab, direct, tmp_path, name):
    """A name that exists on the brokers but not in the tenant is an unknown topic."""
    watched = ["outside", *(physical(tenant, "shared-name") for tenant in TENANTS)]
    before = {topic: direct["main"].ends(topic) for topic in watched}
    client = DRIVERS["confluent-kafka"](asked_for_foreign.target("red"), lab, str(tmp_path))
    for call in (client.describe, client.delete):
        with pytest.raises(Failed):
            call(name)
    producer = Producer(client.target.librdkafka(**{"message.timeout.ms": 3000}))
    failed = []
    producer.produce(name, b"must not arrive", on_delivery=lambda error, _: failed.append(error))
    producer.flush(20)
    assert failed and failed[0] is not None
    assert {topic: direct["main"].ends(topic) for topic in watched} == before


def test_groups_are_apart(tenants):
    """Each tenant lists its own group, and its offsets are its own."""
    tenants["red"].produce("shared-name", ["one more"])
    assert tenants["red"].groups() == {"shared-group"}
    assert tenants["amber"].groups() == {"shared-group"}
    assert tenants["red"].lag("shared-name", "shared-group") == 1
    assert tenants["amber"].lag("shared-name", "shared-group") == 0


def test_deleting_leaves_the_others(tenants, direct):
    """A tenant that deletes its topic takes nothing from the other one."""
    tenants["red"].create("to-delete", 1)
    tenants["amber"].create("to-delete", 1)
    time.sleep(1)
    tenants["red"].delete("to-delete")
    wait_until(lambda: physical("red", "to-delete") not in direct["main"].topics(), "it is gone on the brokers", 60)
    assert physical("amber", "to-delete") in direct["main"].topics()


@pytest.mark.parametrize("user,which", [
    (USER, "garbage"), (USER, "other key"), ("somebody", "own"),
])
def test_bad_tokens_are_refused(gateway, make_gateway, tenants, user, which):
    """No token, one of another gateway's key, one under another user's name: refused before any answer."""
    if which == "own":
        token = gateway.target("red").token
    elif which == "other key":
        token = make_gateway(vclusters=TENANTS).target("red").token
    else:
        token = "not.a.token"
    errors = []
    producer = Producer(Target(gateway.bootstrap, user, token).librdkafka(
        **{"message.timeout.ms": 4000, "error_cb": errors.append}))
    failed = []
    producer.produce("shared-name", b"x", on_delivery=lambda error, _: failed.append(error))
    producer.flush(20)
    assert failed and failed[0] is not None
    assert any(error.name() == "_AUTHENTICATION" for error in errors), errors
