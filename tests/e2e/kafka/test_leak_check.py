# SPDX-License-Identifier: Apache-2.0
"""The leak check itself: a check that can never fail would prove nothing."""

import pytest
import world


@pytest.fixture
def recorded(lab, tmp_path):
    """A gateway that is never started, and its record."""
    gateway = world.TestGateway(str(tmp_path), lab.clusters)

    def write(data):
        with open(gateway.record, "wb") as out:
            out.write(data)
        return gateway
    return write


@pytest.mark.parametrize("needle", [*world.PREFIXES.values(), world.HOSTS["main"], world.HOSTS["failover"],
                                    world.CLUSTER_IDS["main"], world.CLUSTER_IDS["failover"]])
def test_a_leak_is_found(recorded, needle):
    """Each kind of secret name, in the middle of other bytes."""
    with pytest.raises(AssertionError, match="sent to clients"):
        recorded(b"\0\7" + needle.encode() + b"users\0").assert_no_leak()


def test_an_empty_record_is_a_fault(recorded):
    """A gateway that records nothing must not pass."""
    with pytest.raises(AssertionError, match="recorded nothing"):
        recorded(b"").assert_no_leak()


def test_innocent_bytes_pass(recorded):
    """Names as the tenant knows them."""
    recorded(b"\0\5users\0localhost").assert_no_leak()
