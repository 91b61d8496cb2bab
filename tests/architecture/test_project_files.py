"""No file of the project names a machine, a package index or a key. Shell."""

import re

import pytest

from tests.architecture import source

# None of these matches itself, so that this file does not contain what it looks for.
FORBIDDEN = {
    "address of a package index": r"(?i)pypi\.org|pythonhosted\.org|registry\.npmjs|deb\.debian\.org",
    "folder of a package index": r"https?://[^\s\"'<>]*/(?:simple|packages|debian)/",
    "option that names a package index": r"(?:index|registry)[-]url",
    "path of one machine": r"(?<![\w.])/(?:work|root|home/\w+|Users/\w+)/|/tmp/[a-z]+/",
    "broker key": r"\b[PA]K[A-Z0-9]{16,}\b",
    "cloud key": r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b",
    "private key": r"BEGIN (?:[A-Z]+ )?PRIVATE [K]EY",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_contains(what):
    pattern = re.compile(FORBIDDEN[what])
    found = []
    for path in source.project_files():
        text = path.read_bytes().decode("utf-8", errors="ignore")
        found += [
            f"{source.name_of(path)}:{number}"
            for number, line in enumerate(text.splitlines(), 1)
            if pattern.search(line)
        ]
    assert found == []


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("address of a package index", "see https://py" + "pi.org/project/x"),
        ("folder of a package index", "https://mirror.example/deb" + "ian/pool"),
        ("option that names a package index", "--extra-index" + "-url"),
        ("path of one machine", "open('/wo" + "rk/main/x')"),
        ("path of one machine", "at /tm" + "p/abc/file"),
        ("broker key", "PK" + "A1B2C3D4E5F6G7H8I9"),
        ("cloud key", "AKIA" + "IOSFODNN7EXAMPLE"),
        ("private key", "-----BEGIN RSA PRIVATE " + "KEY-----"),
    ],
)
def test_each_pattern_finds_what_it_is_for(what, line):
    assert re.search(FORBIDDEN[what], line)


def test_every_locked_package_is_hashed():
    text = (source.REPOSITORY / "requirements.lock").read_text()
    entries = re.split(r"\n(?=[a-z0-9])", text)[1:]
    assert len(entries) > 50
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
