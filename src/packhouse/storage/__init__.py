# SPDX-License-Identifier: Apache-2.0
"""Where bytes live: blobs, and the read-only readers of the page table. No Django."""
