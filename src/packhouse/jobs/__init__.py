# SPDX-License-Identifier: Apache-2.0
"""Background work, thin: call a service; idempotent and keyed."""
