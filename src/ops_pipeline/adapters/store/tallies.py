"""How many verdicts show an ability, counted where they are stored: a run has tens of thousands. Shell."""

import json
from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import func, select

from ops_pipeline.adapters.store import stage_schema as t
from ops_pipeline.adapters.store.store import SqlStore

_V = t.VERDICTS.c
_COUNTED = select(func.count(), func.min(_V.signal_id))
# A sample without an edge buys one contract at a time (a probe); either needs a full sample.
_HAS_SAMPLE = _V.numbers.like('%["probe",1.0]%') | (
    _V.numbers.like('%["kelly",%') & ~_V.numbers.like('%["kelly",-1.0]%')
)
_EXPENSIVE = _COUNTED.where(_V.gates.like('%"name":"iv_rank","observed":"IV Rank too high%'))
_SAMPLED = _COUNTED.where(_HAS_SAMPLE)
_A_SAMPLE = select(_V.numbers).where(_HAS_SAMPLE).order_by(_V.signal_id, _V.account).limit(1)
_REDUCED = _COUNTED.where(_V.approved == 1, _V.numbers.like('%["factor_atr",0.%'))


class Told(NamedTuple):
    """How many verdicts say something, and the signal of one that does ("" for none)."""

    times: int
    signal_id: str


class VerdictTally(NamedTuple):
    """Verdicts that refused for the IV rank, had a full Kelly sample, or bought less for the ATR.

    `sample` are the numbers of one with a full sample.
    """

    expensive: Told
    sampled: Told
    reduced: Told
    sample: Mapping[str, float]


NO_VERDICTS = VerdictTally(Told(0, ""), Told(0, ""), Told(0, ""), {})


def tally_verdicts(store: SqlStore) -> VerdictTally:
    """Count them."""
    found = [store.database.rows(query)[0] for query in (_EXPENSIVE, _SAMPLED, _REDUCED)]
    expensive, sampled, reduced = (Told(int(times), str(signal_id or "")) for times, signal_id in found)
    shown = store.database.rows(_A_SAMPLE)
    return VerdictTally(expensive, sampled, reduced, dict(json.loads(shown[0][0])) if shown else {})


def one_refused(store: SqlStore) -> str:
    """Give the signal of one of the newest refusals; "" where nothing was refused."""
    found = store.database.rows(_NEWEST_REFUSAL)
    return str(found[0][0]) if found else ""


_NEWEST_REFUSAL = (
    select(_V.signal_id).where(_V.approved == 0).order_by(_V.at_us.desc(), _V.account, _V.signal_id).limit(1)
)
