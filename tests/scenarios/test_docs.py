"""The documents hold: their commands run, their links lead somewhere, their settings are the code's."""

import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from ops_pipeline.app import broker_options, options
from ops_pipeline.app.settings import load_settings
from tests.architecture import source

ROOT = source.REPOSITORY
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
# Lists of things in the configuration, by the key they stand under.
LISTED = {
    "accounts[]": options.AccountOptions,
    "accounts[].credentials": broker_options.CredentialOptions,
    "accounts[].override": options.OverrideOptions,
    "holdings[]": options.HoldingOptions,
    "news.feeds[]": options.FeedOptions,
    "operator[]": options.OperatorCommand,
}
TIERS = ("tiny", "small", "medium", "large")
CONSOLE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def commands():
    """Every `$ ops ...` line of the documents once, but those that start a run."""
    found = {}
    for path in DOCUMENTS:
        for block in CONSOLE.findall(path.read_text(encoding="utf-8")):
            for line in block.splitlines():
                if line.startswith("$ ops ") and not line.startswith("$ ops demo "):
                    found.setdefault(line.removeprefix("$ "), name_of(path))
    return sorted(found)


# One process for all commands: what they import is loaded once. It tells [code, errors] of each.
RUN_ALL = """
import contextlib, io, json, shlex, sys
from ops_pipeline.app.cli.main import main
told = []
for command in json.loads(sys.argv[1]):
    sys.argv = shlex.split(command)
    said, complained = io.StringIO(), io.StringIO()
    code = None
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complained):
        try:
            main()
        except SystemExit as end:
            code = end.code
    told.append([command, code, complained.getvalue()[-300:], len(said.getvalue())])
print(json.dumps(told))
"""


def test_every_console_command_of_the_documents_runs(tmp_path):
    assert len(commands()) > 15
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL, json.dumps(["ops demo --sessions 1", *commands()])],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd=ROOT,
        env={**os.environ, "OPS_HOME": str(tmp_path / "home"), "COLUMNS": "120"},  # noqa: TID251 - inherited
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [row for row in told if row[1] != 0] == []
    assert [row[0] for row in told if not row[3]] == [], "commands that said nothing"


def test_every_line_of_a_console_block_is_a_command_that_can_be_run():
    strange = [
        f"{name_of(path)}: {line}"
        for path in DOCUMENTS
        for block in CONSOLE.findall(path.read_text(encoding="utf-8"))
        for line in block.splitlines()
        if not line.startswith("$ ops ")
    ]
    assert strange == []


@cache
def anchors(path: Path) -> frozenset[str]:
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles)


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_lead_to_files_and_headings_that_exist(path):
    broken = []
    for link in LINK.findall(FENCE.sub("", path.read_text(encoding="utf-8"))):
        if link.startswith(("http://", "https://")):
            continue
        target, _, heading = link.partition("#")
        file = (path.parent / target).resolve() if target else path
        if not file.exists() or (heading and heading not in anchors(file)):
            broken.append(link)
    assert broken == []


def test_every_document_is_reachable_from_the_readme():
    seen, waiting = set(), [ROOT / "README.md"]
    while waiting:
        path = waiting.pop()
        if path in seen or path.suffix != ".md":
            continue
        seen.add(path)
        links = LINK.findall(FENCE.sub("", path.read_text(encoding="utf-8")))
        waiting += [(path.parent / link.partition("#")[0]).resolve() for link in links if "://" not in link]
    missing = {name_of(path) for path in DOCUMENTS} - {name_of(path) for path in seen if path.is_file()}
    assert missing == set()


def rows_of_tables(text: str, header: str):
    """Cells of every table that begins with `header`, back-quotes taken off."""
    for table in re.findall(rf"^\| {re.escape(header)}.*\n\|[-|]+\n((?:\|.*\n)+)", text, re.MULTILINE):
        for line in table.splitlines():
            yield [cell.strip().strip("`") for cell in line.strip("|").split("|")]


def flat(tree, prefix=""):
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def defaults_of(prefix: str, model: type[BaseModel]):
    for key, field in model.model_fields.items():
        if f"{prefix}.{key}" in LISTED:
            continue
        required = field.is_required()
        value = "required" if required else json.dumps(to_jsonable_python(field.get_default()))
        yield f"{prefix}.{key}", value


def settings_of_the_code() -> dict[str, str]:
    whole = load_settings().model_dump(mode="json")
    plain = {key: whole[key] for key in whole if key not in ("tiers", "accounts", "holdings", "operator")}
    found = {key: json.dumps(value) for key, value in flat(plain)}
    for prefix, model in LISTED.items():
        found |= dict(defaults_of(prefix, model))
    return found


def test_the_rulebook_lists_every_setting_with_its_default():
    text = (ROOT / "docs" / "rulebook.md").read_text(encoding="utf-8")
    written = [(row[0], row[1]) for row in rows_of_tables(text, "key | default |")]
    assert len(written) == len(dict(written)), "a key stands twice"
    assert dict(written) == settings_of_the_code()


def test_the_rulebook_lists_the_tier_table():
    text = (ROOT / "docs" / "rulebook.md").read_text(encoding="utf-8")
    written = {row[0]: row[1:5] for row in rows_of_tables(text, "key | tiny |")}
    tiers = load_settings().model_dump(mode="json")["tiers"]
    keys = options.TierOptions.model_fields
    assert written == {key: [json.dumps(tiers[tier][key]) for tier in TIERS] for key in keys}


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem[:4])
def test_a_decision_has_its_number_and_three_sections_in_order(path):
    text = path.read_text(encoding="utf-8")
    sections = re.split(r"^## ", text, flags=re.MULTILINE)
    assert text.startswith(f"# {path.stem[:4]} ")
    assert [section.partition("\n")[0] for section in sections[1:]] == ["Context", "Decision", "Price paid"]
    assert all(section.partition("\n")[2].strip() for section in sections[1:])


def test_decisions_are_numbered_without_gaps_and_all_listed():
    assert [path.stem[:4] for path in DECISIONS] == [f"{n:04d}" for n in range(1, len(DECISIONS) + 1)]
    listed = LINK.findall((ROOT / "docs" / "decisions" / "README.md").read_text(encoding="utf-8"))
    assert sorted(listed) == [path.name for path in DECISIONS]


def test_tests_and_files_that_the_documents_name_exist():
    tests = (ROOT / "tests").rglob("test_*.py")
    known = {name for path in tests for name in [path.name, path.stem, *_functions(path)]}
    missing = []
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        missing += [
            f"{name_of(path)}: {name}"
            for name in re.findall(r"`(test_\w+(?:\.py)?)`", text)
            if name not in known
        ]
        places = re.findall(r"`((?:domain|stages|adapters|engine|app|compiled)/[\w/]+(?:\.py)?)`", text)
        package = ROOT / "src" / "ops_pipeline"
        missing += [f"{name_of(path)}: {place}" for place in places if not (package / place).exists()]
    assert missing == []


def _functions(path: Path) -> list[str]:
    return re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
