# SPDX-License-Identifier: Apache-2.0
"""One connection to a broker or to a gateway that takes requests as plain dictionaries and gives answers so."""

import kafka.protocol.admin as _admin
import kafka.protocol.consumer as _consumer
import kafka.protocol.metadata as _metadata
import kafka.protocol.producer as _producer
from lib import wire

_MODULES = (_admin, _consumer, _metadata, _producer)


def message(name):
    """kafka-python's class of a message, as CreateTopicsRequest; None where it has none."""
    return next((getattr(module, name) for module in _MODULES if hasattr(module, name)), None)


NAMES = {message(name).API_KEY: name.removesuffix("Request") for module in _MODULES for name in dir(module)
         if name.endswith("Request") and hasattr(getattr(module, name), "API_KEY")}


def _filled(struct, values):
    """A struct of kafka-python from a dictionary; fields that a version does not have are left out by the encoder."""
    filled = {}
    for name, value in values.items():
        field = struct._struct.fields[name]
        if value is not None and field.is_struct():
            value = _filled(field.data_class, value)
        elif value is not None and field.is_struct_array():
            value = [_filled(field.data_class, element) for element in value]
        filled[name] = value
    return struct(**filled)


class Link:
    """Opened when it is first needed, and again after it was closed."""

    def __init__(self, address, user=None, token=None):
        self.address, self.user, self.token = address, user, token
        self._raw, self._correlation = None, 0

    def _open(self):
        if self._raw is None:
            self._raw = wire.Raw(self.address)
            if self.user:
                error, text = self._raw.authenticate(self.user, self.token)
                assert error == 0, text
        return self._raw

    def versions(self):
        """{API key: (oldest, newest)} that the peer advertises."""
        answer = self._open().ask(wire.api_versions(0))
        assert answer.i16() == 0
        return {key: (oldest, newest) for key, oldest, newest in
                answer.array(lambda: (answer.i16(), answer.i16(), answer.i16()))}

    def ask(self, api, version, values):
        """The answer as a dictionary; None to a Produce with acks=0. wire.RawClosed when the peer hangs up."""
        request = _filled(message(api + "Request"), values)
        self._correlation += 1
        request.API_VERSION = version
        request.with_header(correlation_id=self._correlation, client_id="equivalence")
        try:
            self._open().send(bytes(request.encode(version=version, header=True, framed=True)))
            if api == "Produce" and values["acks"] == 0:
                return None
            data = self._raw.receive()
        except wire.RawClosed:
            self.close()
            raise
        except TimeoutError:
            self.close()
            raise TimeoutError(f"no answer to {api} version {version}: {values}") from None
        answer = message(api + "Response").decode(data, version=version, header=True)
        assert answer.header.correlation_id == self._correlation, "an answer to another request"
        return answer.to_dict(json=False)

    def close(self):
        """Close what is open."""
        if self._raw is not None:
            self._raw.close()
            self._raw = None
