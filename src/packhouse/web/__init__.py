# SPDX-License-Identifier: Apache-2.0
"""Django views: parse, call one service, answer."""
