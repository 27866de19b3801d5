# SPDX-License-Identifier: Apache-2.0
"""A Django database back end: SQLite through the library chosen by `storage.sqlite`, set up for durability."""
