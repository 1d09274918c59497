# SPDX-License-Identifier: Apache-2.0
"""The clients that the tests run, each behind the same few calls (base.Driver).

Must not: know what is a gateway and what a broker; a Target is an address with or without a token.
DRIVERS is the list that the tests go through.
"""

from .aio import AioDriver
from .base import Failed, Target
from .confluent import ConfluentDriver
from .java import JavaDriver
from .kcat import KcatDriver
from .kpython import KafkaPythonDriver

DRIVERS = {driver.name: driver for driver in
           (KcatDriver, JavaDriver, ConfluentDriver, KafkaPythonDriver, AioDriver)}

__all__ = ["DRIVERS", "Failed", "Target"]
