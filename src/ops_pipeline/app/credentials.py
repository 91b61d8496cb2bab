"""Each account's broker credentials: from the environment, a secrets file or a secrets manager. Shell.

An account names one source. What is missing there is an error that says what was looked for; no other
source and no other account is tried. Values stay in `Secret`, which shows them to nobody.
"""

import json
import os
import stat
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hmac import compare_digest
from pathlib import Path
from typing import Any, NoReturn

from ops_pipeline.app.broker_options import CredentialOptions
from ops_pipeline.app.options import AccountOptions
from ops_pipeline.domain.errors import ConfigurationError, MissingDataError
from ops_pipeline.domain.units import AccountId

# The two spellings the broker's own tools use; the first of each pair is the key's id.
_ENVIRONMENT = (("ALPACA_API_KEY", "ALPACA_SECRET_KEY"), ("APCA_API_KEY_ID", "APCA_API_SECRET_KEY"))
_FIELDS = (("key", "secret"), ("api_key", "api_secret"), *_ENVIRONMENT)
_OTHERS = 0o077
_SHOWN = "***"
_PREFIX = 2


class Secret:
    """Text that no print, log, JSON, pickle or traceback shows; `reveal` gives it to the one who sends it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Give the text itself."""
        return self._text

    def __repr__(self) -> str:
        return _SHOWN

    def __str__(self) -> str:
        return _SHOWN

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and compare_digest(self._text.encode(), other._text.encode())

    __hash__ = None  # type: ignore[assignment] # a hash of a secret is a way to guess it

    def __reduce__(self) -> NoReturn:
        raise TypeError("secret: expected to stay in this process, was pickled or copied")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """One account's key and secret, and in words where they came from."""

    account: AccountId
    key: Secret
    secret: Secret
    source: str

    @property
    def prefix(self) -> str:
        """Give the letters that tell a paper key from a live one."""
        return self.key.reveal()[:_PREFIX]


def load_credentials(account: AccountOptions, *, environment: Mapping[str, str]) -> Credentials:
    """Read one account's credentials from its source.

    Raises MissingDataError that names what was looked for, ConfigurationError for what may not be used.
    """
    options = account.credentials
    pair, source = _SOURCES[options.source](account.id, options, environment)
    key, secret = pair
    return Credentials(account=AccountId(account.id), key=Secret(key), secret=Secret(secret), source=source)


def load_all(
    accounts: Sequence[AccountOptions], *, environment: Mapping[str, str]
) -> dict[AccountId, Credentials]:
    """Read every account's credentials; two accounts with one key raise ConfigurationError."""
    found: dict[AccountId, Credentials] = {}
    for account in accounts:
        own = load_credentials(account, environment=environment)
        for other in found.values():
            if own.key == other.key:
                raise ConfigurationError(
                    f"credentials: expected a key of its own for each account, {account.id} "
                    f"({own.source}) and {other.account} ({other.source}) have the same"
                )
        found[own.account] = own
    return found


def names_of(account: str, options: CredentialOptions) -> tuple[tuple[str, str], ...]:
    """Give the pairs of environment names an account's key and secret may stand under."""
    own = account if options.name is None else options.name
    suffix = f"_{own.upper().replace('-', '_')}" if own else ""
    return tuple((key + suffix, secret + suffix) for key, secret in _ENVIRONMENT)


def _from_environment(
    account: str, options: CredentialOptions, environment: Mapping[str, str]
) -> tuple[tuple[str, str], str]:
    names = names_of(account, options)
    return _one_pair(account, names, environment, where="environment")


def _from_file(account: str, options: CredentialOptions, _: Mapping[str, str]) -> tuple[tuple[str, str], str]:
    path, table = Path(options.file).expanduser(), account if options.name is None else options.name
    text = _read_private(account, path)
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        # The parser's own message may quote the file.
        raise ConfigurationError(f"credentials of {account}: expected TOML in {path}, was none") from None
    rows = content.get(table)
    if not isinstance(rows, dict):
        raise MissingDataError(f"credentials of {account}: expected a table [{table}] in {path}, was none")
    return _one_pair(account, _FIELDS, rows, where=f"{path} [{table}]")


def _read_private(account: str, path: Path) -> str:
    """Read a regular file that only its owner, this user, may read; judged by what was opened."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise MissingDataError(
            f"credentials of {account}: expected a readable secrets file {path}: {error.strerror}"
        ) from None
    try:
        _refuse_shared(account, path, os.fstat(descriptor))
        with open(descriptor, encoding="utf-8", closefd=False) as file:
            return file.read()
    except UnicodeDecodeError:
        raise ConfigurationError(f"credentials of {account}: expected text in {path}") from None
    finally:
        os.close(descriptor)


def _refuse_shared(account: str, path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ConfigurationError(f"credentials of {account}: expected a regular file, was {path}")
    if status.st_uid != os.getuid() or status.st_mode & _OTHERS:
        raise ConfigurationError(
            f"credentials of {account}: expected {path} with mode 0600 and owned by user {os.getuid()}, "
            f"was {stat.S_IMODE(status.st_mode):04o} of user {status.st_uid}"
        )


def _from_aws(account: str, options: CredentialOptions, _: Mapping[str, str]) -> tuple[tuple[str, str], str]:
    where = f"secret {options.name} of the secrets manager"
    try:
        rows = json.loads(_secret_text(account, options, where))
    except ValueError:
        rows = None
    if not isinstance(rows, dict):
        raise ConfigurationError(f"credentials of {account}: expected a JSON object in {where}")
    return _one_pair(account, _FIELDS, rows, where=where)


def _secret_text(account: str, options: CredentialOptions, where: str) -> str:
    try:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        raise MissingDataError(
            f"credentials of {account}: {where} needs boto3; install the part `cloud`"
        ) from None
    try:
        client = boto3.client("secretsmanager", region_name=options.region or None)
        return str(client.get_secret_value(SecretId=options.name).get("SecretString", ""))
    except (BotoCoreError, ClientError) as error:
        # The service's own code says what went wrong; its message may name the cloud account.
        code = getattr(error, "response", {}).get("Error", {}).get("Code", type(error).__name__)
        raise MissingDataError(f"credentials of {account}: expected {where}, was {code}") from None


def _one_pair(
    account: str, names: Sequence[tuple[str, str]], rows: Mapping[str, Any], *, where: str
) -> tuple[tuple[str, str], str]:
    """Find the one complete pair; half a pair, or two that differ, is an error."""
    whole = {}
    for pair in names:
        values = [rows.get(name) for name in pair]
        there = [isinstance(value, str) and bool(value.strip()) for value in values]
        if any(there) and not all(there):
            missing = pair[there.index(False)]
            raise MissingDataError(
                f"credentials of {account}: expected {' and '.join(pair)} in {where}, was no {missing}"
            )
        if all(there):
            whole[pair] = (str(values[0]).strip(), str(values[1]).strip())
    if not whole:
        wanted = ", or ".join(" and ".join(pair) for pair in names)
        raise MissingDataError(f"credentials of {account}: expected {wanted} in {where}, was none")
    if len(set(whole.values())) > 1:
        names_there = ", ".join(pair[0] for pair in whole)
        raise ConfigurationError(
            f"credentials of {account}: expected one key in {where}, {names_there} differ"
        )
    first, found = next(iter(whole.items()))
    return found, f"{where} {first[0]}"


_SOURCES = {"environment": _from_environment, "file": _from_file, "aws": _from_aws}
