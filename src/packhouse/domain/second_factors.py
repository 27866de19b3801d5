# SPDX-License-Identifier: Apache-2.0
"""Second factors as far as rules go. Pure."""

from __future__ import annotations

CODE_DIGITS = 16
"""Digits of a recovery code: 53 bits."""
TRUST_DAYS = 30
"""Days for which a browser, once told so, isn't asked for a second factor."""
