# SPDX-License-Identifier: Apache-2.0
"""A hasher that counts, instead of timing."""

from __future__ import annotations

from django.contrib.auth.hashers import MD5PasswordHasher


class Counting(MD5PasswordHasher):
    algorithm = "md5"
    count = 0

    def encode(self, password: str, salt: str) -> str:
        type(self).count += 1
        return super().encode(password, salt)
