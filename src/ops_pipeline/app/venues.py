"""Whose fills a run's ledgers hold, as its settings say. Pure."""

from urllib.parse import urlsplit

from ops_pipeline.app.broker_options import BrokerOptions
from ops_pipeline.app.interlocks import Venue, venue_of
from ops_pipeline.domain.errors import ConfigurationError


def venue_named(options: BrokerOptions) -> Venue:
    """Give the venue of the settings; ConfigurationError for a host of nobody known."""
    if options.kind == "simulator":
        return Venue.SIMULATOR
    host = urlsplit(options.trading_address).hostname
    venue = venue_of(host)
    if venue is None:
        raise ConfigurationError(f"broker.trading_url: expected a host of the broker, was {host}")
    return venue
