# SPDX-License-Identifier: Apache-2.0
"""Packhouse: the Python package index people run themselves."""

__version__ = "0.1.0"
