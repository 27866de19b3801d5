# SPDX-License-Identifier: Apache-2.0
"""Packhouse beside nginx: `make bench` measures both in one run and writes docs/performance.md."""
