# SPDX-License-Identifier: Apache-2.0
"""The facts: a Django app with the models by subject, the few read queries, and the migrations."""
