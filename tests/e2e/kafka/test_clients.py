# SPDX-License-Identifier: Apache-2.0
"""Every client does the same by the gateway with a tenant's names as directly with the physical names.

The script of a client is run twice and the two outcomes, errors included, must be equal.
"""

import time

import pytest
from drivers import DRIVERS, Failed
from world import physical


def attempt(call, *arguments):
    """The result of a call, or the name of its error."""
    try:
        return call(*arguments)
    except Failed as fault:
        return f"refused: {fault.code}"


def eventually(driver, call, wanted, tries=40):
    """Some results show late, and not on all brokers at once: wait until the wanted one came twice (or once
    where a call takes longer than the brokers need)."""
    good = 0
    for _ in range(tries):
        result = attempt(call)
        good = good + 1 if result == wanted else 0
        if good == (1 if driver.slow else 2):
            break
        time.sleep(0.1)
    return result


def settled(call, tries=40):
    """The result of a call that a broker may still refuse because it has not heard of the topic."""
    for _ in range(tries):
        result = attempt(call)
        if not str(result).startswith("refused"):
            break
        time.sleep(0.1)
    return result


def script(driver, topic, group):
    """What a program does in its life; returns what it saw, step by step."""
    seen = {}
    seen["describe before"] = attempt(driver.describe, topic)
    seen["create"] = attempt(driver.create, topic, 3)
    seen["listed"] = eventually(driver, lambda: topic in driver.topics(), True)
    seen["create again"] = attempt(driver.create, topic, 3)
    seen["described"] = eventually(driver, lambda: driver.describe(topic)["partitions"], 3)
    seen["config"] = settled(lambda: driver.describe(topic))
    seen["produced"] = attempt(driver.produce, topic, [f"value-{i}" for i in range(100)])
    read = attempt(driver.consume, topic, group, 100)
    seen["consumed"] = sorted(read) if isinstance(read, list) else read
    seen["committed"] = attempt(driver.committed, topic, group)
    seen["lag"] = attempt(driver.lag, topic, group)
    seen["produced more"] = attempt(driver.produce, topic, [f"more-{i}" for i in range(10)])
    seen["lag after"] = attempt(driver.lag, topic, group)
    read = attempt(driver.consume, topic, group, 10)
    seen["consumed more"] = sorted(read) if isinstance(read, list) else read
    seen["group"] = group in driver.groups()
    seen["delete"] = attempt(driver.delete, topic)
    seen["gone"] = eventually(driver, lambda: topic not in driver.topics(), True)
    seen["delete again"] = attempt(driver.delete, topic)
    return seen


EXPECTED = {
    "listed": True, "described": 3, "produced": 100, "committed": 100, "lag": 0, "produced more": 10,
    "lag after": 10, "group": True, "gone": True,
    "consumed": sorted(f"value-{i}" for i in range(100)),
    "consumed more": sorted(f"more-{i}" for i in range(10)),
}


@pytest.mark.parametrize("name", DRIVERS)
def test_same_outcome_as_direct(name, lab, gateway, direct, tmp_path):
    """The outcome through the gateway is the direct one, and that is the expected one."""
    topic, group = f"eq-{name}", f"eq-group-{name}"
    outcomes = {}
    for way, target, topic_name, group_name in (
            ("direct", direct["main"].target, physical("blue", "d-" + topic), physical("blue", "d-" + group)),
            ("gateway", gateway.target("blue"), topic, group)):
        driver = DRIVERS[name](target, lab, str(tmp_path))
        try:
            outcomes[way] = script(driver, topic_name, group_name)
        finally:
            driver.close()
    assert {key: outcomes["direct"][key] for key in EXPECTED} == EXPECTED
    assert outcomes["gateway"] == outcomes["direct"]
    assert physical("blue", topic) not in direct["main"].topics()


@pytest.mark.parametrize("name", DRIVERS)
def test_names_on_the_brokers(name, lab, gateway, direct, tmp_path):
    """Each client's topic is on main with the tenant's prefix, its records too, and nothing on failover."""
    driver = DRIVERS[name](gateway.target("blue"), lab, str(tmp_path))
    try:
        driver.create(f"where-{name}", 2)
        eventually(driver, lambda: f"where-{name}" in driver.topics(), True)
        driver.produce(f"where-{name}", ["a", "b", "c"])
    finally:
        driver.close()
    assert physical("blue", f"where-{name}") in direct["main"].topics()
    assert sorted(direct["main"].values(physical("blue", f"where-{name}"))) == ["a", "b", "c"]
    assert f"where-{name}" not in direct["main"].topics()
    assert physical("blue", f"where-{name}") not in direct["failover"].topics()
