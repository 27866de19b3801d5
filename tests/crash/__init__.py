# SPDX-License-Identifier: Apache-2.0
"""Crash tests: what was acknowledged is looked for after kills, power cuts and other faults (docs/durability.md)."""
