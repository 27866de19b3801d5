# SPDX-License-Identifier: Apache-2.0
"""The read plane: from request to reply without Django."""
