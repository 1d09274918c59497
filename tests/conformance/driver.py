# SPDX-License-Identifier: Apache-2.0
"""The gateway's side: tests/conformance/rewriter as a process, and the facts that it tells of its tenant."""
import os
import pathlib
import struct
import subprocess

TREE = pathlib.Path(__file__).resolve().parents[2]
WHATS = {"request": 0, "response": 1, "local": 2, "refuse": 3, "asked": 4, "told": 5}
FRAME, REFUSED, FORWARD, QUESTION = range(4)


class Api:
    """A row of the gateway's table."""

    def __init__(self, words):
        self.key, self.name, self.policy = int(words[0]), words[1], words[2]
        self.min, self.max, self.advertised_min, flags = (int(w) for w in words[3:7])
        self.streams = {"request": bool(flags & 2), "response": bool(flags & 4)}


class Facts:
    """What `rewriter --facts` says."""

    def __init__(self, text):
        self.apis, self.errors, self.vnode_of, self.broker_of, self.present, self.own = [], {}, {}, {}, [], []
        self.aliases = {}  # virtual name: (physical name, is it read-only)
        self.contested = set()  # virtual names of topics that others write to as well
        self.marks = {}    # see learn_marks()
        for line in text.splitlines():
            word, rest = line.split(" ", 1)
            words = rest.split(" ")
            if word == "api":
                self.apis.append(Api(words))
            elif word == "error":
                self.errors[words[0] if words[0] == "unknown" else int(words[0])] = rest.split(" ", 1)[1]
            elif word == "own":
                self.own.append((words[0], int(words[1])))
            elif word == "alias":
                self.aliases[words[0]] = words[1], words[2] == "read-only"
                self.contested |= {words[0]} if words[2] == "contested" else set()
            elif word == "slot":
                self.vnode_of[int(words[1])] = int(words[0])
                self.broker_of[int(words[0])] = int(words[1])
                self.present += [int(words[0])] if words[2] == "present" else []
            else:
                setattr(self, word, int(rest) if word in ("port", "whole", "fetch", "throttle") else rest)

    def error_text(self, code):
        """The gateway's sentence of an error code."""
        return self.errors.get(code, self.errors["unknown"])


def program():
    """The driver in the build directory."""
    build = pathlib.Path(os.environ.get("TURNOUT_BUILD") or TREE)
    return build / "tests/conformance/rewriter"


def facts():
    """The facts of the built gateway."""
    return Facts(subprocess.run([program(), "--facts"], check=True, capture_output=True, text=True).stdout)


class Rewriter:
    """The driver, running."""

    def __init__(self):
        self.process = subprocess.Popen([program()], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, what, key, version, frame, step=0, own=0, tenant=0):
        """(outcome, bytes): FRAME with the whole outgoing frame, REFUSED with a sentence, FORWARD."""
        pipe_in, pipe_out = self.process.stdin, self.process.stdout
        try:
            pipe_in.write(struct.pack(">bbbbhhii", WHATS[what], own, tenant, 0, key, version, step, len(frame)) + frame)
            pipe_in.flush()
            head = pipe_out.read(5)
            if len(head) == 5:
                outcome, size = struct.unpack(">bi", head)
                return outcome, pipe_out.read(size)
        except BrokenPipeError:
            pass
        status = self.process.wait()
        self.process = subprocess.Popen([program()], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return REFUSED, f"THE REWRITER ENDED with {status}, see above".encode()

    def close(self):
        """Ends it; true when it ended well."""
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait() == 0
