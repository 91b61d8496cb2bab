"""The project's own files, as the architecture tests read them. Shell."""

import ast
import shutil
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "src" / "ops_pipeline"
_NOT_OURS = {".git", ".venv", ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache", "__pycache__"}


def modules() -> list[Path]:
    """Return every module of the package, sorted."""
    return sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    """Spell a file as people do: relative to the repository."""
    return path.relative_to(REPOSITORY).as_posix()


def syntax(path: Path) -> ast.Module:
    """Parse a module."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def project_files() -> list[Path]:
    """Return what git tracks or would track; without git, everything that is not a cache."""
    if shutil.which("git") and (REPOSITORY / ".git").exists():
        listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        told = subprocess.run(listing, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
        found = [REPOSITORY / name for name in told.split("\0") if name]
    else:
        found = [path for path in REPOSITORY.rglob("*") if not _NOT_OURS & set(path.parts)]
    return sorted(path for path in set(found) if path.is_file() and not path.is_symlink())
