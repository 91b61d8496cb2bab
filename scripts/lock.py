"""Writes requirements.lock: every version and hash, in sections by the parts that need them. Shell.

Usage: python scripts/lock.py [--upgrade]    (needs uv; without --upgrade, versions stay where they can)
"""

import re
import subprocess
import sys
import tempfile
import tomllib
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
HEAD = """\
# Versions and hashes of everything ops-pipeline uses, for Python 3.11 to 3.14. Written by `make lock`.
# `make setup` installs the sections that name the wanted parts.
"""


def compile_requirements(*options: str) -> str:
    project = str(ROOT / "pyproject.toml")
    command = ["uv", "pip", "compile", project, "--universal", "--python-version", "3.11"]
    command += ["--no-header", "--no-annotate", "--quiet", *options]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def blocks(text: str) -> dict[str, str]:
    """Split requirements into name -> lines; a name may have one entry per Python version."""
    found: dict[str, str] = defaultdict(str)
    name = ""
    for line in text.splitlines(keepends=True):
        if match := re.match(r"[A-Za-z0-9._-]+", line):
            name = match.group()
        if name:
            found[name] += line
    return dict(found)


def _order(parts: tuple[str, ...]) -> tuple[bool, bool, tuple[str, ...]]:
    """Put what everybody needs first, then what the tests need, then the extras."""
    return "run" not in parts, "test" not in parts, parts


def main() -> None:
    extras = sorted(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    options = {"run": ["--group", "build"], "test": ["--group", "test"]} | {e: ["--extra", e] for e in extras}
    with tempfile.TemporaryDirectory() as folder:
        everything = Path(folder, "everything.txt")
        if LOCK.exists():
            everything.write_text(LOCK.read_text())
        all_parts = [word for part in options.values() for word in part]
        compile_requirements(*all_parts, "--generate-hashes", "-o", str(everything), *sys.argv[1:])
        entries = blocks(everything.read_text())
        pins = Path(folder, "pins.txt")
        pins.write_text(re.sub(r" \\\n.*", "", re.sub(r"\n    --hash.*", "", everything.read_text())))
        needs = {part: set(blocks(compile_requirements(*o, "-c", str(pins)))) for part, o in options.items()}
    sections: dict[tuple[str, ...], str] = defaultdict(str)
    for name, lines in entries.items():
        parts = ("run",) if name in needs["run"] else tuple(part for part in options if name in needs[part])
        sections[parts] += lines
    text = "".join(
        f"\n# --- for: {', '.join(parts)} ---\n{sections[parts]}" for parts in sorted(sections, key=_order)
    )
    LOCK.write_text(HEAD + text)


if __name__ == "__main__":
    main()
