# SPDX-License-Identifier: Apache-2.0
"""Names of modules of the standard library, of every Python there was (row D8 of the upload contract).

Of submodules those that people import; the innards of `encodings`, `idlelib`, `lib2to3` and of tests are left out.
"""

from __future__ import annotations

import sys

from packhouse.domain.names import normalize

_FORMER = """
    aifc anydbm asynchat asyncore audioop basehttpserver bastion binhex bsddb cgi cgihttpserver cgitb chunk codeop
    commands compiler configparser cookie cookielib copy-reg cpickle cprofile crypt cstringio dbhash dircache distutils
    dl docxmlrpcserver dumbdbm dummy-thread dummy-threading exceptions formatter fpformat future-builtins hotshot
    htmlentitydefs htmllib htmlparser httplib ihooks imghdr imp imputil lib2to3 macpath macurl2path mailcap md5 mhlib
    mimetools mimewriter mimify msilib multifile mutex new nis nntplib os2emxpath ossaudiodev parser pipes popen2
    posixfile queue repr rexec rfc822 robotparser sets sgmllib sha simplehttpserver simplexmlrpcserver smtpd sndhdr
    socketserver spwd statvfs stringio sunau sunaudio symbol telnetlib thread tkinter toaiff ttk tix urllib2 urlparse
    user userdict userlist userstring uu whichdb xdrlib xmlrpclib"""
_BELOW = """
asyncio: base_events base_futures base_subprocess base_tasks constants coroutines events exceptions
format_helpers futures graph locks log mixins proactor_events protocols queues runners selector_events sslproto
staggered streams subprocess taskgroups tasks threads timeouts tools transports trsock unix_events
windows_events windows_utils; bsddb: db dbobj dbrecio dbshelve dbtables dbutils; collections: abc; compiler: ast
consts future misc pyassem pycodegen symbols syntax transformer visitor; compression: bz2 gzip lzma zlib zstd;
concurrent: futures interpreters; concurrent.futures: process thread; ctypes: macholib util wintypes;
ctypes.macholib: dyld dylib framework; curses: ascii has_key panel textpad; dbm: dumb gnu ndbm; distutils:
archive_util bcppcompiler ccompiler cmd command config core cygwinccompiler debug dep_util dir_util dist errors
extension fancy_getopt file_util filelist log msvc9compiler msvccompiler spawn sysconfig text_file unixccompiler
util version versionpredicate; distutils.command: bdist bdist_dumb bdist_rpm build build_clib build_ext build_py
build_scripts check clean config install install_data install_egg_info install_headers install_lib
install_scripts register sdist upload; email: base64mime charset contentmanager encoders errors feedparser
generator header headerregistry iterators message mime parser policy quoprimime utils; email.mime: application
audio base image message multipart nonmultipart text; hotshot: log stats stones; html: entities parser; http:
client cookiejar cookies server; importlib: abc machinery metadata readers resources simple util;
importlib.resources: abc readers simple; json: decoder encoder scanner tool;
logging: config handlers; multiprocessing: connection context dummy forkserver heap managers pool popen_fork
popen_forkserver popen_spawn_posix popen_spawn_win32 process queues reduction resource_sharer resource_tracker
shared_memory sharedctypes spawn synchronize util; multiprocessing.dummy: connection; os: path; pathlib: types;
pydoc_data: topics; sqlite3: dbapi2 dump; string: templatelib; tkinter: colorchooser commondialog constants
dialog dnd filedialog font messagebox scrolledtext simpledialog tix ttk; unittest: async_case case loader main
mock result runner signals suite util; urllib: error parse request response robotparser; wsgiref: handlers
headers simple_server types util validate; xml: dom etree parsers sax; xml.dom: NodeFilter domreg expatbuilder
minicompat minidom pulldom xmlbuilder; xml.etree: ElementInclude ElementPath ElementTree cElementTree;
xml.parsers: expat; xml.sax: expatreader handler saxutils xmlreader; xmlrpc: client server; zipfile: path"""


def _submodules() -> set[str]:
    """The dotted names of `_BELOW`."""
    packages = (entry.split(":") for entry in " ".join(_BELOW.split()).split(";"))
    return {f"{package.strip()}.{module}" for package, modules in packages for module in modules.split()}


STDLIB = frozenset(normalize(name.strip("_")) for name in {*sys.stdlib_module_names, *_FORMER.split(), *_submodules()})
"""Normalized names; `os.path` is `os-path`."""


def is_stdlib_name(name: str) -> bool:
    """Whether a project name, in any spelling, is that of a module of the standard library."""
    return normalize(name).strip("-") in STDLIB
