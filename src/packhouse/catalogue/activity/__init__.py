# SPDX-License-Identifier: Apache-2.0
"""What happens around the facts: last-used marks, job positions, counts. Kept in a database of its own."""
