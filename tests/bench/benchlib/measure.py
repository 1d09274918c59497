# SPDX-License-Identifier: Apache-2.0
"""One measured slice: bench-load through one path for some time, and the CPU time of everyone in it.

Owns the clock rules: CPU time is read just before the load is let go and just after its last answer, so
neither connecting nor the login nor the warm-up counts.  What other processes of the machine did meanwhile
is kept beside each slice.  Start at measure().
"""

import json
import os
import subprocess
import time

TICK = os.sysconf("SC_CLK_TCK")


class BenchError(Exception):
    """The bench cannot go on; the text is for the user."""


def cpu_seconds(pid):
    """CPU time of all threads of a process, from the scheduler's nanoseconds."""
    total = 0
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            try:
                with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as source:
                    total += int(source.read().split()[0])
            except FileNotFoundError:
                if os.path.exists(f"/proc/{pid}/task/{thread}"):
                    raise
                # The thread ended: it was not one that carries load.
        return total / 1e9
    except FileNotFoundError:
        pass
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as source:
            fields = source.read().rsplit(")", 1)[1].split()
    except OSError:
        raise BenchError(f"process {pid} has ended in the middle of a measurement") from None
    return (int(fields[11]) + int(fields[12])) / TICK


def resident_bytes(pid):
    """Resident memory of a process."""
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as source:
        for line in source:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    raise BenchError(f"process {pid} has no memory")


def busy_seconds(cpus):
    """CPU time of everything on these processors, in seconds, interrupts included, steal not."""
    ticks = 0
    with open("/proc/stat", encoding="ascii") as source:
        for line in source:
            name, *numbers = line.split()
            if name.startswith("cpu") and name != "cpu" and int(name[3:]) in cpus:
                user, nice, system, _idle, _iowait, irq, softirq = map(int, numbers[:7])
                ticks += user + nice + system + irq + softirq
    return ticks / TICK


def prefer(pid, nice):
    """Put a process of the bench before others': its nice value and, where the kernel groups by session, its
    session's. Quietly less where that is not allowed."""
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            os.setpriority(os.PRIO_PROCESS, int(thread), nice)
        with open(f"/proc/{pid}/autogroup", "w", encoding="ascii") as out:
            out.write(str(nice))
    except OSError:
        pass


def place(pid, cpus):
    """Let all threads of a process run on these processors only."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        try:
            os.sched_setaffinity(int(thread), cpus)
        except ProcessLookupError:
            pass


class Load:
    """A running bench-load that is connected, logged in and warm, and waits for go()."""

    def __init__(self, binary, path, options, timeout=60):
        env = {key: value for key, value in os.environ.items() if key != "BENCH_TOKEN"}
        if path.token:
            env["BENCH_TOKEN"] = path.token
        command = [binary, "--port", str(path.port)]
        for name, value in options.items():
            command += [f"--{name}", str(value)]
        self.timeout = timeout
        self.command = command
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, env=env, start_new_session=True)
        if path.nice:
            prefer(self.process.pid, path.nice)
        if self.process.stdout.readline() != "ready\n":
            self._failed()

    def _failed(self):
        self.process.stdin.close()
        why = self.process.stderr.read().strip()
        self.process.wait()
        raise BenchError(f"{' '.join(self.command)}: {why or 'ended'}")

    @property
    def pid(self):
        """Its process id."""
        return self.process.pid

    def go(self):
        """Let it run; its result when it is through."""
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            self._failed()
        return json.loads(line)

    def end(self):
        """Close its connections."""
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(self.timeout)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


def measure(binary, path, backend_pid, options, cpus):
    """One slice; a dictionary of what was seen. `cpus`: where everything in it may run. CPU times are in seconds,
    `foreign` is the part of those processors that others took."""
    load = Load(binary, path, options)
    try:
        pids = [pid for pid in (path.pid, backend_pid, load.pid) if pid]
        for pid in pids:
            place(pid, cpus)
        began, busy = time.monotonic(), busy_seconds(cpus)
        before = [cpu_seconds(pid) for pid in pids]
        result = load.go()
        after = [cpu_seconds(pid) for pid in pids]
        took, busy = time.monotonic() - began, busy_seconds(cpus) - busy
    finally:
        load.end()
    spent = [b - a for a, b in zip(before, after)]
    result["proxy_cpu"] = spent[0] if path.pid else 0.0
    result["all_cpu"] = sum(spent)
    result["foreign"] = max(0.0, busy - sum(spent)) / (took * len(cpus))
    result["repeats"] = 0
    return result


def measure_quiet(binary, path, backend_pid, options, cpus, limit):
    """As measure(), but a slice in which others took more than `limit` is done once more; the quieter one counts.
    The rule looks at others' CPU time only, never at the result."""
    first = measure(binary, path, backend_pid, options, cpus)
    if first["foreign"] <= limit:
        return first
    second = measure(binary, path, backend_pid, options, cpus)
    best = min(first, second, key=lambda result: result["foreign"])
    best["repeats"] = 1
    return best


def idle_memory(binary, path, topic, first=100, more=400):
    """Resident bytes that each further idle connection costs in the proxy: it is logged in, has asked once
    and so has its connection to the broker. None where nothing is between."""
    if not path.pid:
        return None
    options = {"workload": "idle", "topic": topic, "run-ms": 0, "warm-ms": 0}
    loads = [Load(binary, path, {**options, "connections": first})]
    try:
        time.sleep(0.3)
        before = resident_bytes(path.pid)
        loads.append(Load(binary, path, {**options, "connections": more}))
        time.sleep(0.3)
        return (resident_bytes(path.pid) - before) / more
    finally:
        for load in loads:
            load.end()
