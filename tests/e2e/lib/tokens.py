# SPDX-License-Identifier: Apache-2.0
"""Tokens made by hand, right and wrong ones: what an attacker could send."""

import base64
import hashlib
import hmac
import json
import secrets
import time

HASHES = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}


def new_key():
    """A signing key in base64, as token.keys wants it."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _part(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def make(key, username, vcluster, lifetime=3600, algorithm="HS256", header=None, claims=None):
    """A signed token; `claims` adds to or (value None) removes from the usual ones."""
    now = int(time.time())
    body = {"username": username, "vcluster": vcluster, "exp": now + lifetime, "iat": now, **(claims or {})}
    body = {k: v for k, v in body.items() if v is not None}
    head = header if header is not None else {"alg": algorithm, "typ": "JWT"}
    signed = _part(json.dumps(head).encode()) + b"." + _part(json.dumps(body).encode())
    if algorithm == "none":
        return (signed + b".").decode()
    signature = hmac.new(base64.b64decode(key), signed, HASHES[algorithm]).digest()
    return (signed + b"." + _part(signature)).decode()


def claims_of(token):
    """The claims of a token, unverified."""
    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
