# SPDX-License-Identifier: Apache-2.0
"""Packhouse beside nginx, which serves the same bytes as plain files: one core for the server, one for the load."""
