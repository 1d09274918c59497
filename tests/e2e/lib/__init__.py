# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests share: gateways, the sandbox clusters, clients, raw frames.

Nothing here is a test. A Gateway (gateway.py) checks at its end what must hold for every run: it ended with 0,
no sanitizer report, no secret in its log, and no byte of a backend in what clients were sent (leaks.py).
"""
