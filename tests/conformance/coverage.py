#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""API x version: seen by a real client, by the generator, by both, or by neither.

    tests/conformance/coverage.py --clients FILE... --generated FILE...

A file has "key,version" lines: --clients as turnoutd writes them (TURNOUT_RECORD_APIS), --generated as
tests/conformance/run --seen does. What is advertised and was seen by neither is a failure.
"""
import argparse
import pathlib
import sys

import driver

SIGNS = {(True, True): "*", (True, False): "c", (False, True): "g", (False, False): "-"}


def read(paths):
    """The pairs of all files; one that does not exist is empty."""
    found = set()
    for path in paths:
        if path.exists():
            for line in path.read_text(encoding="ascii").split():
                found.add(tuple(int(word) for word in line.split(",")))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=pathlib.Path, nargs="*", default=[])
    parser.add_argument("--generated", type=pathlib.Path, nargs="*", default=[])
    options = parser.parse_args()
    clients, generated = read(options.clients), read(options.generated)
    apis = driver.facts().apis
    last = max(api.max for api in apis)
    print("API x version: * a real client and the generator, c a real client, g the generator, - NEITHER, "
          "r advertised and always refused")
    print(f"{'':30}{''.join(f'{v:>3}' for v in range(last + 1))}")
    sums, bad = dict.fromkeys(SIGNS.values(), 0), []
    for api in apis:
        row = ""
        for version in range(last + 1):
            pair = (api.key, version)
            if version > api.max or version < api.advertised_min:
                sign = ""
            elif version < api.min:
                sign = "r"
            else:
                sign = SIGNS[pair in clients, pair in generated]
                sums[sign] += 1
            row += f"{sign:>3}"
        bad += [api] if "-" in row else []
        print(f"{api.key:>3} {api.name:26}{row}".rstrip())
    print(f"{sum(sums.values())} versions of {len(apis)} APIs are offered; seen by a real client: {sums['*'] + sums['c']}, by the "
          f"generator: {sums['*'] + sums['g']}, by neither: {sums['-']}")
    for api in bad:
        print(f"{api.name} is advertised, and nobody has seen it at a version")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
