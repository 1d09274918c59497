# SPDX-License-Identifier: Apache-2.0
"""One long-running process: started detached with its output in a file, ended by its own pid.

The pid file carries the start time that the kernel knows of the process, so a pid that was reused by
somebody else is never signalled.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import threading
import time

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def _start_time(pid):
    """Field 22 of /proc/PID/stat, or None when there is no such process (or only its zombie)."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def _die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


@contextlib.contextmanager
def _uninterrupted():
    """SIGINT and SIGTERM wait until the block is left: a process whose pid nobody wrote down cannot be ended."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came = []
    before = {number: signal.signal(number, lambda number, _frame: came.append(number))
              for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in came:
            os.kill(os.getpid(), number)


class Process:
    """A process under a directory of its own: `pid`, `log` are files there."""

    def __init__(self, directory, name):
        self.name = name
        self.directory = directory
        self.log_path = os.path.join(directory, name + ".log")
        self.pid_path = os.path.join(directory, name + ".pid")
        self._popen = None

    def start(self, command, env=None, cwd=None, die_with_parent=False):
        """Start it; `die_with_parent` ties its life to the calling thread (tests)."""
        if self.alive():
            raise RuntimeError(f"{self.name} runs already, pid {self.pid()}")
        os.makedirs(self.directory, exist_ok=True)
        with _uninterrupted(), open(self.log_path, "ab") as log:
            self._popen = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, cwd=cwd,
                start_new_session=True, preexec_fn=_die_with_parent if die_with_parent else None)
            with open(self.pid_path, "w", encoding="ascii") as out:
                out.write(f"{self._popen.pid} {_start_time(self._popen.pid)}\n")
        return self

    def pid(self):
        """The pid while the process lives, else None."""
        if self._popen is not None:
            self._popen.poll()  # reap it: a zombie is dead
        try:
            with open(self.pid_path, encoding="ascii") as source:
                pid, started = source.read().split()
        except (OSError, ValueError):
            return None
        return int(pid) if _start_time(int(pid)) == started else None

    def alive(self):
        """Whether it runs."""
        return self.pid() is not None

    def signal(self, number):
        """Send a signal; quietly nothing when it has ended."""
        pid = self.pid()
        if pid is not None:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def wait(self, seconds):
        """Wait for its end; False when it still runs."""
        deadline = time.monotonic() + seconds
        while self.alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def exit_status(self):
        """The exit status where this object started it and it has ended, else None."""
        return None if self._popen is None else self._popen.poll()

    def stop(self, grace=5.0):
        """SIGTERM, then SIGKILL after `grace` seconds (at once when 0); forget the pid file."""
        if grace > 0:
            self.signal(signal.SIGTERM)
        if grace <= 0 or not self.wait(grace):
            self.signal(signal.SIGKILL)
            self.wait(10)
        if os.path.exists(self.pid_path):
            os.unlink(self.pid_path)

    def log_tail(self, lines=15):
        """The end of its output, for error messages."""
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as log:
                return "".join(log.readlines()[-lines:])
        except OSError:
            return "(no output)"
