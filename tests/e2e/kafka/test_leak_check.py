# SPDX-License-Identifier: Apache-2.0
"""The checks at every gateway's end themselves: a check that can never fail would prove nothing."""

import pytest
import world
from lib import leaks
from world import physical


@pytest.fixture
def faults(lab, tmp_path):
    """A gateway that is never started, and what its checks say of a record and a log."""
    gateway = world.LabGateway(tmp_path, lab.clusters, echoes=[physical("blue", "asked")])

    def check(record=b"\0\5users\0localhost", log=""):
        if record is not None:
            with open(gateway.record, "wb") as out:
                out.write(record)
        gateway.log = lambda: log
        return gateway.faults()
    check.gateway = gateway
    return check


@pytest.mark.parametrize("needle", [physical("blue", ""), world.HOSTS["main"], world.HOSTS["failover"],
                                    world.CLUSTER_IDS["main"], world.CLUSTER_IDS["failover"]])
def test_a_leak_is_found(faults, needle):
    """Each kind of secret name, in the middle of other bytes."""
    found, = faults(b"\0\7" + needle.encode() + b"users\0")
    assert needle in found and "sent to a client" in found


def test_a_missing_record_is_a_fault(faults):
    """A gateway that records nothing must not pass."""
    assert faults(record=None)


def test_innocent_bytes_pass(faults):
    """Names as the tenant knows them, and the one that the test's client asked for."""
    assert not faults()
    assert not faults(b"\0\20" + physical("blue", "asked").encode() + b"\0")
    assert faults(physical("blue", "asked").encode() + physical("blue", "other").encode())


@pytest.mark.parametrize("log", [
    "info x token={token}\n", "info x password={password}\n", "==1==ERROR: AddressSanitizer: heap-use-after-free",
])
def test_the_log_is_checked(faults, log):
    """Secrets and sanitizer reports."""
    faults.gateway.secrets.append("a.token.of-somebody")
    assert faults(log=log.format(token="a.token.of-somebody", password=faults.gateway.password))


def test_no_leak_hides_between_pieces(tmp_path):
    """The record is read in pieces: a name, and an echo of one, may lie across the end of a piece."""
    wanted, path = {"a name": b"needle"}, tmp_path / "record"
    for name, echoes, found in ((b"needle", [b"echo-needle-echo"], 1), (b"echo-needle-echo", [], 1),
                                (b"echo-needle-echo", [b"echo-needle-echo"], 0)):
        for at in range(150):
            path.write_bytes(b"." * at + name + b"." * 150)
            assert len(leaks.search(path, wanted, echoes, chunk=40)) == found, (name, echoes, at)
