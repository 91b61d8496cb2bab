# ruff: noqa: INP001 - run by path, not imported
"""A broker that only answers, as fast as it can: each order is accepted. Shell.

Run by itself it serves on a free port of loopback and prints it.
"""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec

from ops_pipeline.domain.units import Occ

NUMBER = "PA0000000001"
OCC = Occ("AAPL260821C00200000")
END = b"\r\n\r\n"


def answer_body(order: Mapping[str, Any]) -> bytes:
    """Write an accepted order as the broker does."""
    stamp = "2026-07-13T14:30:00.123456789Z"
    absent = ["filled_at", "expired_at", "canceled_at", "failed_at", "replaced_at", "replaced_by", "replaces"]
    absent += ["notional", "filled_avg_price", "stop_price", "legs", "trail_percent", "trail_price", "hwm"]
    answer = {
        "id": "61e69015-8549-4bfd-b9c3-01e75843f47d",
        "client_order_id": order["client_order_id"],
        "created_at": stamp,
        "updated_at": stamp,
        "submitted_at": stamp,
        "asset_id": "904837e3-3b76-47ec-b432-046db621571b",
        "symbol": OCC,
        "asset_class": "us_option",
        "qty": "2",
        "filled_qty": "0",
        "order_class": "simple",
        "order_type": "limit",
        "type": "limit",
        "side": order["side"],
        "position_intent": order.get("position_intent"),
        "time_in_force": "day",
        "limit_price": "1.25",
        "status": "accepted",
        "extended_hours": False,
    }
    return msgspec.json.encode(answer | dict.fromkeys(absent))


def account_body() -> bytes:
    """Write the account as the broker does."""
    amounts = dict.fromkeys(("cash", "equity", "last_equity", "options_buying_power"), "100000")
    return msgspec.json.encode({"account_number": NUMBER, "options_trading_level": 3, **amounts})


def serve() -> None:
    """Answer every POST with an order of its own id and every GET with the account, until killed."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        sys.stdout.write(f"{server.getsockname()[1]}\n")
        sys.stdout.flush()
        while True:
            line, _ = server.accept()
            threading.Thread(target=_serve_one, args=(line,), daemon=True).start()


def _serve_one(line: socket.socket) -> None:
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    waiting = b""
    while True:
        part = line.recv(65_536)
        if not part:
            return
        waiting += part
        while END in waiting:
            head, _, rest = waiting.partition(END)
            length = next(
                (int(h[15:]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-length:")), 0
            )
            while len(rest) < length:
                rest += line.recv(65_536)
            body, waiting = rest[:length], rest[length:]
            told = answer_body(msgspec.json.decode(body)) if body else account_body()
            line.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ")
            line.sendall(b"%d\r\n\r\n%s" % (len(told), told))


@contextmanager
def served() -> Iterator[int]:
    """Run the server in a process of its own; give its port."""
    child = subprocess.Popen(  # noqa: S603 - this very file
        [sys.executable, __file__], stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout is not None
        yield int(child.stdout.readline())
    finally:
        child.kill()
        child.wait()


if __name__ == "__main__":
    serve()
