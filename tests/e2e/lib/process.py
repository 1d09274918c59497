# SPDX-License-Identifier: Apache-2.0
"""A child process with a log file, which dies with the test run and is ended by its own pid only."""

import ctypes
import os
import signal
import subprocess

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def find_binary(name):
    """The path of turnoutd, turnoutctl or turnout-sandbox: $TURNOUTD and so on, else in $TURNOUT_BUILD, else in
    the tree."""
    told = os.environ.get(name.upper().replace("-", "_"))
    folder = os.environ.get("TURNOUT_BUILD") or TREE
    place = told or os.path.join(folder, name)
    if not os.access(place, os.X_OK):
        raise RuntimeError(f"no {name} at {place}: build it, or set TURNOUT_BUILD to a build directory")
    return os.path.abspath(place)


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """Starts at once. `log` gets stderr (and stdout unless it is piped)."""

    def __init__(self, command, log, env=None, pipe=False, append=False):
        self.log_path = log
        with open(log, "ab" if append else "wb") as out:
            self.popen = subprocess.Popen(
                command, env=env, stderr=out, stdin=subprocess.PIPE if pipe else subprocess.DEVNULL,
                stdout=subprocess.PIPE if pipe else out, text=True, bufsize=1, preexec_fn=_die_with_parent)

    @property
    def pid(self):
        return self.popen.pid

    def alive(self):
        return self.popen.poll() is None

    def signal(self, number):
        self.popen.send_signal(number)

    def stop(self, seconds=20):
        """SIGTERM and, at the deadline, SIGKILL; returns the exit status (negative: a signal)."""
        if self.alive():
            self.popen.terminate()
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            return self.popen.wait()

    def kill(self):
        """SIGKILL."""
        if self.alive():
            self.popen.kill()
        return self.popen.wait()

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()
