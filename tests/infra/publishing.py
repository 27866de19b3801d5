# SPDX-License-Identifier: Apache-2.0
"""Publishing in tests, through the service: a project in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from packhouse.config import Settings
from packhouse.domain.upload_form import UploadForm, read_form
from packhouse.storage.memory_blobs import MemoryBlobs
from tests.infra.clock import TickingClock
from tests.infra.judges import CredulousJudge, sdist, wheel

if TYPE_CHECKING:
    from packhouse.domain.permissions import Identity
    from packhouse.services.resources import Resources
    from packhouse.services.uploads import Outcome


def make_resources(clock: TickingClock, **settings: Any) -> Resources:
    """Resources with blobs in memory and a judge that believes what it can open."""
    from packhouse.services.resources import Resources

    return Resources(Settings(**settings), MemoryBlobs(), CredulousJudge(), clock)


class Press:
    """Publishes files as somebody."""

    def __init__(self, resources: Resources, identity: Identity, index: str = "main") -> None:
        self.resources = resources
        self.identity = identity
        self.index = index
        self.address = ""

    def form(self, name: str, version: str, filename: str, /, **fields: str) -> UploadForm:
        """The form a tool would send."""
        kind = ("bdist_wheel", "py3") if filename.endswith(".whl") else ("sdist", "source")
        said = {"name": name, "version": version, "filetype": kind[0], "pyversion": kind[1]} | fields
        return read_form({key: [value] for key, value in said.items()}, filename, None)

    def send(self, form: UploadForm, data: bytes) -> Outcome:
        """Publish these bytes with this form."""
        from packhouse.services import uploads

        incoming = self.resources.blobs.incoming()
        try:
            incoming.write(data)
            return uploads.publish(form, incoming, self.resources, self.identity, self.index, address=self.address)
        finally:
            incoming.discard()

    def wheel(self, name: str, version: str, tags: str = "py3-none-any", payload: str = "", **headers: str) -> Outcome:
        """Publish a small wheel."""
        filename = f"{name.lower().replace('-', '_').replace('.', '_')}-{version}-{tags}.whl"
        return self.send(self.form(name, version, filename), wheel(name, version, payload, **headers))

    def wheel_from(self, address: str, name: str, version: str = "1.0") -> Outcome:
        """Publish a small wheel from an address."""
        self.address, before = address, self.address
        try:
            return self.wheel(name, version)
        finally:
            self.address = before

    def sdist(self, name: str, version: str, payload: str = "", **headers: str) -> Outcome:
        """Publish a small sdist."""
        filename = f"{name.lower().replace('-', '_').replace('.', '_')}-{version}.tar.gz"
        return self.send(self.form(name, version, filename), sdist(name, version, payload, **headers))
