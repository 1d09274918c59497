# SPDX-License-Identifier: Apache-2.0
"""contrib/failover-demo, the whole story, is a test: it must end with 0 and leave nothing behind."""

import os
import signal
import socket
import struct
import subprocess
import time

import kafkalab
from kafkalab.gateway import TREE
from lib import leaks
from world import KAFKA

DEMO = os.path.join(TREE, "contrib", "failover-demo")


def arguments(work, *more):
    """The demo on ports of our own."""
    words = [DEMO, "--work", str(work), "--kafka", KAFKA, *more]
    for option, count in (("main-port", 3), ("failover-port", 3), ("gateway1-port", 3), ("gateway2-port", 3),
                          ("admin1-port", 1), ("admin2-port", 1), ("registry-port", 1)):
        words += [f"--{option}", str(kafkalab.free_ports(count, consecutive=True)[0])]
    return words


def backend_needles(words):
    """Host and port of every broker as text and as fields, and the tenant's prefix: gateways and brokers of the
    document share the host name, so that alone says nothing."""
    wanted = {"the tenant's prefix": b"teamA"}
    for option in ("--main-port", "--failover-port"):
        first = int(words[words.index(option) + 1])
        for port in range(first, first + 3):
            wanted[f"{port} as text"] = f"localhost:{port}".encode()
            wanted[f"{port} as fields"] = b"localhost" + struct.pack(">i", port)
    return wanted


def left_behind(work):
    """Processes whose command line names the work directory."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as source:
                line = source.read().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(work) in line and int(pid) != os.getpid():
            found.append((pid, line[:200]))
    return found


def test_the_whole_story(tmp_path):
    """All steps of the document and what goes beyond it; and nothing of the backends reaches its clients."""
    words, record = arguments(tmp_path / "work"), tmp_path / "record"
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=400,
                          check=False, env=dict(os.environ, TURNOUT_RECORD=str(record)))
    assert done.returncode == 0, done.stdout[-12000:]
    assert "FAILED" not in done.stdout
    assert record.stat().st_size > 10000
    assert not leaks.search(record, backend_needles(words))
    assert not left_behind(tmp_path)


def test_interrupted(tmp_path):
    """SIGINT in the middle stops everything that was started."""
    # A shell that runs the tests in the background has SIGINT ignored, and so have its children.
    demo = subprocess.Popen(arguments(tmp_path / "work", "--no-registry"), stdout=subprocess.DEVNULL,
                            start_new_session=True,
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    deadline = time.monotonic() + 60
    while not (tmp_path / "work" / "gateway1" / "gateway1.pid").exists():
        assert time.monotonic() < deadline and demo.poll() is None
        time.sleep(0.2)
    demo.send_signal(signal.SIGINT)
    assert demo.wait(timeout=60) == 130
    assert not left_behind(tmp_path)


def test_a_taken_port_is_named(tmp_path):
    """The demo says which port is taken and which option moves it, and starts nothing."""
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", kafkalab.free_ports(1)[0]))
        taken.listen()
        port = taken.getsockname()[1]
        words = arguments(tmp_path / "work", "--no-registry") + ["--admin1-port", str(port)]
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
                              check=False)
    assert done.returncode == 1
    assert f"port {port}" in done.stdout and "--admin1-port" in done.stdout
    assert not left_behind(tmp_path)
