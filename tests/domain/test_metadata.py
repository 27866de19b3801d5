# SPDX-License-Identifier: Apache-2.0
"""Core metadata (C1 to C21, hostile 133 to 142, I8 to I13, I19)."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.corpus import make_metadata

from packhouse.domain.core_metadata import CoreMetadata
from packhouse.domain.judged import Judged
from packhouse.domain.metadata import METADATA_VERSIONS, read_metadata
from packhouse.domain.metadata_policy import is_web_url
from packhouse.domain.policy import PRIVATE, STRICT, Profile


def read(*lines: str, version: str = "2.6", profile: Profile = PRIVATE, description: str = "") -> Judged[CoreMetadata]:
    raw = make_metadata("foo", "1.0", metadata_version=version, lines=lines, summary="", description=description)
    judged = read_metadata(raw, profile)
    for found in (*judged.faults, *judged.warnings):
        assert found.message.isascii(), found
        assert found.message.isprintable(), found
        assert len(found.message) < 700
    assert (judged.value is None) == bool(judged.faults)
    return judged


def faults(*lines: str, version: str = "2.6", profile: Profile = PRIVATE) -> list[str]:
    return [fault.code for fault in read(*lines, version=version, profile=profile).faults]


def warnings(*lines: str, version: str = "2.6", profile: Profile = PRIVATE) -> list[str]:
    judged = read(*lines, version=version, profile=profile)
    assert not judged.faults
    return [warning.code for warning in judged.warnings]


def core(*lines: str, version: str = "2.6", description: str = "") -> CoreMetadata:
    judged = read(*lines, version=version, description=description)
    assert judged.value is not None, judged.faults
    return judged.value


def raw_faults(raw: bytes) -> list[str]:
    return [fault.code for fault in read_metadata(raw, PRIVATE).faults]


# The text


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_all_fields(newline: str) -> None:
    text = newline.join([
        "Metadata-Version: 2.6", "Name: Foo.Bar", "Version: 1.0", "Summary: Ein Gr\u00fc\u00df", "Keywords: a, b,,c",
        "Home-page: https://example.org", "Author: A\n        B".replace("\n", newline), "Author-email: a@example.org",
        "License-Expression: mit OR apache-2.0", "License-File: LICENSE", "Classifier: Programming Language :: Python",
        "Platform: linux", "Supported-Platform: x", "Requires-Python: >=3.8,<4", "Requires-Dist: a[b]>=1; extra == 'c'",
        "Requires-External: C", "Provides-Extra: Foo_Bar", "Project-URL: Home, https://example.org, yes",
        "Dynamic: License", "Import-Name: foo.bar", "Import-Name: foo._x; private", "Import-Namespace: foo",
        "Description-Content-Type: text/markdown; variant=CommonMark", "", "# Hi", "", "there", "",
    ])  # fmt: skip
    judged = read_metadata(text.encode(), PRIVATE)
    assert not judged.faults
    value = judged.value
    assert value is not None
    assert (value.name, value.version, value.summary) == ("Foo.Bar", "1.0", "Ein Gr\u00fc\u00df")
    assert value.keywords == ("a", "b", "c")
    assert value.license_expression == "MIT OR Apache-2.0"
    assert value.provides_extra == ("foo-bar",)
    assert value.project_urls == (("Home", "https://example.org, yes"),)
    assert value.dynamic == ("license",)
    assert value.import_names == ("foo.bar", "foo._x; private")
    assert value.author == "A\n        B"
    assert value.description.replace("\r", "") == "# Hi\n\nthere\n"
    assert CoreMetadata.from_dict(value.as_dict()) == value


def test_empty_import_name_says_nothing_is_imported() -> None:
    assert core("Import-Name:").import_names == ()
    assert core().import_names is None
    value = core("Import-Name:")
    assert CoreMetadata.from_dict(value.as_dict()) == value


def test_empty_fields_are_absent() -> None:
    value = core("Requires-Python:", "License-Expression:", "Summary:", "Author-email:", "Description-Content-Type:")
    assert (value.requires_python, value.license_expression, value.summary) == ("", "", "")


def test_hostile_15_unknown_is_absent() -> None:
    lines = ["Author-email: UNKNOWN", "Home-page: UNKNOWN", "License: UNKNOWN", "Platform: UNKNOWN"]
    value = core(*lines, description="UNKNOWN\n")
    assert (value.author_email, value.home_page, value.license, value.platforms, value.description) == (
        "",
        "",
        "",
        (),
        "",
    )
    assert warnings(*lines, profile=STRICT) == []


def test_description_in_a_header_loses_its_indentation() -> None:
    assert core("Description: a\n        b\n        \n          c").description == "a\nb\n\n  c"
    assert core("Description: a\n       |b\n       |  c").description == "a\nb\n  c"
    assert core("Description: one line").description == "one line"


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "metadata-version-invalid"),
        (b"\xff", "metadata-not-utf8"),
        (b"Metadata-Version: 2.1\nName: foo\nVersion: 1.0\nSummary: \xe9\n", "metadata-not-utf8"),
        (b"Metadata-Version: 2.1\nName: foo\x00\nVersion: 1.0\n", "metadata-malformed"),
        (b"Metadata-Version: 2.1\nName: foo\nVersion: 1.0\n\na\x00b", "metadata-malformed"),
        (b"Metadata-Version: 2.1\nName: foo\nVersion: 1.0\nSummary: a\rName: evil\n", "metadata-malformed"),
        (b"Metadata-Version: 2.1\nName: foo\ngarbage\nVersion: 1.0\n", "metadata-malformed"),
        (b"From me\nMetadata-Version: 2.1\nName: foo\nVersion: 1.0\n", "metadata-malformed"),
        (b" folded: first\nMetadata-Version: 2.1\n", "metadata-malformed"),
        ("\ufeffMetadata-Version: 2.1\nName: foo\nVersion: 1.0\n".encode(), "metadata-malformed"),
        (b"Metadata-Version: 2.1\nName : foo\nVersion: 1.0\n", "metadata-malformed"),
        (b"x" * (2 * 1024 * 1024 + 1), "metadata-too-large"),
        (b"Metadata-Version: 2.1\n" + b"Platform: x\n" * 10_001, "metadata-too-many-fields"),
    ],
)
def test_hostile_16_17_135_142_texts_with_two_readings(raw: bytes, code: str) -> None:
    assert raw_faults(raw)[0] == code


@pytest.mark.parametrize(
    "line",
    ["Summary: x\n Requires-Dist: evil", "Requires-Dist: a\n b", "Home-page: https://a\n b", "Classifier: a\n b"],
)
def test_hostile_135_folded_headers(line: str) -> None:
    assert faults(line)[0] in {"summary-invalid", "metadata-field-folded"}


@pytest.mark.parametrize("field", ["Name", "Version", "Metadata-Version", "Summary", "Keywords", "License", "name"])
def test_C6_hostile_135_repeated(field: str) -> None:
    lines = [f"{field}: a"] * (1 if field.lower() in {"name", "version", "metadata-version"} else 2)
    assert "metadata-field-repeated" in faults(*lines)


def test_C6_description_twice() -> None:
    assert [f.code for f in read("Description: a", description="b").faults] == ["metadata-field-repeated"]


def test_C6_one_label_for_two_urls() -> None:
    assert faults("Project-URL: A, https://a", "Project-URL: A, https://b") == ["metadata-field-repeated"]


def test_unknown_fields_are_ignored_with_a_warning() -> None:
    assert warnings("X-Evil: 1", "Subject: x") == ["metadata-field-unknown"] * 2
    assert warnings(*(f"X-{n}: 1" for n in range(50))) == ["metadata-field-unknown"] * 10


@pytest.mark.parametrize(
    "line", ["Requires-Python: " + ">=3," * 300, "Author: " + "x" * 5000, "Requires-Dist: " + "a" * 5000]
)
def test_limits_on_length(line: str) -> None:
    assert faults(line) == ["metadata-field-too-long"]


# Versions of the specification, identity


@pytest.mark.parametrize("version", METADATA_VERSIONS)
def test_C1_I8_known_versions(version: str) -> None:
    assert faults(version=version) == []


@pytest.mark.parametrize("version", ["2.0", "9.9", "3.0", "-1", "", "1", "2.7", "2.1.0"])
def test_C1_hostile_136_other_versions(version: str) -> None:
    assert faults(version=version) == ["metadata-version-invalid"]


def test_C1_C2_missing() -> None:
    assert raw_faults(b"Name: foo\n") == ["metadata-version-invalid", "version-missing"]
    assert raw_faults(b"Metadata-Version: 2.1\n") == ["name-missing", "version-missing"]


def test_order_of_faults() -> None:
    raw = b"Requires-Python: x\nSummary: " + b"x" * 600 + b"\nVersion: dog\nName: -\nClassifier: a\n\n"
    expected = [
        "metadata-version-invalid",
        "name-invalid",
        "version-invalid",
        "requires-python-invalid",
        "summary-invalid",
    ]
    assert raw_faults(raw) == expected


@pytest.mark.parametrize(("profile", "expected"), [(PRIVATE, []), (STRICT, ["local-version"])])
def test_C4_hostile_49_local_versions(profile: Profile, expected: list[str]) -> None:
    judged = read_metadata(make_metadata("foo", "1.0+local"), profile)
    assert [fault.code for fault in judged.faults] == expected
    assert not judged.warnings


@pytest.mark.parametrize("summary", ["x" * 513, "a\n b", "a\u2028b", "a\x0bb", "a\x85b"])
def test_C5_summary(summary: str) -> None:
    assert faults(f"Summary: {summary}") == ["summary-invalid"]


def test_hostile_18_odd_characters_in_a_summary_are_text() -> None:
    assert core("Summary: a\u202eb").summary == "a\u202eb"


@pytest.mark.parametrize(
    ("line", "since"),
    [
        ("Classifier: a", "1.1"), ("Requires-Dist: a", "1.2"), ("Project-URL: A, https://a", "1.2"),
        ("Provides-Extra: a", "2.1"), ("Dynamic: License", "2.2"), ("License-Expression: MIT", "2.4"),
        ("Import-Name: a", "2.5"), ("Description-Content-Type: text/plain", "2.1"),
    ],
)  # fmt: skip
def test_C16_I8_fields_before_their_time(line: str, since: str) -> None:
    place = METADATA_VERSIONS.index(since)
    assert faults(line, version=since) == []
    assert faults(line, version=METADATA_VERSIONS[place - 1]) == ["metadata-field-too-new"]


def test_C16_early_licence_files_are_ignored_as_setuptools_wrote_them() -> None:
    judged = read("License-File: LICENSE", "Dynamic: license-file", version="2.2")
    assert judged.value is not None
    assert judged.value.license_files == ()
    assert [warning.code for warning in judged.warnings] == ["license-file-early"]


# Values


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("Requires-Dist: foo bar", "requirement-invalid"),
        ("Requires-Dist: ", "requirement-invalid"),
        ("Requires-Dist: a>=x", "requirement-invalid"),
        ("Requires-Dist: a; nonsense == 'x'", "requirement-invalid"),
        ("Provides-Dist: foo bar", "requirement-invalid"),
        ("Obsoletes-Dist: foo bar", "requirement-invalid"),
        ("Requires-Python: abc", "requires-python-invalid"),
        ('Requires-Python: >=3.6"><script>', "requires-python-invalid"),
        ("Provides-Extra: a b", "extra-invalid"),
        ("Dynamic: foo", "dynamic-invalid"),
        ("Dynamic: name", "dynamic-invalid"),
        ("Dynamic: Version", "dynamic-invalid"),
        ("Dynamic: Metadata-Version", "dynamic-invalid"),
        ("License-Expression: GPL-99", "license-expression-invalid"),
        ("License-Expression: Foo-1.0", "license-expression-invalid"),
        ("License-Expression: MIT AND", "license-expression-invalid"),
        ("License-File: /LICENSE", "license-file-invalid"),
        ("License-File: ../L", "license-file-invalid"),
        ("License-File: LICEN*", "license-file-invalid"),
        ("License-File: a\\b", "license-file-invalid"),
        ("License-File: C:\\b", "license-file-invalid"),
        ("Description-Content-Type: text/html", "description-content-type-invalid"),
        ("Description-Content-Type: text/markdown; charset=latin-1", "description-content-type-invalid"),
        ("Description-Content-Type: text/markdown; variant=Foo", "description-content-type-invalid"),
        ("Description-Content-Type: text/plain; x*", "description-content-type-invalid"),
        ("Description-Content-Type: ;;;", "description-content-type-invalid"),
        ("Import-Name: foo bar", "import-name-invalid"),
        ("Import-Name: class", "import-name-invalid"),
        ("Import-Namespace: 1x", "import-name-invalid"),
        ("Author-Email: " + ", ".join(["a@b.cd"] * 300), "people-too-many"),
    ],
)
def test_C12_C14_to_C21_hostile_139_141_142_values(line: str, code: str) -> None:
    assert faults(line) == [code]
    assert faults(line, profile=STRICT)[0] == code


def test_C17_two_licences() -> None:
    assert faults("License: MIT", "License-Expression: MIT") == ["license-twice"]
    assert faults("Classifier: License :: OSI Approved", "License-Expression: MIT") == []


@pytest.mark.parametrize(
    "expression",
    ["MIT", "mit", "MIT OR Apache-2.0", "LicenseRef-Mine", "GPL-2.0-or-later WITH Classpath-exception-2.0"],
)
def test_I9_licence_expressions(expression: str) -> None:
    assert core(f"License-Expression: {expression}").license_expression.lower() == expression.lower()


def test_I11_dynamic() -> None:
    assert core("Dynamic: Requires-Dist").dynamic == ("requires-dist",)


@pytest.mark.parametrize(
    "line",
    [
        "Requires-Dist: " + "(" * 2000,
        "Requires-Dist: a; " + "(" * 500 + "python_version > '3'" + ")" * 500,
        "Requires-Dist: a" + "[" * 300,
        "Requires-Dist: a; " + " and ".join(["extra == 'x'"] * 310)[:4000],
        "Requires-Dist: a " + ",".join([">=1"] * 900),
        "Requires-Python: " + ",".join([">3"] * 320),
        "License-Expression: " + "(" * 200 + "MIT" + ")" * 200,
        "License-Expression: " + " or ".join(["MIT"] * 140),
    ],
)
def test_decision_9_hostile_138_deep_and_long_values_are_refused_at_once(line: str) -> None:
    start = time.process_time()
    found = faults(line)
    assert found in (["metadata-field-too-complex"], ["requirement-invalid"], [])
    assert time.process_time() - start < 1.0


def test_decision_9_many_heavy_values_together() -> None:
    heavy = "Requires-Dist: a " + ",".join([">=1"] * 290)
    start = time.process_time()
    assert faults(*[heavy] * 1500) == ["metadata-field-too-complex"]
    assert time.process_time() - start < 1.0


def test_decision_9_20_000_parentheses() -> None:
    assert faults("Requires-Dist: a; " + "(" * 20_000) == ["metadata-field-too-long"]
    assert faults(*["Requires-Dist: a; " + "(" * 4000] * 3) == ["metadata-field-too-complex"]


# Rules that profiles switch


SWITCHED = [
    ("Classifier: X :: Y", "classifier-unknown"),
    ("Classifier: License :: OSI Approved :: Intel Open Source License", "classifier-deprecated"),
    ("Author-email: foo", "email-invalid"),
    ("Author-email: foo@bar", "email-invalid"),
    ("Author-email: a b@c@example.org", "email-invalid"),
    ("Maintainer-email: Me <me@localhost.localhost>", "email-invalid"),
    ("Home-page: not a url", "url-invalid"),
    ("Home-page: javascript:alert(1)", "url-invalid"),
    ("Download-URL: ftp://example.org", "url-invalid"),
    ("Project-URL: https://example.org", "project-url-invalid"),
    ("Project-URL: , https://example.org", "project-url-invalid"),
    ("Project-URL: Home,", "project-url-invalid"),
    ("Project-URL: " + "H" * 33 + ", https://example.org", "project-url-invalid"),
    ("Project-URL: Home, data:text/html,x", "project-url-invalid"),
    ("Requires-Dist: foo @ https://example.org/foo.whl", "direct-url"),
]


@pytest.mark.parametrize(("line", "code"), SWITCHED)
def test_decision_4_C7_to_C13_hostile_137_140_strict_refuses_private_warns(line: str, code: str) -> None:
    assert faults(line, profile=STRICT) == [code]
    assert warnings(line) == [code]


@pytest.mark.parametrize(
    "line",
    [
        "Requires-Dist: foo @ file:///x", "Requires-Dist: foo @ git+ssh://git@example.org/x",
        "Requires-Dist: foo @ git+https://example.org/x", "Provides-Dist: foo @ https://example.org/x",
        "Obsoletes-Dist: foo @ https://example.org/x",
    ],
)  # fmt: skip
def test_C13_C14_hostile_137_urls_that_both_refuse(line: str) -> None:
    assert faults(line) == faults(line, profile=STRICT) == ["direct-url-forbidden"]


def test_C7_I13_private_classifiers() -> None:
    line = "Classifier: Private :: Do Not Upload"
    assert warnings(line) == []
    assert faults(line, profile=STRICT) == ["classifier-private"]


@pytest.mark.parametrize(
    "line",
    [
        "Author-email: Me <me@example.com.au>",
        "Author-email: a@b-c.de, nonsense",
        "Home-page: https://example.org/x?y#z",
    ],
)
def test_sound_people_and_urls(line: str) -> None:
    assert warnings(line, profile=STRICT) == []


@pytest.mark.parametrize("url", ["https://a.b", "http://a.b:80/x?y=1#z", "https://[::1]/", "HTTPS://A.B"])
def test_web_urls(url: str) -> None:
    assert is_web_url(url)


@pytest.mark.parametrize(
    "url",
    ["//evil", "https:///x", "https://", "javascript:x", "https://index.example@evil.example", "https://a b", 'https://a"b',
     "https://a\\b", "https://[x", "data:,", "file:///x", "", "https://a\tb", "https://a\nb", "ftp://a"],
)  # fmt: skip
def test_hostile_152_no_web_urls(url: str) -> None:
    assert not is_web_url(url)


# Anything at all


FIELD = st.sampled_from(
    ["Metadata-Version", "Name", "Version", "Summary", "Requires-Dist", "Requires-Python", "Classifier",
     "License-Expression",
     "Project-URL", "Author-email", "Dynamic", "Provides-Extra", "Description-Content-Type", "License-File",
     "Import-Name", "X"]
)  # fmt: skip
VALUE = st.one_of(st.text(max_size=40), st.sampled_from(["1.0", "2.4", "foo", ">=3", "a @ https://x", "text/x-rst"]))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(FIELD, VALUE), max_size=12), st.text(max_size=50), st.sampled_from([PRIVATE, STRICT]))
def test_any_metadata_is_judged(pairs: list[tuple[str, str]], body: str, profile: Profile) -> None:
    text = "".join(f"{name}: {value}\n" for name, value in pairs) + "\n" + body
    judged = read_metadata(text.encode("utf-8", "replace"), profile)
    assert (judged.value is None) == bool(judged.faults)
    for found in (*judged.faults, *judged.warnings):
        assert found.message.isascii()
        assert found.message.isprintable()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_judged(raw: bytes) -> None:
    assert read_metadata(raw, PRIVATE).faults
