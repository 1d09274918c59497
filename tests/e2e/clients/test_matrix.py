# SPDX-License-Identifier: Apache-2.0
"""Every client library gives the same outcomes through the gateway as on the brokers themselves (CONTRACT.md)."""

import os
import re
import secrets

import matrix
import pytest
from runner import run_ways

CLIENTS = matrix.clients()
# Clients whose name in the manual is another one: several programs of one library.
NAMES = {"sarama-2.1.0": "sarama", "platformatic-kafka": "@platformatic/kafka",
         **{f"kafka-clients-{version}": "kafka-clients" for version in ("4.4.0", "4.3.1", "3.9.2", "2.8.2")}}
# Lines of its log that tell of a request or an answer that it did not like.
TROUBLE = r"^\S+ (warn|error) "


def explain(client, reports, gateway, since):
    """What helps to find out why: shown with a failed test."""
    print(f"client {client.name} {client.version}")
    for way, report in reports.items():
        print(f"--- {way}: status {report.status}")
        for line in report.lines:
            print(f"    {line}")
        print(report.diagnostics)
    print("--- what the gateway refused or found wrong meanwhile")
    for line in gateway.log_lines(TROUBLE)[since:][-40:]:
        print(line)


def check_way(client, name, report, denied):
    """One run alone: complete, in order, unsupported is what is known to be, outcomes as they must be."""
    assert not report.faults, (name, report.faults)
    assert report.steps == client.steps(denied), f"{name}: steps are missing, double or in another order"
    wanted = client.expected()
    if not denied:
        wanted.pop("denied", None)
    assert report.unsupported == client.unsupported - (set() if denied else {"denied"}), \
        f"{name}: what the library cannot do is not what clients.json says"
    assert report.outcomes == wanted, f"{name}: outcomes"


@pytest.mark.parametrize("client", [
    pytest.param(client, id=f"{client.language}-{client.name}", marks=[] if client.quick else [pytest.mark.full])
    for client in CLIENTS.values()])
def test_same_as_direct(client, ways, gateway, tmp_path):
    """All steps, both ways at once: each as it must be, and so both the same."""
    run = f"r{secrets.token_hex(3)}"
    since = len(gateway.log_lines(TROUBLE))
    reports = run_ways(ways, client, run, str(tmp_path), matrix.READONLY)
    explain(client, reports, gateway, since)
    for way in ways:
        check_way(client, way.name, reports[way.name], bool(way.target.token and matrix.READONLY))
    direct, through = reports["direct"].outcomes, dict(reports["gateway"].outcomes)
    through.pop("denied", None)
    assert through == direct


@pytest.mark.parametrize("language", sorted({client.language for client in CLIENTS.values()}))
def test_every_language_is_in_the_subset(language):
    """.ci/run has a client of every language."""
    assert any(client.quick for client in CLIENTS.values() if client.language == language)


def test_the_manual_has_every_client():
    """The table of turnout-clients(7) names each client of the matrix with its version, and no other version."""
    root = os.path.join(matrix.HERE, "..", "..", "..")
    with open(os.path.join(root, "src", "man", "turnout-clients.7"), encoding="utf-8") as page:
        items = re.findall(r"^\.It (\S+) ([0-9][^(P]*)", page.read(), re.MULTILINE)
    told = {(name, version) for name, versions in items for version in re.findall(r"[0-9][0-9.]*", versions)}
    tested = {(NAMES.get(client.name, client.name), client.version) for client in CLIENTS.values()}
    tested.add(("kcat", "1.7.1"))  # test_tools.py
    assert told == tested
