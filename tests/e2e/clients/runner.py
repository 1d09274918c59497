# SPDX-License-Identifier: Apache-2.0
"""Runs client programs: both ways at once, every one with a time limit, output kept in files.

A Way is a place to connect to and the prefix that its names need there; see CONTRACT.md for the environment that a
program gets and the lines that it prints.
"""

import contextlib
import json
import os
import signal
import subprocess

TIME = 240  # twice what the contract allows: the machine may be busy


class Way:
    """One of the two places: "direct" on the brokers with physical names, "gateway" as a tenant."""

    def __init__(self, name, target, prefix, bootstrap=None):
        self.name = name
        self.target = target
        self.prefix = prefix
        self.bootstrap = bootstrap or target.bootstrap

    def environment(self, run, readonly=None):
        """What a program gets; the shell's own variables of that kind do not reach it."""
        env = {key: value for key, value in os.environ.items()
               if key not in ("BOOTSTRAP", "SASL_USER", "SASL_TOKEN", "PREFIX", "RUN", "READONLY")}
        env.update(BOOTSTRAP=self.bootstrap, PREFIX=self.prefix, RUN=run)
        if self.target.token:
            env.update(SASL_USER=self.target.user, SASL_TOKEN=self.target.token)
        if readonly:
            env["READONLY"] = self.prefix + readonly
        return env


class Running:
    """A program that was started; output in files below `directory`."""

    def __init__(self, command, env, directory, label):
        self.paths = {kind: os.path.join(directory, f"{label}.{kind}") for kind in ("out", "err")}
        with open(self.paths["out"], "wb") as out, open(self.paths["err"], "wb") as err:
            self.popen = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                          cwd=directory, start_new_session=True)

    def text(self, kind):
        """What it wrote to "out" or "err"."""
        with open(self.paths[kind], encoding="utf-8", errors="replace") as source:
            return source.read()

    def end(self, seconds=TIME):
        """Waits; returns the exit status, or None where it had to be killed, with its children."""
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.popen.pid, signal.SIGKILL)
            self.popen.wait()


class Report:
    """What one run of a client came to."""

    def __init__(self, running):
        self.status = running.end()
        self.diagnostics = running.text("err")[-6000:]
        self.lines = []
        self.faults = [] if self.status == 0 else [f"exit status {self.status} (None: killed at the time limit)"]
        for line in running.text("out").splitlines():
            try:
                self.lines.append(json.loads(line))
            except ValueError:
                self.faults.append(f"no JSON: {line[:300]}")

    @property
    def steps(self):
        """The steps in the order in which they were told."""
        return [line.get("step") for line in self.lines]

    @property
    def unsupported(self):
        """The steps that the program says it cannot do."""
        return {line["step"] for line in self.lines if "unsupported" in line}

    @property
    def outcomes(self):
        """{step: outcome}."""
        return {line["step"]: line["outcome"] for line in self.lines if "outcome" in line}


def run_ways(ways, client, run, directory, readonly=None):
    """Runs a client every way, side by side: {name of the way: Report}."""
    running = {}
    try:
        for way in ways:
            env = way.environment(run + way.name[0], readonly if way.target.token else None)
            running[way.name] = Running([client.program()], env, directory, f"{client.name}-{way.name}")
        return {name: Report(process) for name, process in running.items()}
    finally:
        for process in running.values():
            process.end(0)
