"""A part whose order was rejected on a resend is sold once, and sold at last."""

from dataclasses import replace

import pytest

from ops_pipeline.app.settings import Settings
from ops_pipeline.domain.orders import BrokerOrder, BrokerStatus, Rejected
from ops_pipeline.verify.crash import CrashCase, run_case
from ops_pipeline.verify.kinds import Kind
from ops_pipeline.verify.network import FaultyBroker
from ops_pipeline.verify.scenarios import SCENARIOS

LATE = "rejected_resend_of_a_late_target"


@pytest.mark.parametrize("name", [LATE, "rejected_resend_that_no_list_shows"])
def test_a_part_whose_first_send_came_late_is_sold_once(name):
    assert run_case(Settings(), CrashCase(name)).objections == ()


@pytest.mark.parametrize("status", [BrokerStatus.REJECTED, BrokerStatus.CANCELED, None])
def test_a_part_that_never_arrived_or_that_the_broker_ended_empty_is_offered_again(monkeypatch, status):
    """`status`: what the broker shows of the rejected order when it is asked; None: it knows of none."""
    plan = replace(SCENARIOS[LATE](), script={"submit": [Kind.LOST_REQUEST, Kind.REJECTED]})
    monkeypatch.setitem(SCENARIOS, LATE, lambda: plan)
    rejected, asked = {}, []
    submit, order = FaultyBroker.submit, FaultyBroker.order

    def submitted(broker, approved):
        outcome = submit(broker, approved)
        if isinstance(outcome, Rejected):
            rejected[approved.intent.client_order_id] = approved.intent
        return outcome

    def shown(broker, client_order_id):
        intent = rejected.get(client_order_id)
        if intent is None or status is None:
            return order(broker, client_order_id)
        asked.append(client_order_id)
        return BrokerOrder(
            broker_order_id="known-to-the-broker",
            client_order_id=client_order_id,
            status=status,
            qty=intent.qty,
            cum=0,
            legs=intent.legs,
            limit=intent.limit,
            submitted_at=plan.start,
        )

    monkeypatch.setattr(FaultyBroker, "submit", submitted)
    monkeypatch.setattr(FaultyBroker, "order", shown)
    assert run_case(Settings(), CrashCase(LATE)).objections == ()
    assert bool(asked) is (status is not None)
