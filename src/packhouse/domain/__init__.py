# SPDX-License-Identifier: Apache-2.0
"""The pure domain: names, files, listings, pages, policy and permissions.

No I/O, no Django, no clock but the one passed in.
"""
