# SPDX-License-Identifier: Apache-2.0
"""The use cases, a verb each. One function = one use case = one transaction. No HTTP."""
