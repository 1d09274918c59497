# SPDX-License-Identifier: Apache-2.0
"""One turnoutd with files of its own, its admin API, and what is checked of it when it ends.

    with Gateway(tmp_path, clusters={"main": "127.0.0.1:9092"}) as gw:
        token = gw.token("teamA", "sa")

Clients use gw.bootstrap; the tenant's physical topics are gw.physical("teamA", "users").
"""

import os
import re
import signal
import subprocess

import requests

from . import leaks, tokens
from .ports import Claim
from .process import Process, find_binary
from .wait import wait_until

HOST = "127.0.0.2"  # not the brokers' 127.0.0.1: see leaks.py
SANITIZER = re.compile(r"(Address|Leak|Thread|UndefinedBehavior)Sanitizer|runtime error: ")
CLUSTER_ID_OF_MOCKS = "mockCluster"


class ApiError(Exception):
    """An answer other than 2xx."""

    def __init__(self, response):
        super().__init__(f"{response.request.method} {response.request.path_url}: "
                         f"HTTP {response.status_code}: {response.text}")
        self.status = response.status_code
        self.text = response.text


def prefix_of(vcluster):
    """The prefix of a tenant in these tests: contained in no name that a client may see."""
    return f"Zq{vcluster[::-1]}qZ-"


class Gateway:
    """See the module. `config` adds keys to turnout.yaml; `vclusters` are tenants whose files are written
    before the start, each with prefix_of() and without users; clusters_file shares another gateway's file;
    host is where it listens, not the brokers' address; echoes: see leaks.search()."""

    def __init__(self, directory, clusters, active="main", config=None, vclusters=("teamA", "teamB"),
                 clusters_file=None, key=None, secrets_configured=True, ports=6, name="gateway",
                 backend_ids=(CLUSTER_ID_OF_MOCKS,), env=None, host=HOST, echoes=()):
        self.directory = os.path.join(str(directory), name)
        self.clusters = dict(clusters)
        self.config = dict(config or {})
        self.key = key or tokens.new_key()
        self.password = "pw-" + tokens.new_key()[:20].replace("/", "x").replace("+", "y")
        self.secrets_configured = secrets_configured
        self.user = ("admin", self.password)
        self.host = host
        self.echoes = list(echoes)
        self.ports = ports
        self.env = dict(env or {})
        self.backend_ids = list(backend_ids)
        self.prefixes = [prefix_of(v) for v in vclusters]
        self.secrets = [self.password, self.key] if secrets_configured else []
        self.etc = os.path.join(self.directory, "etc")
        self.state = os.path.join(self.directory, "state")
        self.record = os.path.join(self.directory, "record")
        self.clusters_file = clusters_file or os.path.join(self.etc, "clusters.yaml")
        self.process = None
        self.starts = 0
        self.claim = None
        self.expect_exit = 0
        os.makedirs(os.path.join(self.etc, "vclusters"), exist_ok=True)
        os.makedirs(self.state, exist_ok=True)
        for vcluster in vclusters:
            self.write_vcluster(vcluster)
        if not clusters_file:
            self.write_clusters(active)

    # -- files -----------------------------------------------------------------------------------

    def path(self, *names):
        """A path below the folder of the configuration."""
        return os.path.join(self.etc, *names)

    def write_vcluster(self, vcluster, text=None):
        with open(self.path("vclusters", f"{vcluster}.yaml"), "w", encoding="utf-8") as f:
            f.write(text or f"# tenant {vcluster}\nprefix: {prefix_of(vcluster)}\nusers: {{}}\n")

    def read_vcluster(self, vcluster):
        with open(self.path("vclusters", f"{vcluster}.yaml"), encoding="utf-8") as f:
            return f.read()

    def write_clusters(self, active="main", extra=""):
        lines = ["# written by the tests: this comment must survive", f"active: {active}   # and this one", "config:"]
        for name, bootstrap in self.clusters.items():
            lines += [f"  {name}:", f"    bootstrap.servers: {bootstrap}"]
        with open(self.clusters_file, "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n" + extra)

    def read_clusters(self):
        with open(self.clusters_file, encoding="utf-8") as f:
            return f.read()

    def edit_active(self, to):
        """What a human's editor or a git-sync does: a new file in the place of the old one."""
        text = re.sub(r"(?m)^active: \S+", f"active: {to}", self.read_clusters())
        with open(self.clusters_file + ".new", "w", encoding="utf-8") as f:
            f.write(text)
        os.rename(self.clusters_file + ".new", self.clusters_file)

    def write_turnout(self):
        keys = {"cluster.id": "e2e", "advertised.host": self.host, "bind.host": self.host,
                "port.start": self.claim.first, "port.count": self.ports, "admin.bind.host": self.host,
                "admin.port": self.claim.first + self.ports, "clusters.file": self.clusters_file,
                "workers": 2, "log.level": "debug"}
        if self.secrets_configured:
            keys["token.keys"] = f"[{self.key}]"
            keys["admin.users"] = f"[{{username: admin, password: '{self.password}', admin: true}}]"
        keys.update(self.config)
        with open(self.path("turnout.yaml.new"), "w", encoding="utf-8") as f:
            f.writelines(f"{k}: {v}\n" for k, v in keys.items())
        os.rename(self.path("turnout.yaml.new"), self.path("turnout.yaml"))

    # -- process ---------------------------------------------------------------------------------

    def command(self, *more):
        return [find_binary("turnoutd"), "--config", self.path("turnout.yaml"), "--state-dir", self.state, *more]

    def _environment(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("GATEWAY_", "KAFKA_"))}
        return {**env, "TURNOUT_RECORD": self.record, **self.env}

    def start(self, wait=True):
        """Starts it; with `wait`, returns when it is ready."""
        self.claim = self.claim or Claim(self.host, self.ports + 1)
        self.write_turnout()
        self.starts += 1
        self.process = Process(self.command(), os.path.join(self.directory, "log"), env=self._environment(),
                               append=True)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, seconds=30):
        def ready():
            assert self.process.alive(), f"turnoutd ended at its start:\n{self.log()[-4000:]}"
            try:
                return requests.get(self.url("/health/ready"), timeout=10).status_code == 200
            except requests.ConnectionError:
                return False

        wait_until(ready, lambda: f"turnoutd is ready:\n{self.log()[-4000:]}", seconds)
        if not self.secrets_configured:
            self._read_generated()

    def _read_generated(self):
        with open(os.path.join(self.state, "admin.password"), encoding="utf-8") as f:
            self.user = tuple(f.read().strip().split(":", 1))
        with open(os.path.join(self.state, "token.key"), encoding="utf-8") as f:
            self.key = f.read().strip()
        self.secrets += [self.user[1], self.key]

    def stop(self):
        """SIGTERM; the exit status must be 0."""
        status = self.process.stop()
        assert status == self.expect_exit, f"turnoutd ended with {status}:\n{self.log()[-6000:]}"

    def restart(self):
        self.stop()
        return self.start()

    def sighup(self):
        self.process.signal(signal.SIGHUP)

    def log(self):
        """Everything it logged, over all its starts."""
        return self.process.log() if self.process else ""

    def log_lines(self, *patterns):
        """Lines that match every pattern."""
        return [line for line in self.log().splitlines() if all(re.search(p, line) for p in patterns)]

    def wait_log(self, *patterns, since=0):
        """Waits for a line (beyond the first `since` that match) and returns the last one."""
        return wait_until(lambda: self.log_lines(*patterns)[since:],
                          lambda: f"a line with {patterns} in the log:\n{self.log()[-4000:]}")[-1]

    # -- for clients -----------------------------------------------------------------------------

    @property
    def bootstrap(self):
        return f"{self.host}:{self.claim.first}"

    @property
    def address(self):
        """(host, port) of the first vnode."""
        return self.host, self.claim.first

    def physical(self, vcluster, topic):
        return prefix_of(vcluster) + topic

    def client(self, vcluster="teamA", user="sa", token=None, **more):
        """librdkafka properties of a client, with a new token unless one is given."""
        return {"bootstrap.servers": self.bootstrap, "security.protocol": "SASL_PLAINTEXT",
                "sasl.mechanism": "PLAIN", "sasl.username": user,
                "sasl.password": token or self.token(vcluster, user),
                **{k.replace("_", "."): v for k, v in more.items()}}

    # -- admin API -------------------------------------------------------------------------------

    def url(self, path):
        return f"http://{self.host}:{self.claim.first + self.ports}{path}"

    def request(self, method, path, auth="own", **more):
        """The plain answer of one call; auth: a pair, None, or "own"."""
        return requests.request(method, self.url(path), auth=self.user if auth == "own" else auth, timeout=60,
                                **more)

    def call(self, method, path, **more):
        """The decoded answer; ApiError for any status but 2xx."""
        answer = self.request(method, path, **more)
        if not answer.ok:
            raise ApiError(answer)
        return answer.json() if "json" in answer.headers.get("Content-Type", "") else answer.text

    def token(self, vcluster, user, lifetime=3600):
        """A token; makes vcluster and user where they are new."""
        token = self.call("POST", f"/admin/vclusters/v1/vcluster/{vcluster}/username/{user}",
                          json={"lifeTimeSeconds": lifetime})["token"]
        self.secrets.append(token)
        return token

    def switch(self, to, logical="main", **options):
        """Switches by the API; options: force="true", dryRun="true"."""
        return self.call("POST", f"/admin/pclusters/v1/pcluster/{logical}/switch", params={"to": to, **options})

    def active(self, logical="main"):
        return self.call("GET", f"/admin/pclusters/v1/pcluster/{logical}")["active"]

    def wait_active(self, to, logical="main"):
        wait_until(lambda: self.active(logical) == to, lambda: f"{to} serves {logical}:\n{self.log()[-3000:]}")

    def reload(self):
        return self.call("POST", "/admin/config/v1/reload")

    def ctl(self, *words, check=True, user=True):
        """turnoutctl with the address and account of this gateway; returns the finished process."""
        command = [find_binary("turnoutctl"), "--url", self.url("")]
        if user:
            command += ["--user", ":".join(self.user)]
        done = subprocess.run(command + list(words), capture_output=True, text=True, timeout=60)
        if check:
            assert done.returncode == 0, f"turnoutctl {words}: {done.returncode}: {done.stdout}{done.stderr}"
        return done

    # -- the end ---------------------------------------------------------------------------------

    def __enter__(self):
        return self.start() if self.process is None else self

    def __exit__(self, kind, value, trace):
        self.close(quiet=kind is not None)

    def backends(self):
        """[(host, port)] of every address in clusters.yaml."""
        return [(h, int(p)) for b in self.clusters.values() for h, p in (a.rsplit(":", 1) for a in b.split(","))]

    def faults(self):
        """What must never be, as sentences; looked for in the log and in the bytes that clients got."""
        log, found = self.log(), []
        report = SANITIZER.search(log)
        if report:
            found.append(f"a sanitizer report:\n{log[max(0, report.start() - 200):report.start() + 6000]}")
        found += [f"a secret is in the log: {s[:6]}..." for s in self.secrets if s in log]
        if os.path.exists(self.record):
            wanted = leaks.needles(self.backends(), self.prefixes, self.backend_ids)
            found += leaks.search(self.record, wanted, [e.encode() for e in self.echoes])
        elif self.expect_exit == 0:
            found.append("there is no record of what clients got: does this turnoutd know TURNOUT_RECORD?")
        return found

    def close(self, quiet=False):
        """Ends it and checks it; quiet: the test has failed already, its error is the one to see."""
        if self.process is None:
            return
        status = self.process.stop()
        found = self.faults()
        if status != self.expect_exit:
            found.insert(0, f"turnoutd ended with {status} instead of {self.expect_exit}")
        if self.claim:
            self.claim.release()
        if os.path.exists(self.record):
            os.unlink(self.record)
        self.process = None
        if found and not quiet:
            raise AssertionError("\n".join(found))
        for fault in found:
            print(f"also: {fault}")
