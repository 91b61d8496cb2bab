"""Who may approve an order, and who may hand one to a broker. Shell."""

import ast

from tests.architecture import source

APPROVERS = {"stages/dispatcher/gates.py", "stages/execution/lifecycle.py"}
SENDERS = {"stages/execution/gateway.py"}


def _callers(wanted):
    found = set()
    for path in source.modules():
        for node in ast.walk(source.syntax(path)):
            if isinstance(node, ast.Call) and wanted(node.func):
                found.add(path.relative_to(source.PACKAGE).as_posix())
    return found


def test_approved_is_built_only_by_the_gates_and_by_the_order_machine():
    built = _callers(lambda f: getattr(f, "id", getattr(f, "attr", "")) == "Approved")
    assert built == APPROVERS


def test_one_door_leads_to_the_broker():
    def sends(function):
        owner = getattr(getattr(function, "value", None), "attr", "")
        return getattr(function, "attr", "") in ("submit", "cancel") and owner == "broker"

    assert _callers(sends) == SENDERS
