"""Settings of the broker: which one, where it answers, and where each account's keys come from. Pure."""

from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from ops_pipeline.app.option_models import LooseOptions
from ops_pipeline.domain.capabilities import Plan


class CredentialOptions(LooseOptions):
    """Where an account's key and secret come from; never the values themselves.

    `name` ends the environment's names, is the table of `file`, or the id in the secrets manager of
    `region`. None: the account's id; "": the environment's names without an end.
    """

    source: Literal["environment", "file", "aws"] = "environment"
    name: str | None = Field(None, max_length=256)
    file: str = ""
    region: str = ""

    @model_validator(mode="after")
    def _has_its_place(self) -> Self:
        if self.source == "file" and not self.file:
            raise ValueError("expected a file beside source = 'file'")
        if self.source == "aws" and not self.name:
            raise ValueError("expected a name, the secret's id, beside source = 'aws'")
        return self


PAPER_HOST, LIVE_HOST = "paper-api.alpaca.markets", "api.alpaca.markets"
DATA_HOST, STREAM_HOST = "data.alpaca.markets", "stream.data.alpaca.markets"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class BrokerOptions(LooseOptions):
    """Which broker trades. `simulator` is the embedded one; `alpaca` is asked over the network.

    `mode` says whose money it is. An address "" is the broker's own for the mode; another one may only
    be of this machine (`ops sim serve`). Seconds are of one request: to connect, to be answered, in all.

    What the broker has no source of: `rate` (continuously compounded, a decimal), `dividend_yields` by symbol
    (decimals; 0 for others), `regime_symbol`, whose realised volatility stands in for the volatility index.
    """

    kind: Literal["simulator", "alpaca"] = "simulator"
    mode: Literal["paper", "live"] = "paper"
    trading_url: str = ""
    data_url: str = ""
    stream_url: str = ""
    plan: Plan = Plan.BASIC
    stock_feed: Literal["iex", "sip"] = "iex"
    option_feed: Literal["indicative", "opra"] = "indicative"
    connect_s: float = Field(3.0, gt=0, le=10)
    read_s: float = Field(8.0, gt=0, le=30)
    total_s: float = Field(10.0, gt=0, le=30)
    start_within_s: int = Field(60, ge=0, le=600)
    rate: float = Field(0.04, ge=-0.05, le=0.25)
    dividend_yields: dict[str, float] = Field(default_factory=dict)
    regime_symbol: str = "SPY"

    @property
    def trading_address(self) -> str:
        """Give the address of accounts and orders."""
        host = LIVE_HOST if self.mode == "live" else PAPER_HOST
        return self.trading_url or f"https://{host}"

    @property
    def data_address(self) -> str:
        """Give the address of prices and news."""
        return self.data_url or f"https://{DATA_HOST}"

    @property
    def stream_address(self) -> str:
        """Give the address of the data streams."""
        return self.stream_url or f"wss://{STREAM_HOST}"

    @property
    def is_local(self) -> bool:
        """Tell whether orders go to this machine, where no broker is."""
        return urlsplit(self.trading_address).hostname in LOOPBACK
