# SPDX-License-Identifier: Apache-2.0
"""Write the migrations that changed models need: `make migrations`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command

from packhouse.config import Settings
from packhouse.site.settings import values


def main() -> None:
    """Compare models and migrations, on an empty database that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        settings.configure(**values(Settings(data=Path(folder)), secret_key="made and forgotten"))
        django.setup()
        call_command("makemigrations", "catalogue", "activity")


if __name__ == "__main__":
    main()
