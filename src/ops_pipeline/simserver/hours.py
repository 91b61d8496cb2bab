"""The calendar and the clock of a venue. Shell."""

from datetime import datetime, timedelta
from typing import Any

from ops_pipeline.adapters.calendar.sessions import NEW_YORK
from ops_pipeline.domain.market import Session
from ops_pipeline.simserver.calls import Call, Reply
from ops_pipeline.simserver.query import FIRST_SERVED, LAST_SERVED, choice_of, day_of

_LONGEST_SETTLEMENT = timedelta(days=7)


def calendar(call: Call) -> Reply:
    """Answer GET /v2/calendar: the sessions of 2014 to 2029, by trading or by settlement date."""
    what = choice_of(call.query, "date_type", ("TRADING", "SETTLEMENT"), default="TRADING")
    first = day_of(call.query, "start") or FIRST_SERVED
    last = day_of(call.query, "end") or LAST_SERVED
    # What settles within the bounds traded up to a long weekend before them.
    since = first - _LONGEST_SETTLEMENT
    sessions = call.venue.calendar.between(since, last) if since <= last else ()
    days = [_day_json(call, session) for session in sessions]
    key = "date" if what == "TRADING" else "settlement_date"
    return Reply([day for day in days if first.isoformat() <= day[key] <= last.isoformat()])


def clock(call: Call) -> Reply:
    """Answer GET /v2/clock, in New York's time."""
    today = call.venue.calendar.session_at(call.now)
    now = call.now.astimezone(NEW_YORK)
    following = call.venue.calendar.following(now.date())
    ahead = today is not None and call.now < today.open_at
    under_way = today is not None and call.now < today.close_at
    opening = today if today is not None and ahead else following
    closing = today if today is not None and under_way else following
    return Reply(
        {
            "timestamp": now.isoformat(),
            "is_open": today is not None and today.is_open(call.now),
            "next_open": _local(opening.open_at),
            "next_close": _local(closing.close_at),
        }
    )


def _day_json(call: Call, session: Session) -> dict[str, Any]:
    return {
        "date": session.date.isoformat(),
        "open": f"{session.open_at.astimezone(NEW_YORK):%H:%M}",
        "close": f"{session.close_at.astimezone(NEW_YORK):%H:%M}",
        "session_open": "0400",
        "session_close": "2000",
        "settlement_date": call.venue.calendar.following(session.date).date.isoformat(),
    }


def _local(at: datetime) -> str:
    return at.astimezone(NEW_YORK).isoformat()
