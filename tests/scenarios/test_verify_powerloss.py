"""`ops verify powerloss` in short: no image loses a commit, and a laxer database is found out."""

from random import Random

import pytest

from ops_pipeline.app.cli.main import exit_code
from ops_pipeline.app.settings import Settings
from ops_pipeline.domain.errors import MissingDataError
from ops_pipeline.verify import powerloss
from ops_pipeline.verify.disk import Cut, Disk, Flush, Write
from ops_pipeline.verify.goals import Bench
from ops_pipeline.verify.scenarios import SCENARIOS

BENCH = Bench(book=Settings())


@pytest.fixture(autouse=True)
def _two_scenarios(monkeypatch):
    names = ("ladder_and_trailing_stop", "entry_and_stop")
    monkeypatch.setattr(powerloss, "SCENARIOS", {name: SCENARIOS[name] for name in names})


def test_no_image_of_the_product_is_bad_and_the_control_loses_commits():
    result = powerloss.measure(BENCH, 120)
    assert result.passed, result.failures
    assert result.value.startswith("0 bad of 120 images")
    assert result.details["distinct"] > 90
    assert result.details["control_lost"] > 0


def test_a_product_that_did_not_flush_would_fail_and_each_case_can_be_replayed(monkeypatch):
    monkeypatch.setattr(powerloss, "_PRODUCT", "NORMAL")
    result = powerloss.measure(BENCH, 40)
    assert not result.passed
    problem, command = result.failures[0].split("; ops verify powerloss --case ")
    assert problem.startswith("lost: event ")
    told = powerloss.replay(BENCH, command.removesuffix(" --trace"))
    assert told.objections == [problem]
    assert told.events


def test_a_control_that_loses_nothing_proves_nothing(monkeypatch):
    monkeypatch.setattr(powerloss, "_CONTROL", "FULL")
    assert not powerloss.measure(BENCH, 10).passed


def test_without_apsw_the_command_says_how_to_get_it_and_exits_3(monkeypatch):
    monkeypatch.setattr(powerloss, "find_spec", lambda _: None)
    with pytest.raises(MissingDataError, match=r"package apsw, found none; run `make setup`") as told:
        powerloss.measure(BENCH, 10)
    assert exit_code(told.value) == 3


def images(disk):
    return {tuple(sorted(disk.image(Random(seed)).items())) for seed in range(200)}


def test_what_was_flushed_is_in_every_image():
    disk = Disk({"a": bytearray(b"old")})
    disk.take(Write("a", 0, b"new"))
    assert disk.is_risky()
    disk.take(Flush("a"))
    assert not disk.is_risky()
    assert images(disk) == {(("a", b"new"),)}


def test_unflushed_writes_are_dropped_torn_and_reordered():
    disk = Disk({"a": bytearray(1024)})
    disk.take(Write("a", 0, b"x" * 1024))
    disk.take(Write("a", 0, b"y" * 1024))
    found = {dict(image)["a"] for image in images(disk)}
    assert bytes(1024) in found
    assert b"y" * 1024 in found
    assert b"x" * 512 + b"y" * 512 in found  # the later write reached only its second sector
    assert b"y" * 512 + bytes(512) in found


def test_a_file_cut_without_a_flush_may_have_its_old_length():
    disk = Disk({"a": bytearray(b"12345")})
    disk.take(Cut("a", 2))
    assert {dict(image)["a"] for image in images(disk)} == {b"12345", b"12"}
