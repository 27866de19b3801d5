# SPDX-License-Identifier: Apache-2.0
"""The platform tags of wheels that the public index takes (E21); a table of shapes."""

from __future__ import annotations

import re

_MANY = "x86_64|i686|aarch64|armv7l|ppc64le|s390x|riscv64"
_MAC = "ppc|ppc64|i386|x86_64|arm64|intel|fat|fat3|fat64|universal|universal2"
_LISTED = re.compile(
    "|".join((
        "any|win32|win_arm64|win_amd64|win_ia64",
        "manylinux1_(?:x86_64|i686)",
        "manylinux2010_(?:x86_64|i686)",
        "manylinux2014_(?:x86_64|i686|aarch64|armv7l|ppc64|ppc64le|s390x)",
        "linux_armv[67]l",
        rf"manylinux_[0-9]+_[0-9]+_(?:{_MANY}|ppc64)",
        rf"musllinux_[0-9]+_[0-9]+_(?:{_MANY})",
        rf"macosx_(?:10_[0-9]+|(?:11|12|13|14|15|26)_0)_(?:{_MAC})",
        r"ios_[0-9]+_[0-9]+_(?:arm64|x86_64)_(?:iphoneos|iphonesimulator)",
        r"android_[0-9]+_(?:armeabi_v7a|arm64_v8a|x86|x86_64)",
        r"pyemscripten_[0-9]+_[0-9]+_wasm32",
    ))
)  # fmt: skip


def is_listed_platform(tag: str) -> bool:
    """Whether the public index takes wheels for this platform tag (in lower case)."""
    return _LISTED.fullmatch(tag) is not None
