# SPDX-License-Identifier: Apache-2.0
from tests.infra.server import live_server, start_server

__all__ = ["live_server", "start_server"]
