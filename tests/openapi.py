"""The broker's published API as a judge of answers: status, body and formats of each. Shell."""

import json
import re
from collections import Counter
from datetime import date, datetime
from pathlib import Path
from uuid import UUID

import jsonschema

SPECIFICATIONS = ("openapi_trading-api.json", "openapi_market-data-api.json")
_METHODS = ("get", "post", "put", "patch", "delete")
_FORMATS = jsonschema.FormatChecker(formats=())


@_FORMATS.checks("uuid", raises=ValueError)
def _is_uuid(value) -> bool:
    return not isinstance(value, str) or bool(UUID(value))


@_FORMATS.checks("date-time", raises=ValueError)
def _is_instant(value) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@_FORMATS.checks("date", raises=ValueError)
def _is_date(value) -> bool:
    return not isinstance(value, str) or bool(date.fromisoformat(value))


class Contract:
    """Judges answers by the specifications; keeps count of what it judged and everything it objects to."""

    def __init__(self, folder: Path) -> None:
        self.judged: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.violations: list[str] = []
        self._operations = []
        self._validators = {}
        for name in SPECIFICATIONS:
            document = _plain(json.loads((folder / "alpaca_payloads" / name).read_text()))
            _mend(document)
            for template, methods in document["paths"].items():
                for method in _METHODS:
                    if method in methods:
                        self._operations.append(
                            (method, _pattern(template), template, methods[method], document)
                        )
        # A path without parameters wins over one whose parameter would fit it.
        self._operations.sort(key=lambda operation: operation[2].count("{"))

    def judge(self, method: str, path: str, status: int, body: bytes) -> None:
        """Hold one answer against what is published of its path, method and status."""
        where = f"{method} {path} -> {status}"
        operation = next(
            (o for o in self._operations if o[0] == method.lower() and o[1].fullmatch(path)), None
        )
        if operation is None:
            if status != 404:
                self.violations.append(f"{where}: no such operation is published")
            return
        _, _, template, published, document = operation
        answers = published["responses"]
        if status >= 400:
            self.refusals[f"{method} {template} {status}"] += 1
            self._judge_refusal(where, body, document)
        elif str(status) not in answers:
            self.violations.append(f"{where}: expected one of {sorted(answers)}")
        else:
            self.judged[f"{method} {template} {status}"] += 1
            self._judge_body(where, answers[str(status)], body, document)

    def _judge_refusal(self, where: str, body: bytes, document) -> None:
        """Refusals mostly have no published body: each must say why, and by number on the trading paths."""
        try:
            told = json.loads(body)
        except ValueError:
            self.violations.append(f"{where}: expected a JSON body, was {body[:80]!r}")
            return
        trading = "Account" in document["components"]["schemas"]
        status = int(where[-3:])
        if not told.get("message"):
            self.violations.append(f"{where}: expected a message, was {told}")
        if trading and status < 500 and not isinstance(told.get("code"), int):
            self.violations.append(f"{where}: expected a numeric code, was {told}")

    def _judge_body(self, where: str, answer, body: bytes, document) -> None:
        content = answer.get("content")
        if not content:
            if body:
                self.violations.append(f"{where}: expected no body, was {body[:80]!r}")
            return
        schema = content["application/json"]["schema"]
        key = (id(document), json.dumps(schema, sort_keys=True))
        if key not in self._validators:
            whole = {"allOf": [schema], "components": document["components"]}
            self._validators[key] = jsonschema.Draft4Validator(whole, format_checker=_FORMATS)
        try:
            value = json.loads(body)
        except ValueError:
            self.violations.append(f"{where}: expected a JSON body, was {body[:80]!r}")
            return
        for error in self._validators[key].iter_errors(value):
            self.violations.append(f"{where}: {error.json_path}: {error.message[:200]}")

    def report(self) -> str:
        """Say how many answers were held against the specifications, and what came of it."""
        return (
            f"{self.judged.total()} answers of {len(self.judged)} operations and "
            f"{self.refusals.total()} refusals validated, {len(self.violations)} violations"
        )


class Judged:
    """An ASGI application whose every answer is judged before it leaves."""

    def __init__(self, app, contract: Contract) -> None:
        self._app = app
        self._contract = contract

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, parts, whole = 0, [], False

        async def judged_send(message) -> None:
            nonlocal status, whole
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                parts.append(message.get("body", b""))
                whole = not message.get("more_body", False)
            if whole:
                self._contract.judge(scope["method"], scope["path"], status, b"".join(parts))
            await send(message)

        await self._app(scope, receive, judged_send)


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile("".join("[^/]+" if part[:1] == "{" else re.escape(part) for part in _parts(template)))


def _parts(template: str) -> list[str]:
    return [part for part in re.split(r"(\{[^}]+\})", template) if part]


def _plain(value):
    """Turn OpenAPI's `nullable` into what JSON schema knows."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    made = {key: _plain(item) for key, item in value.items()}
    if made.pop("nullable", False) is True:
        return {"anyOf": [made, {"type": "null"}]}
    return made


def _mend(document) -> None:
    """Put right where the specifications contradict themselves.

    Both kinds of activities lack required fields, so that every row fits both: `oneOf` could hold for
    none, its own example included. And that example dates a booking by a date, not by an instant.
    """
    typed = document["paths"].get("/v2/account/activities/{activity_type}")
    if typed is None:
        return
    items = typed["get"]["responses"]["200"]["content"]["application/json"]["schema"]["items"]
    items["anyOf"] = items.pop("oneOf")
    booking = document["components"]["schemas"]["NonTradeActivities"]["properties"]
    booking["date"]["format"] = "date"
