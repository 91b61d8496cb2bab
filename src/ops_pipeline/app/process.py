"""Who this process is: the name it holds leases under and the code it runs. Shell."""

import os
import platform
import pwd
from hashlib import sha256
from importlib.resources import files
from pathlib import Path


def holder_name(label: str) -> str:
    """Name this process among all that may hold a lease: what it does, its host and its number."""
    return f"{label} on {platform.node()}, process {os.getpid()}"


def actor_name() -> str:
    """Name the person whose process this is, as the system knows them."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def build_hash() -> str:
    """Hash every source file of the package by name and content: equal hashes, equal decisions."""
    root = Path(str(files("ops_pipeline")))
    digest = sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(sha256(path.read_bytes()).digest())
    return digest.hexdigest()
