"""Installs the project and the named parts of requirements.lock into .venv. Shell.

Usage: python scripts/setup.py PART...    (run, test, or an extra of pyproject.toml; run always comes along)
Needs only Python and its standard library, and does nothing when all is up to date. An older Python than
the project's must be able to read this file, to be told so.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
STAMP = VENV / ".installed.json"
LOCK = ROOT / "requirements.lock"
INPUTS = (LOCK, ROOT / "pyproject.toml", Path(__file__))
OLDEST, NEWEST = (3, 11), (3, 14)
SECTION = re.compile(r"^# --- for: (.+) ---$")


def main(arguments: list[str]) -> None:
    use_a_supported_python()
    known = {part for parts, _ in lock_sections() for part in parts}
    wanted = {"run", *arguments}
    if wanted - known:
        stop(f"expected parts among {', '.join(sorted(known))}; found {', '.join(sorted(wanted - known))}")
    installed = read_stamp()
    present = set(installed.get("parts", ())) & known
    inputs = hashlib.sha256(b"".join([bytes(ROOT), *(path.read_bytes() for path in INPUTS)])).hexdigest()
    if installed.get("inputs") == inputs and wanted <= present:
        return
    make_environment()
    parts = sorted(wanted | present)
    install(parts)
    STAMP.write_text(json.dumps({"inputs": inputs, "parts": parts}), encoding="utf-8")
    print(f"installed into {VENV}: {', '.join(parts)}")


def use_a_supported_python() -> None:
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        other = shutil.which(f"python3.{minor}")
        if other and starts(other):
            os.execv(other, [other, *sys.argv])
    found = f"{sys.version_info[0]}.{sys.version_info[1]}"
    stop(f"expected Python 3.11 to 3.14, found {found}; install one or name it: make setup PYTHON=python3.12")


def lock_sections() -> list[tuple[set[str], str]]:
    """Split the lock into the parts that need a section and its text."""
    found: list[tuple[set[str], str]] = []
    for line in LOCK.read_text(encoding="utf-8").splitlines(keepends=True):
        header = SECTION.match(line.rstrip())
        if header:
            found.append((set(header.group(1).split(", ")), ""))
        elif found:
            found[-1] = (found[-1][0], found[-1][1] + line)
    if not found:
        stop(f"expected sections '# --- for: ... ---' in {LOCK}, found none")
    return found


def read_stamp() -> dict:
    if not starts(VENV_PYTHON):
        return {}
    try:
        return json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def make_environment() -> None:
    if starts(VENV_PYTHON):
        return
    shutil.rmtree(VENV, ignore_errors=True)
    if shutil.which("uv"):
        run("uv", "venv", "--quiet", "--python", sys.executable, VENV)
        return
    if not (importlib.util.find_spec("ensurepip") and importlib.util.find_spec("venv")):
        stop(
            f"{sys.executable} cannot make virtual environments; Debian and Ubuntu package that apart.\n"
            f"Install it (as root: apt-get install python3.{sys.version_info[1]}-venv) or install uv, "
            "then run make again."
        )
    run(sys.executable, "-m", "venv", VENV)


def install(parts: list[str]) -> None:
    needed = [text for names, text in lock_sections() if names & set(parts)]
    if shutil.which("uv"):
        installer = ["uv", "pip", "install", "--quiet", "--python", VENV_PYTHON]
    else:
        installer = [VENV_PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    with tempfile.TemporaryDirectory() as folder:
        chosen = Path(folder, "requirements.txt")
        chosen.write_text("".join(needed), encoding="utf-8")
        run(*installer, "--require-hashes", "-r", chosen)
    run(*installer, "--no-deps", "--no-build-isolation", "-e", ROOT)


def starts(python: str | Path) -> bool:
    """Tell whether this interpreter is there and runs: a version manager's shim may do neither."""
    if not Path(python).exists():
        return False
    return subprocess.call([str(python), "-c", ""], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0


def run(*command: str | Path) -> None:
    words = [str(word) for word in command]
    if subprocess.call(words, stdin=subprocess.DEVNULL):
        stop(f"failed: {' '.join(words)}")


def stop(message: str) -> None:
    sys.exit(f"setup: {message}")


if __name__ == "__main__":
    main(sys.argv[1:])
