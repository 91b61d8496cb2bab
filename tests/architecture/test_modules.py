"""What a module says of itself, and what the domain may lean on. Shell."""

import ast
import re
import sys

from tests.architecture import source

SIDE = re.compile(r"\b(Pure|Shell)\.$")


def test_every_module_names_its_side_in_the_first_line_of_its_docstring():
    silent = []
    for path in source.modules():
        tree = source.syntax(path)
        docstring = ast.get_docstring(tree) or ""
        if tree.body and not SIDE.search(docstring.partition("\n\n")[0].strip()):
            silent.append(source.name_of(path))
    assert silent == []


def test_init_files_are_empty():
    full = [source.name_of(p) for p in source.modules() if p.name == "__init__.py" and p.read_text().strip()]
    assert full == []


def _imported_names(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_the_domain_imports_only_the_standard_library_and_itself():
    foreign = [
        f"{source.name_of(path)} imports {name}"
        for path in source.modules()
        if path.is_relative_to(source.PACKAGE / "domain")
        for name in _imported_names(source.syntax(path))
        if name.split(".")[0] not in sys.stdlib_module_names and not name.startswith("ops_pipeline.domain")
    ]
    assert foreign == []
