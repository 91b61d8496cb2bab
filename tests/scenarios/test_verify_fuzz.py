"""`ops verify fuzz` (G8): parsers refuse by name, and one that does not is seen."""

from ops_pipeline.app.fuzzed import PARSERS
from ops_pipeline.app.settings import Settings
from ops_pipeline.verify.fuzz import GOAL
from ops_pipeline.verify.goals import Bench, Parser

KEPT = []


def bench(*parsers):
    return Bench(book=Settings(), parsers=(*PARSERS, *parsers))


def parser(read, **terms):
    given = {"name": "planted", "refuses": (ValueError,), "corpus": (b'{"a": 1.5}',), "share": 60, **terms}
    return Parser(read=read, **given)


def planted(read):
    """Measure a small size with one more parser; give what is said of it."""
    result = GOAL.measure(bench(parser(read)), 600)
    assert not result.passed
    return [failure for failure in result.failures if failure.startswith("planted")]


def test_the_short_form_finds_only_named_errors_over_all_parsers():
    result = GOAL.measure(bench(), GOAL.short)
    assert result.passed, result.failures
    assert len(result.details["payloads"]) >= 12


def test_a_parser_that_lets_an_error_through_is_found_and_its_payload_is_replayed():
    def read(payload):
        return {b"{": 1}[payload[:1]]

    failures = planted(read)
    assert "KeyError" in failures[0]
    case = failures[0].split("--case ")[1].removesuffix(" --trace")
    assert GOAL.replay(bench(parser(read)), case).objections


def test_a_parser_that_gives_a_number_that_is_none_is_found():
    assert "gave nan" in planted(lambda _: {"iv": (1.0, float("nan"))})[0]


def test_a_parser_that_takes_too_long_is_found():
    def read(payload):
        return sum(range(60_000_000)) if payload.startswith(b'{"a"') else 0

    assert "took" in planted(read)[0]


def test_a_parser_that_keeps_what_it_reads_is_found():
    def read(payload):
        KEPT.append(bytearray(len(payload) + 2**20))

    try:
        result = GOAL.measure(bench(parser(read)), 1_500)
    finally:
        KEPT.clear()
    assert not result.passed
    assert not result.failures
