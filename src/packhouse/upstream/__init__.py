# SPDX-License-Identifier: Apache-2.0
"""Other indexes: network without rules."""
