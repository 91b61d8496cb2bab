"""The page on the served market names what there is, and nothing else. Shell."""

import re
from dataclasses import fields
from pathlib import Path

from ops_pipeline.simserver.faults import FaultKind
from ops_pipeline.simserver.stream_faults import StreamFaults
from ops_pipeline.simserver.terms import DATA_PER_MINUTE, DEMO_ACCOUNT, TRADING_PER_MINUTE, AccountTerms
from tests.builders_simserver import served

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "served-market.md").read_text(encoding="utf-8")


def test_every_kind_of_fault_is_on_the_page():
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE) == [kind.value for kind in FaultKind]
    assert [field.name for field in fields(StreamFaults) if f"`{field.name}" not in PAGE] == []


def test_the_numbers_and_keys_on_the_page_are_those_of_the_code():
    for text in (f"`trading_per_minute` ({TRADING_PER_MINUTE})", f"`data_per_minute` ({DATA_PER_MINUTE})"):
        assert text in " ".join(PAGE.split())
    assert f"key {DEMO_ACCOUNT.key}, secret {DEMO_ACCOUNT.secret}" in PAGE
    assert [field.name for field in fields(AccountTerms) if field.name not in PAGE] == []


def test_the_clients_on_the_page_reach_the_market():
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1]
    with served() as market:
        found = {}
        exec(code.replace("http://127.0.0.1:8787", market.url), found)
        assert found["trading"].get_account().equity == "121000"
        assert len(found["chain"]) > 1000
