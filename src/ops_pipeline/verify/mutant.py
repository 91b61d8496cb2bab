"""A safety mutant: one thing broken on purpose, as text that changes the source. Pure."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Edit:
    """A snippet of a module (its path in the package) and what stands in its place."""

    module: str
    find: str
    put: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """What a careless maintainer might do: its name, what it breaks, the edits that do it.

    `parts` names what of the harness is asked first; the rest follows all the same.
    """

    name: str
    breaks: str
    edits: tuple[Edit, ...]
    parts: tuple[str, ...] = ()


class StaleError(Exception):
    """A mutant's snippet is not, or not once, in the source."""


def changed(mutant: Mutant, read: Callable[[str], str]) -> dict[str, str]:
    """Give {module name: changed source}; `read` gives a module's source by its path.

    Raises StaleError where a snippet does not match exactly once.
    """
    sources: dict[str, str] = {}
    for edit in mutant.edits:
        source = sources.get(edit.module) or read(edit.module)
        found = source.count(edit.find)
        if found != 1:
            raise StaleError(
                f"STALE {mutant.name}: expected the snippet once in {edit.module}, found it {found} times:\n"
                f"{edit.find}"
            )
        sources[edit.module] = source.replace(edit.find, edit.put)
    return {_dotted(module): source for module, source in sources.items()}


def _dotted(module: str) -> str:
    return f"ops_pipeline.{module.removesuffix('.py').replace('/', '.')}"
