# SPDX-License-Identifier: Apache-2.0
"""`python -m packhouse`."""

from packhouse.cli.main import main

main()
