"""Installs the project and the named parts of requirements.lock into .venv. Shell.

Usage: python scripts/setup.py PART...    (run, test, or an extra of pyproject.toml; run is always included)
Needs nothing but Python and its standard library, and does nothing when all is up to date.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.environ.get("OPS_VENV", os.path.join(ROOT, ".venv"))
VENV_PYTHON = os.path.join(VENV, "bin", "python")
STAMP = os.path.join(VENV, ".installed.json")
LOCK = os.path.join(ROOT, "requirements.lock")
OLDEST, NEWEST = (3, 11), (3, 14)
SECTION = re.compile(r"^# --- for: (.+) ---$")


def main(arguments):
    use_a_supported_python()
    wanted = set(arguments) | {"run"}
    known = {name for names, _ in sections() for name in names}
    if wanted - known:
        stop("expected parts out of {}, found {}".format(sorted(known), sorted(wanted - known)))
    before = stamp()
    fingerprint = inputs_fingerprint()
    if before and before["inputs"] == fingerprint and wanted <= set(before["parts"]):
        return
    parts = wanted | set(before["parts"] if before else ())
    make_environment()
    install(sorted(parts & known))
    with open(STAMP, "w", encoding="utf-8") as file:
        json.dump({"inputs": fingerprint, "parts": sorted(parts & known)}, file)
    print("installed {} into {}".format(", ".join(sorted(parts & known)), VENV))


def use_a_supported_python():
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        other = shutil.which("python3.{}".format(minor))
        if other and subprocess.call([other, "-c", ""], stderr=subprocess.DEVNULL) == 0:
            os.execv(other, [other, *sys.argv])
    found = ".".join(map(str, sys.version_info[:2]))
    stop("expected Python 3.11 to 3.14, found {} and no other; install one, or name it: "
         "make setup PYTHON=/path/to/python3.12".format(found))  # fmt: skip


def sections():
    """Split the lock into (names of the parts that need it, its text)."""
    found = []
    with open(LOCK, encoding="utf-8") as file:
        for line in file:
            header = SECTION.match(line.rstrip())
            if header:
                found.append((set(header.group(1).split(", ")), []))
            elif found:
                found[-1][1].append(line)
    if not found:
        stop("expected sections '# --- for: ... ---' in {}, found none".format(LOCK))
    return found


def stamp():
    if (
        subprocess.call([VENV_PYTHON, "-c", ""], stderr=subprocess.DEVNULL)
        if os.path.exists(VENV_PYTHON)
        else 1
    ):
        return None
    try:
        with open(STAMP, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def inputs_fingerprint():
    digest = hashlib.sha256(ROOT.encode())
    for name in ("requirements.lock", "pyproject.toml", os.path.join("scripts", "setup.py")):
        with open(os.path.join(ROOT, name), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def make_environment():
    if (
        os.path.exists(VENV_PYTHON)
        and subprocess.call([VENV_PYTHON, "-c", ""], stderr=subprocess.DEVNULL) == 0
    ):
        return
    shutil.rmtree(VENV, ignore_errors=True)
    if shutil.which("uv"):
        run("uv", "venv", "--quiet", "--python", sys.executable, VENV)
        return
    try:
        import ensurepip
        import venv  # noqa: F401  # present or not is the question
    except ImportError:
        version = "{}.{}".format(*sys.version_info[:2])
        stop("this Python ({0}) cannot make virtual environments: Debian and Ubuntu keep that in a package of its own.\n"
             "Install it (as root: apt-get install python{1}-venv), or install uv, then run make again."
             .format(sys.executable, version))  # fmt: skip
    assert ensurepip
    run(sys.executable, "-m", "venv", VENV)


def install(parts):
    lines = [line for names, text in sections() if names & set(parts) for line in text]
    with tempfile.TemporaryDirectory() as folder:
        chosen = os.path.join(folder, "requirements.txt")
        with open(chosen, "w", encoding="utf-8") as file:
            file.writelines(lines)
        installer = uv_or_pip()
        run(*installer, "--require-hashes", "-r", chosen)
        run(*installer, "--no-deps", "--no-build-isolation", "-e", ROOT)


def uv_or_pip():
    if shutil.which("uv"):
        return ["uv", "pip", "install", "--quiet", "--python", VENV_PYTHON]
    if subprocess.call([VENV_PYTHON, "-c", "import pip"], stderr=subprocess.DEVNULL):
        run(VENV_PYTHON, "-m", "ensurepip", "--upgrade")
    return [VENV_PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]


def run(*command):
    if subprocess.call(command):
        stop("failed: {}".format(" ".join(command)))


def stop(message):
    sys.exit("setup: " + message)


if __name__ == "__main__":
    main(sys.argv[1:])
