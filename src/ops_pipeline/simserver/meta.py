"""The codes of exchanges and conditions that the venue's market data uses. Pure."""

from ops_pipeline.simserver.calls import Call, Reply, bad_data_request

_OPTION_CONDITIONS = {
    "trade": {"I": "AUTO: Automatic execution"},
    "quote": {"A": "Eligible for automatic execution"},
}
_STOCK_CONDITIONS = {"trade": {"@": "Regular Sale"}, "quote": {"R": "Regular, two sided open"}}


def option_exchanges(call: Call) -> Reply:
    """Answer GET /v1beta1/options/meta/exchanges."""
    del call
    return Reply({"C": "Cboe Options Exchange"})


def option_conditions(call: Call) -> Reply:
    """Answer GET /v1beta1/options/meta/conditions/{ticktype}."""
    return _conditions(call, _OPTION_CONDITIONS)


def stock_exchanges(call: Call) -> Reply:
    """Answer GET /v2/stocks/meta/exchanges."""
    del call
    return Reply({"V": "IEX"})


def stock_conditions(call: Call) -> Reply:
    """Answer GET /v2/stocks/meta/conditions/{ticktype}."""
    return _conditions(call, _STOCK_CONDITIONS)


def _conditions(call: Call, codes: dict[str, dict[str, str]]) -> Reply:
    kind = call.path["ticktype"]
    if kind not in codes:
        raise bad_data_request(f"invalid ticktype: {kind}")
    return Reply(codes[kind])
