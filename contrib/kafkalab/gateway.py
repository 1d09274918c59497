# SPDX-License-Identifier: Apache-2.0
"""turnoutd as a process with files of its own, and its admin API for scripts and tests.

The binary is $TURNOUTD, else the one in the build directory $TURNOUT_BUILD, else the one in the tree.
"""

import base64
import json
import os
import secrets
import time
import urllib.error
import urllib.request

from .artefacts import LabError
from .procs import Process

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def find_binary(name):
    """The path of turnoutd or turnoutctl, or LabError that says where it was looked for."""
    told = os.environ.get(name.upper())
    places = [told] if told else []
    if not told and os.environ.get("TURNOUT_BUILD"):
        places.append(os.path.join(os.environ["TURNOUT_BUILD"], name))
    if not places:
        places.append(os.path.join(TREE, name))
    for place in places:
        if os.access(place, os.X_OK):
            return os.path.abspath(place)
    raise LabError(f"no {name} at {places[0]}: build it, or set {name.upper()} or TURNOUT_BUILD")


def random_key():
    """A signing key as GATEWAY_USER_POOL_SECRET_KEY wants it."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


class ApiError(Exception):
    """An answer that is not 2xx."""

    def __init__(self, status, body):
        super().__init__(f"HTTP {status}: {body}")
        self.status = status
        self.body = body


class Gateway:
    """One turnoutd; `config` is the path of its turnout.yaml (which may be missing)."""

    def __init__(self, directory, config, env, http_port=8888, port=6969, name="gateway",
                 user="admin:conduktor"):
        self.directory = directory
        self.config = config
        self.settings = dict(env)
        self.port = port
        self.http = f"http://localhost:{http_port}"
        self.user = user
        self.process = Process(directory, name)

    @property
    def bootstrap(self):
        """The bootstrap.servers of clients of the gateway."""
        return f"localhost:{self.port}"

    def command(self):
        """Its command line."""
        return [find_binary("turnoutd"), "--config", self.config, "--state-dir",
                os.path.join(self.directory, "state")]

    def start(self, wait=True, die_with_parent=False):
        """Start it with nothing of GATEWAY_* and KAFKA_* but its own settings."""
        os.makedirs(os.path.join(self.directory, "state"), exist_ok=True)
        env = {key: value for key, value in os.environ.items()
               if not key.startswith(("GATEWAY_", "KAFKA_"))}
        self.process.start(self.command(), env={**env, **self.settings}, die_with_parent=die_with_parent)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, seconds=30):
        """Wait for /health/ready; LabError with the log's end if it does not come."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.get("/health/ready")
                return
            except (ApiError, OSError) as fault:
                if time.monotonic() > deadline or not self.process.alive():
                    raise LabError(f"{self.process.name} does not become ready ({fault})\n"
                                   f"{self.process.log_tail(25)}") from None
            time.sleep(0.05)

    def stop(self, grace=10):
        """End it; returns its exit status where it is known."""
        self.process.stop(grace=grace)
        return self.process.exit_status()

    def restart(self, die_with_parent=False):
        """SIGTERM, then start again."""
        self.stop()
        return self.start(die_with_parent=die_with_parent)

    # -- admin API -------------------------------------------------------------------------------

    def call(self, method, path, body=None, timeout=60):
        """One call; returns the decoded answer, ApiError for any other status than 2xx."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.http + path, data=data, method=method)
        request.add_header("Authorization", "Basic " + base64.b64encode(self.user.encode()).decode())
        if data is not None:
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                text = answer.read().decode()
        except urllib.error.HTTPError as fault:
            raise ApiError(fault.code, fault.read().decode(errors="replace")) from None
        try:
            return json.loads(text)
        except ValueError:
            return text

    def get(self, path):
        """GET."""
        return self.call("GET", path)

    def token(self, vcluster, user, seconds=7776000):
        """A token for a user of a vcluster; makes both where they are new."""
        return self.call("POST", f"/admin/vclusters/v1/vcluster/{vcluster}/username/{user}",
                         {"lifeTimeSeconds": seconds})["token"]

    def switch(self, to, logical="main", options=""):
        """Switch a logical cluster; returns the answer."""
        return self.call("POST", f"/admin/pclusters/v1/pcluster/{logical}/switch?to={to}{options}")

    def active(self, logical="main"):
        """The physical cluster that serves a logical cluster now."""
        return self.get(f"/admin/pclusters/v1/pcluster/{logical}")["active"]
