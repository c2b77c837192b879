"""A provider on this machine: fal.ai's queue and AssemblyAI's API, over real HTTP.

It offers the routes that the two document and no others, records what it accepts, and
fails in every way that a test asks for.
"""

import ssl

from catalog.clock import Clock
from tests.fakes.provider_assemblyai import AssemblyAiSide
from tests.fakes.provider_fal import FalSide
from tests.fakes.provider_server import FakeServer


class FakeProvider(FakeServer):
    """Both providers at one address; names of routes begin with ``fal.``, ``aai.``."""

    def __init__(self, clock: Clock, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        # Before fal.ai, whose submits may have any path of two parts and more.
        self.assemblyai = AssemblyAiSide(self, clock)
        self.fal = FalSide(self)
