# SPDX-License-Identifier: Apache-2.0
"""Running a command as a shell user would, printing it with its output, and keeping the score."""

import os
import signal
import subprocess
import sys
import textwrap
import time


class Result:
    """What a command said: status, standard output, standard error."""

    def __init__(self, status, out, err):
        self.status = status
        self.out = out
        self.err = err

    @property
    def lines(self):
        """The non-empty lines of standard output."""
        return [line for line in self.out.splitlines() if line.strip()]


class Report:
    """Prints the steps and remembers which failed."""

    def __init__(self, out=None):
        self.out = out or sys.stdout
        self.steps = []
        self.started = time.monotonic()

    def say(self, text=""):
        """One or more lines for people."""
        print(text, file=self.out, flush=True)

    def title(self, title):
        """The heading of the next step."""
        self.say(f"\n== {len(self.steps) + 1}. {title}")

    def note(self, text):
        """A remark in the margin, wrapped."""
        for line in textwrap.wrap(text, 96):
            self.say(f"   # {line}")

    def score(self, title, faults, good):
        """The verdict on a step: its faults, or the sentence of what was found right."""
        self.steps.append((title, not faults))
        if not faults:
            self.say(f"OK      {good}")
        for fault in faults:
            self.say(f"FAILED  {fault}")
        return not faults

    def summary(self):
        """The last lines; returns the exit status."""
        failed = [title for title, good in self.steps if not good]
        seconds = time.monotonic() - self.started
        self.say(f"\n{len(self.steps) - len(failed)} of {len(self.steps)} steps OK in {seconds:.0f} s")
        for title in failed:
            self.say(f"FAILED  {title}")
        return 1 if failed or not self.steps else 0


def _kill_group(child):
    """The command line and what it started; it may have ended by itself in this moment."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


class Shell:
    """Runs command lines with bash in one directory and environment."""

    def __init__(self, report, directory, env):
        self.report = report
        self.directory = directory
        self.env = env

    def run(self, command, timeout=60):
        """Print the command, run it to its end (or its deadline), print what it wrote."""
        self.report.say("\n".join(("$ " if i == 0 else "  ") + line
                                  for i, line in enumerate(command.splitlines())))
        result = self.quiet(command, timeout)
        for text in (result.err, result.out):
            if text.strip():
                self.report.say(text.rstrip("\n"))
        return result

    def quiet(self, command, timeout=60):
        """Run a command line without printing."""
        with subprocess.Popen(["bash", "-c", command], cwd=self.directory, env=self.env,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              start_new_session=True) as child:
            try:
                out, err = child.communicate(timeout=timeout)
                status = child.returncode
            except subprocess.TimeoutExpired:
                _kill_group(child)
                out, err = child.communicate()
                err += f"(ended after {timeout} s)\n".encode()
                status = 124
            except BaseException:
                _kill_group(child)
                raise
        return Result(status, out.decode(errors="replace"), err.decode(errors="replace"))
