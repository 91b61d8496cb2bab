"""What may go wrong on the way to the served market, and what it says of limits and keys. Shell."""

import base64
from collections import Counter
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest

from ops_pipeline.domain.errors import ConfigurationError
from ops_pipeline.simserver.faults import FaultKind, FaultRule, Faults
from ops_pipeline.simserver.files import FaultPlan, read_accounts, read_faults
from ops_pipeline.simserver.terms import AccountTerms
from tests.builders_simserver import served, usd

CONFIG = Path(__file__).resolve().parents[2] / "config"
CENT = {"limit_price": "0.05", "side": "buy", "qty": "1"}


def always(kind, *, method="*", path="*", **more):
    return FaultPlan(rules=(FaultRule(kind=kind, rate=1.0, method=method, path=path, **more),))


@pytest.mark.parametrize(
    ("kind", "status", "is_taken"),
    [
        (FaultKind.ACCEPT_THEN_504, 504, True),
        (FaultKind.ERROR, 503, False),
        (FaultKind.RATE_LIMITED, 429, False),
        (FaultKind.LOST, None, False),
        (FaultKind.LOST_ANSWER, None, True),
    ],
)
def test_an_order_that_meets_a_fault_was_taken_or_was_not(kind, status, is_taken):
    with served(plan=always(kind, method="POST", path="/v2/orders")) as market:
        occ = market.calls()[0].occ
        if status is None:
            with pytest.raises(httpx2.RemoteProtocolError):
                market.order(symbol=occ, client_order_id="mine", **CENT)
        else:
            assert market.order(symbol=occ, client_order_id="mine", **CENT).status_code == status
        found = market.http.get("/v2/orders:by_client_order_id", params={"client_order_id": "mine"})
        assert found.status_code == (200 if is_taken else 404)
        assert market.server.faults.drawn[kind] == 1


def test_an_answer_may_be_unreadable():
    with served(plan=always(FaultKind.GARBAGE, path="/v2/account")) as market:
        answer = market.http.get("/v2/account")
        assert answer.status_code == 200
        with pytest.raises(ValueError, match="Unterminated string"):
            answer.json()
        market.get("/v2/clock")


def test_a_list_may_be_stale():
    rule = FaultRule(kind=FaultKind.STALE, rate=0.5, path="/v2/positions")
    with served(plan=FaultPlan(rules=(rule,), seed=3)) as market:
        quote = market.calls()[0]
        assert market.get("/v2/positions") == []
        market.order(symbol=quote.occ, qty="1", side="buy", limit_price=usd(quote.ask))
        seen = [len(market.get("/v2/positions")) for _ in range(20)]
        # The answer from before the purchase is repeated as long as it is among the last four.
        assert set(seen[:3]) == {0, 1}
        assert set(seen[3:]) == {1}


def test_an_answer_may_be_late():
    with served(plan=always(FaultKind.DELAY, path="/v2/clock", delay_s=0.6)) as market:
        with pytest.raises(httpx2.ReadTimeout):
            market.http.get("/v2/clock", timeout=0.2)
        assert market.http.get("/v2/clock", timeout=5.0).status_code == 200


def test_equal_seeds_draw_equal_faults_at_about_their_rates():
    rules = (
        FaultRule(kind=FaultKind.ERROR, rate=0.2, method="GET"),
        FaultRule(kind=FaultKind.LOST, rate=0.1, path="/v2/orders*"),
    )
    asked = [("GET", "/v2/orders"), ("POST", "/v2/orders"), ("GET", "/v2/clock")] * 1000
    first, second, other = (Faults(rules, seed=seed) for seed in (1, 1, 2))
    drawn = [faults.draw(*question) for faults in (first, second, other) for question in asked]
    assert drawn[:3000] == drawn[3000:6000] != drawn[6000:]
    seen = Counter((question, rule.kind) for question, rule in zip(asked, drawn, strict=False) if rule)
    expected = {
        (("GET", "/v2/orders"), FaultKind.ERROR): 200,
        (("GET", "/v2/orders"), FaultKind.LOST): 100,
        (("POST", "/v2/orders"), FaultKind.LOST): 100,
        (("GET", "/v2/clock"), FaultKind.ERROR): 200,
    }
    assert set(seen) == set(expected)
    # Four standard deviations of 1000 draws.
    assert all(abs(seen[key] - count) < 51 for key, count in expected.items())


def test_requests_beyond_the_minute_s_limit_are_turned_away_until_it_is_over():
    tight = AccountTerms(number="TIGHT", key="k", secret="s", equity=10_000_000, trading_per_minute=3)
    with served(accounts=(tight,), speed=1.0) as market:
        answers = [market.http.get("/v2/clock") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0"]
        assert {answer.headers["X-RateLimit-Limit"] for answer in answers} == {"3"}
        assert answers[3].json() == {"code": 42910000, "message": "rate limit exceeded"}
        reset = int(answers[0].headers["X-RateLimit-Reset"])
        assert reset == int((market.wall.at + timedelta(seconds=60)).timestamp())
        # Market data has a limit of its own.
        assert market.http.get("/v1beta1/news").headers["X-RateLimit-Limit"] == "10000"
        market.wall.pass_s(60)
        assert market.http.get("/v2/clock").status_code == 200
        identities = [answer.headers["X-Request-ID"] for answer in answers]
        assert len(set(identities)) == 4


def test_each_key_opens_its_own_account_and_nothing_else():
    first = AccountTerms(number="ONE", key="a", secret="x", equity=10_000_000)
    second = AccountTerms(number="TWO", key="b", secret="y", equity=20_000_000, options_level=2)
    with served(accounts=(first, second)) as market:
        other = market.client(second)
        order = market.order(symbol=market.calls("VLTC")[0].occ, **CENT).json()
        assert market.get("/v2/account")["account_number"] == "ONE"
        assert other.get("/v2/account").json()["account_number"] == "TWO"
        assert other.get(f"/v2/orders/{order['id']}").status_code == 404
        assert other.get("/v2/orders").json() == []
        encoded = base64.b64encode(b"b:y").decode()
        basic = httpx2.get(f"{market.url}/v2/account", headers={"Authorization": f"Basic {encoded}"})
        assert basic.json()["account_number"] == "TWO"
        for headers in (
            {},
            {"APCA-API-KEY-ID": "a", "APCA-API-SECRET-KEY": "y"},
            {"Authorization": "Basic ?"},
        ):
            refused = httpx2.get(f"{market.url}/v2/account", headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (401, 40110000)
        other.close()


def test_a_market_that_fails_says_so_as_the_broker_does_and_where_it_runs(capfd):
    with served() as market:
        market.venue.world.splits = None
        answer = market.http.get("/v1/corporate-actions")
        assert answer.status_code == 500
        assert answer.json() == {"code": 50010000, "message": "internal server error occurred"}
        market.get("/v2/clock")
    assert "'NoneType' object is not callable" in capfd.readouterr().err


def test_an_account_may_suspend_itself_and_lower_its_level():
    with served() as market:
        occ = market.calls()[0].occ
        market.http.patch("/v2/account/configurations", json={"suspend_trade": True})
        assert market.get("/v2/account")["trade_suspended_by_user"] is True
        assert market.order(symbol=occ, **CENT).json()["code"] == 40310000
        market.http.patch(
            "/v2/account/configurations", json={"suspend_trade": False, "max_options_trading_level": 1}
        )
        assert market.get("/v2/account")["options_trading_level"] == 1
        refused = market.order(symbol=occ, **CENT)
        assert (refused.status_code, refused.json()["code"]) == (403, 40310000)
        for wrong in ({"max_options_trading_level": 4}, {"suspend_trade": "yes"}):
            assert market.http.patch("/v2/account/configurations", json=wrong).status_code == 422


def test_the_files_of_accounts_and_faults_are_read(tmp_path):
    accounts = tmp_path / "accounts.toml"
    accounts.write_text(
        '[[account]]\nnumber = "A1"\nkey = "k"\nsecret = "s"\nequity_usd = 1000.5\noptions_level = 2\n'
        '[[account]]\nnumber = "A2"\nkey = "l"\nsecret = "t"\nequity_usd = 121000\ntrading_per_minute = 900\n'
    )
    first, second = read_accounts(accounts)
    assert (first.equity, first.options_level, first.trading_per_minute) == (10_005_000, 2, 200)
    assert (second.number, second.trading_per_minute) == ("A2", 900)
    faults = tmp_path / "faults.toml"
    faults.write_text(
        'seed = 5\n[[rule]]\nkind = "error"\nrate = 0.25\nstatus = 502\npath = "/v2/*"\n'
        "[streams]\nduplicate = 0.1\npongs = false\n"
    )
    plan = read_faults(faults)
    assert plan.seed == 5
    assert plan.rules == (FaultRule(kind=FaultKind.ERROR, rate=0.25, status=502, path="/v2/*"),)
    assert (plan.streams.duplicate, plan.streams.pongs) == (0.1, False)


def test_the_files_that_come_along_are_read():
    tiny, large = read_accounts(CONFIG / "sim_accounts.toml")
    assert (tiny.equity, large.equity) == (10_000_000, 1_210_000_000)
    plan = read_faults(CONFIG / "sim_faults.toml")
    for method, path in (("POST", "/v2/orders"), ("GET", "/v2/positions")):
        bad = [rule for rule in plan.rules if rule.befalls(method, path) and rule.kind is not FaultKind.DELAY]
        assert sum(rule.rate for rule in bad) == pytest.approx(0.3)
    assert plan.streams.duplicate > 0


@pytest.mark.parametrize(
    ("read", "text", "complaint"),
    [
        (read_accounts, "", "expected \\[\\[account\\]\\] tables"),
        (read_accounts, "[[account]]\nnumber = 'A'", "expected key, secret, equity_usd"),
        (read_accounts, "[[account]]\nnumber = 'A'\npassword = 'x'", "was password"),
        (read_accounts, "not = toml =", "expected TOML"),
        (
            read_accounts,
            "[[account]]\nnumber = 'A'\nkey = 'k'\nsecret = 's'\nequity_usd = '9'",
            "another value for equity_usd",
        ),
        (read_faults, "[[rule]]\nkind = 'error'", "expected a rate"),
        (read_faults, "[[rule]]\nkind = 'earthquake'\nrate = 0.1", "expected a kind of lost, "),
        (read_faults, "[[rule]]\nkind = 'error'\nrate = 1.5", "rate of 0 to 1, was 1.5"),
        (read_faults, "[[rule]]\nkind = 'error'\nrate = 0.1\nstatus = 404", "status of 500 to 599, was 404"),
        (read_faults, "[[rule]]\nkind = 'error'\nrate = 0.1\nchance = 1", "was \\['chance'\\]"),
        (read_faults, "rules = 1", "was rules"),
        (read_faults, "seed = 'x'", "whole number for seed"),
        (read_faults, "[streams]\nnoise = 0.5", "was noise"),
        (read_faults, "[streams]\ndrop = 'often'", "streams.drop, was 'often'"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_in_words(tmp_path, read, text, complaint):
    path = tmp_path / "file.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=complaint):
        read(path)


def test_a_file_that_is_not_there_is_refused_in_words(tmp_path):
    with pytest.raises(ConfigurationError, match="expected a file that can be read"):
        read_faults(tmp_path / "none.toml")
