"""Puts a doctor together: settings, credentials, lines to each account, earlier answers. Shell."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.adapters.store.store import read_store
from ops_pipeline.app import runs
from ops_pipeline.app.answers import add_answers, read_answers
from ops_pipeline.app.clock import WallClock, sleep
from ops_pipeline.app.credentials import Credentials, load_credentials
from ops_pipeline.app.doctor import Check, Status, capability_rows, failed
from ops_pipeline.app.doctor_broker import (
    Patient,
    Surroundings,
    capabilities_of,
    check_broker_side,
    probe_patient,
)
from ops_pipeline.app.doctor_here import check_here
from ops_pipeline.app.options import AccountOptions
from ops_pipeline.app.settings import Settings
from ops_pipeline.app.stream_probe import probe_second_stream
from ops_pipeline.app.venues import venue_named
from ops_pipeline.domain.capabilities import ALPACA
from ops_pipeline.domain.errors import ConfigurationError, MissingDataError, OpsError
from ops_pipeline.domain.units import AccountId

# Whose prices are asked for where no symbol is configured.
_ANY_SYMBOL = "AAPL"


@dataclass(slots=True)
class Examination:
    """Everything found: checks, and what each account's broker is known to do today."""

    checks: list[Check] = field(default_factory=list)
    capabilities: list[dict[str, str]] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Tell whether a check failed or could not be made."""
        return failed(self.checks)


def examine(
    settings: Settings,
    home: Path,
    *,
    environment: Mapping[str, str],
    broker: bool,
    account: str | None,
    probing: bool,
) -> Examination:
    """Check what needs no network; with `broker` each account at its broker; with `probing` ask it more."""
    wall = WallClock()
    today = wall.now().date()
    found = Examination(checks=list(check_here(settings, home, now=wall.now())))
    if not broker:
        found.capabilities = capability_rows(ALPACA, on=today, account="")
        return found
    if settings.broker.kind == "simulator":
        raise ConfigurationError("doctor --broker: expected broker.kind = 'alpaca', was 'simulator'")
    wanted = [own for own in settings.accounts if account in (None, own.id)]
    if not wanted:
        raise ConfigurationError(f"--account: expected one of the configuration, was {account!r}")
    here = Surroundings(calendar=exchange_calendar(), wall=wall, sleep=sleep)
    venues = _ledger_venues(home)
    for own in wanted:
        _examine_account(found, settings, own, home, here, venues, environment, probing=probing)
    return found


def _examine_account(
    found: Examination,
    settings: Settings,
    own: AccountOptions,
    home: Path,
    here: Surroundings,
    venues: Mapping[AccountId, str],
    environment: Mapping[str, str],
    *,
    probing: bool,
) -> None:
    from ops_pipeline.app.alpaca_side import AlpacaSide, open_lines

    try:
        credentials = load_credentials(own, environment=environment)
    except OpsError as error:
        found.checks.append(_credentials(own.id, Status.FAIL, str(error)))
        return
    found.checks.append(_credentials(own.id, Status.OK, credentials.source))
    with closing(open_lines(settings.broker, credentials, clock=here.wall)) as lines:
        patient = Patient(
            account=AccountId(own.id),
            venue=venue_named(settings.broker),
            mode=settings.broker.mode,
            host=lines.host,
            key_prefix=lines.key_prefix,
            number=own.number,
            ledger_venue=venues.get(AccountId(own.id), ""),
            stock_feed=settings.broker.stock_feed,
            option_feed=settings.broker.option_feed,
            underlying=settings.symbols[0] if settings.symbols else _ANY_SYMBOL,
            side=AlpacaSide(lines, clock=here.wall),
        )
        found.checks += check_broker_side(patient, here)
        if probing:
            found.checks += _probe(patient, here, home, settings, credentials)
    answers = read_answers(home)
    found.capabilities += capabilities_of(answers, patient, on=here.wall.now().date())


def _probe(
    patient: Patient, here: Surroundings, home: Path, settings: Settings, own: Credentials
) -> Iterator[Check]:
    from ops_pipeline.app.broker_parts import order_stream

    probed, check = probe_patient(patient, here)
    if probed is not None:
        add_answers(home, probed.answers)
        streams = probe_second_stream(
            lambda: order_stream(settings.broker, own),
            account=patient.account,
            venue=patient.venue,
            at=probed.at,
            sleep=here.sleep,
        )
        add_answers(home, [streams])
    yield check


def _credentials(account: str, status: Status, observed: str) -> Check:
    return Check(
        name="credentials",
        account=account,
        status=status,
        observed=observed,
        expected="a key and a secret of its own",
    )


def _ledger_venues(home: Path) -> dict[AccountId, str]:
    """Give whose fills the ledgers hold that `ops run` would go on with."""
    try:
        run = runs.find_run(home, None)
    except MissingDataError:
        return {}
    if run.kind != "run":
        return {}
    with read_store(run.database) as store:
        return {account: store.ledger(account).broker for account in store.accounts()}
