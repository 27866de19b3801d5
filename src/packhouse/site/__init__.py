# SPDX-License-Identifier: Apache-2.0
"""Django settings, the accounts adapter and the WSGI entry point."""
