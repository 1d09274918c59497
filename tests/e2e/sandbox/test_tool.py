# SPDX-License-Identifier: Apache-2.0
"""turnoutctl, and what the admin API tells without changing anything."""

import json
import subprocess

import pytest
import requests

from lib import wire
from lib.process import find_binary

RAW = True


def test_status_for_people_and_for_scripts(gateway):
    plain = gateway.ctl("status").stdout
    assert "main" in plain and "failover" in plain
    told = json.loads(gateway.ctl("--json", "status").stdout)
    assert isinstance(told, dict)


def test_token_by_the_tool_lets_a_client_in(gateway):
    token = gateway.ctl("token", "teamA", "sa", "--lifetime", "600").stdout.strip()
    gateway.secrets.append(token)
    with wire.login(gateway, token=token) as raw:
        raw.ask(wire.metadata([]))


def test_exit_codes_a_script_can_use(gateway):
    assert gateway.ctl("switch", "main", "nowhere", check=False).returncode != 0
    assert gateway.ctl("switch", "main", "failover", "--dry-run").returncode == 0
    assert gateway.active() == "main"
    assert gateway.ctl("nonsense", check=False).returncode == 2
    assert gateway.ctl("switch", check=False).returncode == 2
    assert gateway.ctl("wait", "--timeout", "10", "ready").returncode == 0
    assert gateway.ctl("reload").returncode == 0
    wrong = subprocess.run([find_binary("turnoutctl"), "--url", gateway.url(""), "--user", "admin:wrong", "status"],
                           capture_output=True, text=True, timeout=60)
    assert wrong.returncode != 0 and wrong.stderr
    nobody = subprocess.run([find_binary("turnoutctl"), "--url", "http://127.0.0.1:1", "--user", "a:b", "status"],
                            capture_output=True, text=True, timeout=60)
    assert nobody.returncode != 0 and nobody.stderr


def test_decode_prints_a_captured_frame(gateway, tmp_path):
    path = tmp_path / "frame"
    path.write_bytes(wire.metadata(["users", "orders"], correlation=77).bytes_on_wire())
    out = gateway.ctl("decode", str(path), user=False).stdout
    assert "Metadata" in out and "users" in out and "orders" in out and "77" in out


def test_health_needs_no_account(gateway):
    for path in ("/health", "/health/live", "/health/ready", "/health/"):
        answer = requests.get(gateway.url(path), timeout=30)
        assert answer.status_code == 200, path
    told = requests.get(gateway.url("/health"), timeout=30).json()
    assert told["status"] == "UP" and told["checks"]


@pytest.mark.fault
def test_ready_needs_the_active_cluster(gateway, sandbox):
    from lib.wait import wait_until

    def ready():
        return requests.get(gateway.url("/health/ready"), timeout=30).status_code

    assert ready() == 200
    sandbox.down("main")
    wait_until(lambda: ready() == 503, "not ready without main")
    assert requests.get(gateway.url("/health/live"), timeout=30).status_code == 200
    gateway.switch("failover")
    wait_until(lambda: ready() == 200, "ready with failover")
    sandbox.up("main")


def test_errors_say_why(gateway):
    for method, path, status in (("GET", "/no/such/thing", 404), ("DELETE", "/health", 405), ("PUT", "/admin/pclusters/v1", 405),
                                 ("GET", "/admin/pclusters/v1/pcluster/nowhere", 404)):
        answer = gateway.request(method, path)
        assert answer.status_code == status, (path, answer.text)
        assert answer.json()["message"]


def test_secrets_are_redacted(gateway):
    for path in ("/admin/pclusters/v1", "/admin/pclusters/v1/pcluster/main", "/admin/config/v1", "/admin/vclusters/v1"):
        text = gateway.request("GET", path).text
        assert gateway.password not in text and gateway.key not in text, path
