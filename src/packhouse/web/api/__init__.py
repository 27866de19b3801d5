# SPDX-License-Identifier: Apache-2.0
"""The management API: what people do in the browser, for programs with a token (docs/api.md)."""
