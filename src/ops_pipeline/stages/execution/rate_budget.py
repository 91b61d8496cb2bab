"""Who may use how much of the broker's requests a minute: exits always, scans last. Pure."""

from datetime import datetime, timedelta
from enum import Enum
from typing import NamedTuple

from ops_pipeline.domain.rules import RateRules

# A request in the unit of the bucket, so that a refill of any microsecond count is a whole number.
_REQUEST = 60_000_000


class Use(Enum):
    """What a request is for, by rank."""

    EXIT = "exit"
    CANCEL = "cancel"
    RECONCILE = "reconcile"
    ENTRY = "entry"
    SCAN = "scan"


# Requests that a process takes to look at its broker before it sends again what had to wait: activities,
# orders, positions and a few orders by id.
_LOOK = 8

# The share of a full bucket (bp) that a use leaves to those above it.
_LEFT_TO_OTHERS = {Use.EXIT: 0, Use.CANCEL: 0, Use.RECONCILE: 1_500, Use.ENTRY: 4_000, Use.SCAN: 6_000}


class Bucket(NamedTuple):
    """Requests left at an instant, in sixty-millionths."""

    left: int
    at: datetime


def full(now: datetime, rules: RateRules) -> Bucket:
    """Give the bucket of a process that has asked nothing for a while."""
    return Bucket(_burst(rules) * _REQUEST, now)


def refilled(bucket: Bucket, now: datetime, rules: RateRules) -> Bucket:
    """Give the bucket at `now`; a clock that goes back adds nothing."""
    elapsed_us = max(0, (now - bucket.at) // timedelta(microseconds=1))
    left = min(_burst(rules) * _REQUEST, bucket.left + elapsed_us * _pace(rules))
    return Bucket(left, max(now, bucket.at))


def spent(bucket: Bucket, use: Use, now: datetime, rules: RateRules) -> Bucket | None:
    """Take one request for `use`; None where too little is left for it."""
    current = refilled(bucket, now, rules)
    if current.left - _REQUEST < _reserve(use, rules):
        return None
    return current._replace(left=current.left - _REQUEST)


def ready_at(bucket: Bucket, use: Use, now: datetime, rules: RateRules) -> datetime:
    """Give when a request for `use` is possible at the latest, if nobody else asks meanwhile."""
    current = refilled(bucket, now, rules)
    missing = max(0, _reserve(use, rules) + _REQUEST - current.left)
    return current.at + timedelta(microseconds=-(-missing // _pace(rules)))


def retry_at(bucket: Bucket, use: Use, now: datetime, rules: RateRules) -> datetime:
    """Give when a deferred send is worth another try: a request is left for it after the look before it.

    An exit needs no reserve that a look could take from it, so it is tried as soon as it is possible.
    """
    ready = ready_at(bucket, use, now, rules)
    look = timedelta(0) if use is Use.EXIT else timedelta(microseconds=_LOOK * _REQUEST // _pace(rules))
    return ready + look


def emptied(bucket: Bucket, until: datetime) -> Bucket:
    """Give the bucket after the broker itself refused for the rate: nothing before `until`."""
    return Bucket(0, max(bucket.at, until))


def _pace(rules: RateRules) -> int:
    """Give the requests that come back in a minute."""
    return max(1, rules.requests_per_minute * rules.share // 10_000)


def _burst(rules: RateRules) -> int:
    """Give the requests possible at once: with a minute's refill they are the broker's limit, never more."""
    return max(1, rules.requests_per_minute - _pace(rules))


def _reserve(use: Use, rules: RateRules) -> int:
    return _burst(rules) * _REQUEST * _LEFT_TO_OTHERS[use] // 10_000
