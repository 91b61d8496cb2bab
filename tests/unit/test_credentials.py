"""An account's keys: three sources, none of which stands in for another, and nothing that shows them."""

import copy
import json
import pickle
import traceback
from dataclasses import asdict
from pathlib import Path

import boto3
import moto
import pytest

from ops_pipeline.app.credentials import Credentials, Secret, load_all, load_credentials
from ops_pipeline.app.options import AccountOptions
from ops_pipeline.app.settings import load_settings
from ops_pipeline.domain.errors import ConfigurationError, MissingDataError
from ops_pipeline.domain.units import AccountId

CONFIG = Path(__file__).resolve().parents[2] / "config"
KEY, SECRET = "PKcanary-key-of-large", "canary-secret-of-large"


def account(id_="large", **credentials):
    return AccountOptions(id=id_, number="PA1", equity_usd=1000, credentials=credentials)


def with_name(name):
    return account(name=name)


def read(options=None, **environment):
    found = load_credentials(options or account(), environment=environment)
    return found.key.reveal(), found.secret.reveal()


@pytest.mark.parametrize(
    "names",
    [
        ("ALPACA_API_KEY_LARGE", "ALPACA_SECRET_KEY_LARGE"),
        ("APCA_API_KEY_ID_LARGE", "APCA_API_SECRET_KEY_LARGE"),
    ],
)
def test_either_spelling_of_the_environment_is_read_with_the_accounts_id_as_its_end(names):
    assert read(**dict(zip(names, (KEY, SECRET), strict=True))) == (KEY, SECRET)


def test_an_account_may_name_another_end_or_none():
    assert read(with_name(""), APCA_API_KEY_ID=KEY, APCA_API_SECRET_KEY=SECRET) == (KEY, SECRET)
    assert read(with_name("main"), ALPACA_API_KEY_MAIN=KEY, ALPACA_SECRET_KEY_MAIN=SECRET) == (KEY, SECRET)
    other = AccountOptions(id="my-tiny", number="PA1", equity_usd=1000)
    assert read(other, ALPACA_API_KEY_MY_TINY=KEY, ALPACA_SECRET_KEY_MY_TINY=SECRET) == (KEY, SECRET)


def test_no_other_accounts_names_and_no_names_without_an_end_stand_in():
    with pytest.raises(
        MissingDataError, match="credentials of large: expected ALPACA_API_KEY_LARGE and ALPACA"
    ):
        read(
            ALPACA_API_KEY=KEY,
            ALPACA_SECRET_KEY=SECRET,
            ALPACA_API_KEY_TINY=KEY,
            ALPACA_SECRET_KEY_TINY=SECRET,
        )


def test_half_a_pair_is_an_error_that_names_the_other_half():
    with pytest.raises(MissingDataError, match="was no ALPACA_SECRET_KEY_LARGE"):
        read(ALPACA_API_KEY_LARGE=KEY, APCA_API_SECRET_KEY_LARGE=SECRET)
    with pytest.raises(MissingDataError, match="was no ALPACA_SECRET_KEY_LARGE"):
        read(ALPACA_API_KEY_LARGE=KEY, ALPACA_SECRET_KEY_LARGE="  ")


def test_two_spellings_that_differ_are_an_error_and_two_that_agree_are_not():
    both = {"ALPACA_API_KEY_LARGE": KEY, "ALPACA_SECRET_KEY_LARGE": SECRET}
    same = {"APCA_API_KEY_ID_LARGE": KEY, "APCA_API_SECRET_KEY_LARGE": SECRET}
    assert read(**both, **same) == (KEY, SECRET)
    with pytest.raises(
        ConfigurationError, match="ALPACA_API_KEY_LARGE, APCA_API_KEY_ID_LARGE differ"
    ) as caught:
        read(**both, **(same | {"APCA_API_KEY_ID_LARGE": "PKother"}))
    assert KEY not in str(caught.value)


@pytest.fixture
def secrets_file(tmp_path):
    path = tmp_path / "secrets.toml"
    path.write_text(f'[large]\nkey = "{KEY}"\nsecret = "{SECRET}"\n[tiny]\nkey = "PKtiny"\nsecret = "s"\n')
    path.chmod(0o600)
    return path


def in_file(path, **more):
    return account(source="file", file=str(path), **more)


def test_a_private_file_has_a_table_for_each_account(secrets_file):
    assert read(in_file(secrets_file)) == (KEY, SECRET)
    assert read(in_file(secrets_file, name="tiny")) == ("PKtiny", "s")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_file_that_others_may_read_is_refused(secrets_file, mode):
    secrets_file.chmod(mode)
    with pytest.raises(ConfigurationError, match=f"with mode 0600 .* was {mode:04o}"):
        read(in_file(secrets_file))


def test_a_file_of_another_user_is_refused(secrets_file, monkeypatch):
    mine = secrets_file.stat().st_uid
    monkeypatch.setattr("os.getuid", lambda: mine + 1)
    with pytest.raises(ConfigurationError, match=f"owned by user {mine + 1}, was 0600 of user {mine}"):
        read(in_file(secrets_file))


def test_a_link_a_folder_and_a_missing_file_are_refused(secrets_file, tmp_path):
    link = tmp_path / "link.toml"
    link.symlink_to(secrets_file)
    for path in (link, tmp_path / "none.toml"):
        with pytest.raises(MissingDataError, match="expected a readable secrets file"):
            read(in_file(path))
    with pytest.raises(ConfigurationError, match="expected a regular file"):
        read(in_file(tmp_path))


@pytest.mark.parametrize("text", ['[large]\nkey = "PKcanary', "large = 3\n", '[other]\nkey = "PKcanary"\n'])
def test_a_file_without_the_accounts_table_says_so_and_shows_nothing_of_itself(secrets_file, text):
    secrets_file.write_text(text)
    with pytest.raises(
        (ConfigurationError, MissingDataError), match="credentials of large: expected"
    ) as caught:
        read(in_file(secrets_file))
    assert "canary" not in "".join(traceback.format_exception(caught.value))


@pytest.fixture
def manager(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with moto.mock_aws():
        yield boto3.client("secretsmanager", region_name="us-east-1")


def in_manager(name, **more):
    return account(source="aws", name=name, region="us-east-1", **more)


def test_the_secrets_manager_has_a_secret_for_each_account(manager):
    manager.create_secret(
        Name="ops-pipeline/alpaca", SecretString=json.dumps({"api_key": KEY, "api_secret": SECRET})
    )
    tiny = {"ALPACA_API_KEY": "PKtiny", "ALPACA_SECRET_KEY": "s"}
    manager.create_secret(Name="ops-pipeline/alpaca/tiny", SecretString=json.dumps(tiny))
    assert read(in_manager("ops-pipeline/alpaca")) == (KEY, SECRET)
    assert read(in_manager("ops-pipeline/alpaca/tiny")) == ("PKtiny", "s")


@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")
def test_a_secret_that_is_not_there_or_no_pair_is_named_and_not_replaced(manager):
    manager.create_secret(Name="ops-pipeline/alpaca", SecretString=f'"{KEY}"')
    with pytest.raises(
        MissingDataError, match=r"secret ops-pipeline/alpaca/tiny .* ResourceNotFoundException"
    ):
        read(in_manager("ops-pipeline/alpaca/tiny"), ALPACA_API_KEY_LARGE=KEY, ALPACA_SECRET_KEY_LARGE=SECRET)
    with pytest.raises(
        ConfigurationError, match="expected a JSON object in secret ops-pipeline/alpaca "
    ) as caught:
        read(in_manager("ops-pipeline/alpaca"))
    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_two_accounts_may_not_have_one_key():
    environment = {
        f"ALPACA_{what}_{who}": value
        for who in ("LARGE", "TINY")
        for what, value in (("API_KEY", KEY), ("SECRET_KEY", SECRET))
    }
    with pytest.raises(ConfigurationError, match=r"tiny .* and large .* have the same"):
        load_all([account(), account("tiny")], environment=environment)
    environment["ALPACA_API_KEY_TINY"] = "PKtiny"
    found = load_all([account(), account("tiny")], environment=environment)
    assert [own.key.reveal() for own in found.values()] == [KEY, "PKtiny"]


def test_a_secret_is_shown_by_nothing():
    secret = Secret(SECRET)
    own = Credentials(account=AccountId("large"), key=Secret(KEY), secret=secret, source="environment X")
    shown = [repr(secret), str(secret), f"{secret}", f"{secret!r}", f"{own}", json.dumps([own], default=str)]
    assert not [text for text in shown if "canary" in text]
    assert own.prefix == "PK"
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="expected to stay in this process"):
            leak(secret)
    with pytest.raises(TypeError):
        asdict(own)
    with pytest.raises(TypeError):
        json.dumps(secret)
    with pytest.raises(TypeError):
        hash(secret)
    with pytest.raises(TypeError):
        vars(secret)
    assert secret == Secret(SECRET)
    assert secret != Secret(KEY)
    assert secret != SECRET


def test_a_source_that_lacks_its_place_is_refused():
    for wrong in ({"source": "file"}, {"source": "aws"}):
        with pytest.raises(ConfigurationError, match=r"accounts\.0\.credentials: .* expected a"):
            load_settings(accounts=[{"id": "large", "equity_usd": 1, "credentials": wrong}])


def test_the_environment_sets_a_listed_account_by_its_id(monkeypatch):
    monkeypatch.setenv("OPS__ACCOUNTS__LARGE__NUMBER", "PA9")
    monkeypatch.setenv("OPS__ACCOUNTS__LARGE__CREDENTIALS__NAME", "")
    tiny, large = load_settings(CONFIG / "demo.toml").accounts
    assert (tiny.number, large.number, large.credentials.name) == ("SIM-TINY", "PA9", "")
    monkeypatch.setenv("OPS__ACCOUNTS__HUGE__NUMBER", "PA9")
    with pytest.raises(ConfigurationError, match=r"expected ids of the file \(tiny, large\).* names huge"):
        load_settings(CONFIG / "demo.toml")
