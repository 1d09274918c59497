# SPDX-License-Identifier: Apache-2.0
"""Fixtures of every end-to-end test. Those of the sandbox are in sandbox/, those of real Kafka in kafka/."""

import contextlib
import os

import pytest

from lib.gateway import Gateway


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Lets fixtures see whether the test itself failed (item.failed)."""
    report = (yield).get_result()
    if report.when == "call":
        item.failed = report.failed


@pytest.fixture
def start_gateway(tmp_path, request):
    """start_gateway(clusters, ...) starts a Gateway (see lib/gateway.py); all are checked and ended after the
    test, and their logs shown when it failed."""
    started = []

    def start(clusters, wait=True, **options):
        options.setdefault("name", f"gateway{len(started) + 1}")
        gateway = Gateway(tmp_path, clusters, **options)
        started.append(gateway)
        return gateway.start(wait=wait)

    yield start
    failed = getattr(request.node, "failed", True)
    with contextlib.ExitStack() as stack:
        for gateway in started:
            if failed and gateway.process:
                print(f"--- the end of {gateway.process.log_path}\n{gateway.log()[-5000:]}")
            stack.callback(gateway.close, quiet=failed)


# What speaks raw frames: no client sends such by itself.
RAW_MODULES = {"lib.wire", "lib.rawclient", "peers", "messages", "equivalence.link"}


@pytest.fixture(autouse=True, scope="module")
def raw_frames_are_no_client(request):
    """contrib/check notes which API versions real clients use (TURNOUT_RECORD_APIS): a module that speaks raw frames
    says RAW = True, and tells nothing of that."""
    raw = getattr(request.module, "RAW", False)
    used = {getattr(value, "__module__", None) or getattr(value, "__name__", None)
            for value in vars(request.module).values()} & RAW_MODULES
    assert raw or not used, f"{request.module.__name__} uses {', '.join(sorted(used))}: it has to say RAW = True"
    with pytest.MonkeyPatch.context() as patch:
        if raw:
            patch.delenv("TURNOUT_RECORD_APIS", raising=False)
        yield


@pytest.fixture(autouse=True)
def no_configuration_of_the_caller(monkeypatch):
    """What the caller's shell has set for a gateway must not change a test."""
    for name in list(os.environ):
        if name.startswith(("GATEWAY_", "KAFKA_")):
            monkeypatch.delenv(name)
