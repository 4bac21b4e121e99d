"""The workspace's settings, environments, cases and presets as people write them, and the JSON Schema of it all."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from reqflo_ray._internal.compiler.authoring.base import AlsoWritten, Authored, Listed, Name, Number, also_keys
from reqflo_ray._internal.compiler.authoring.journey import JourneyModel, OverlayModel, TemplateModel
from reqflo_ray._internal.compiler.authoring.units import PositiveDuration
from reqflo_ray._internal.errors import UsageError
from reqflo_ray._internal.model.http.proxy import NO_PROXY, Bypass, parse_proxy_url
from reqflo_ray._internal.model.plan import HttpSettings, SecretSource
from reqflo_ray._internal.model.workers import parse_workers

_HTTP: Final = HttpSettings()
# An engine of 0.1.0. What it did, the default one does.
RETIRED_ENGINE: Final = "aiohttp"
_BASE_URL: Final = re.compile(r"https?://[^/?#\s]+(/[^?#\s]*)?", re.IGNORECASE)


def _without_credentials(text: str) -> str:
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = None
    if parts is None or (parts.username or parts.password) is not None:
        message = "a URL must be valid and hold no user name or password"
        raise PydanticCustomError("wrong_value", "{text}", {"text": message})
    return text


def _engine(given: Any) -> Any:
    # The run check warns of it.
    return _HTTP.engine if given == RETIRED_ENGINE else given


def _proxy_url(text: str) -> str:
    if text in ("", NO_PROXY):
        return text
    wrong = ""
    if "{{" in text:
        wrong = "it is written out: only `username` and `password` may hold expressions"
    elif "@" in text:
        wrong = "it holds no user name or password: these are `username` and `password` beside it"
    else:
        try:
            parse_proxy_url(text)
        except ValueError as error:
            wrong = str(error)
    if wrong:
        text, hint = f"the URL of a proxy cannot be used: {wrong}", "write `http://HOST:PORT`, or `none`"
        raise PydanticCustomError("wrong_value", "{text}", {"text": text, "hint": hint})
    return text


def _proxy_password(text: str) -> str:
    if text and "{{" not in text:
        message, hint = "a password is not written down", "refer to a secret: `{{ secrets.PROXY_PASSWORD }}`"
        raise PydanticCustomError("wrong_value", "{text}", {"text": message, "hint": hint})
    return text


def _bypass_entry(text: str) -> str:
    try:
        Bypass((text,))
    except ValueError as error:
        hint = "such as `api.example`, `.internal`, `10.0.0.0/8` or `localhost`, most with `:PORT` if need be"
        raise PydanticCustomError("wrong_value", "{text}", {"text": str(error), "hint": hint}) from None
    return text


def _base_url(text: str) -> str:
    """An absolute URL without query or fragment; what holds expressions is seen when it is rendered."""
    if "{{" not in text and not _BASE_URL.fullmatch(text):
        message = "a base URL begins with `http://` or `https://` and a host, and has no query"
        raise PydanticCustomError("wrong_value", "{text}", {"text": message})
    return _without_credentials(text)


def _workers(given: Any) -> int | str | None:
    if given is None:
        return None
    try:
        # One check for both kinds, where a union of types would report what is wrong once for each.
        parse_workers(str(given))
    except UsageError as error:
        raise PydanticCustomError("wrong_value", "{text}", {"text": f"{error.message}: {error.cause}"}) from None
    workers: int | str = given
    return workers


_WORKERS_SCHEMA: Final[dict[str, Any]] = {
    "anyOf": [
        {"type": "integer", "minimum": 1},
        {"type": "string", "pattern": "^(auto|[0-9]+(:[0-9]+)?)$"},
        {"type": "null"},
    ]
}


class DefaultsModel(Authored):
    """What is used when the command line says nothing."""

    environment: str = ""


class SecretNameModel(Authored):
    """Where one secret is found, if not under its own name, and the hosts that it may be sent to."""

    env: str = ""
    file: str = ""
    secret: str = ""
    version: Annotated[str, Field(pattern=r"^([0-9]+|latest)$")] = "latest"
    hosts: Annotated[Listed[Name], Field(min_length=1)] | None = None
    description: str = ""


class SecretsModel(Authored):
    """Where workers find secret values. `file: {folder: …}` and `gcp: {project: …}` may be used to group."""

    model_config = ConfigDict(json_schema_extra=also_keys({"file": {}, "gcp": {}}))

    source: Annotated[SecretSource, Field(strict=False)] = SecretSource.ENV
    folder: str = ""
    project: str = ""
    names: dict[str, SecretNameModel] = Field(default_factory=dict)


class ProxyModel(Authored):
    """The proxy that requests go through. `url`: `http://HOST:PORT`, `https://…`, with the engine httpx also
    `socks5://…`; `none` for no proxy. `username` and `password` may refer to secrets, a password must. `bypass` are
    hosts that are asked directly, as in `NO_PROXY`."""

    url: Annotated[str, AfterValidator(_proxy_url)]
    username: str = ""
    password: Annotated[str, AfterValidator(_proxy_password)] = ""
    bypass: Annotated[
        Listed[Annotated[str, AfterValidator(_bypass_entry)]],
        AlsoWritten({"type": "string"}),
        Field(description="Names (`example.com` with all below it, `.example.com`), addresses, networks, `localhost`."),
    ] = ()


Proxied = Annotated[ProxyModel | None, AlsoWritten({"type": "string"})]
"""A proxy, or its URL alone."""


class HttpModel(Authored):
    """How requests are sent. Sizes are in bytes. `max_in_flight_per_host` holds in each worker: with four of them
    a host has up to four times as many requests in flight."""

    engine: Annotated[Literal["httptools", "httpx"], BeforeValidator(_engine)] = "httptools"
    connect_timeout: PositiveDuration = _HTTP.connect_ms
    read_timeout: PositiveDuration = _HTTP.read_ms
    total_timeout: PositiveDuration = _HTTP.total_ms
    max_body_bytes: Annotated[int, Field(gt=0)] = _HTTP.max_body_bytes
    max_redirects: Annotated[int, Field(ge=0, le=20)] = _HTTP.max_redirects
    evidence_body_bytes: Annotated[int, Field(ge=0)] = _HTTP.evidence_body_bytes
    max_in_flight_per_host: Annotated[int | None, Field(ge=1)] = None
    allow_link_local: bool = False
    ca_file: str = ""
    client_certificate: str = ""
    client_key: str = ""
    proxy: Proxied = None
    user_agent: Annotated[str, Field(min_length=1, pattern=r"^[!-~]([ -~]*[!-~])?$")] = _HTTP.user_agent


class RunnerModel(Authored):
    """Defaults of the flags with the same names."""

    address: str | None = None
    store: str | None = None
    workers: Annotated[int | str | None, PlainValidator(_workers), WithJsonSchema(_WORKERS_SCHEMA)] = None
    concurrency: Annotated[int | None, Field(ge=1)] = None
    rate: Annotated[Number | None, Field(gt=0)] = None
    row_timeout: PositiveDuration | None = None


def _path_pattern(text: str) -> str:
    if not text.strip("./") or text.startswith("/") or ".." in text.split("/") or "\\" in text:
        message = "a pattern is a path relative to the workspace, with `/` between names"
        raise PydanticCustomError("wrong_value", "{text}", {"text": message})
    return text


PathPattern = Annotated[str, AfterValidator(_path_pattern)]


class WorkspaceModel(Authored):
    """`reqflo.yaml`: the settings of the workspace."""

    name: str = ""
    description: str = ""
    include: Annotated[
        Listed[PathPattern],
        Field(description="Only these files and folders are looked at. Glob patterns relative to the workspace."),
    ] = ()
    exclude: Annotated[
        Listed[PathPattern],
        Field(description="These files and folders are not looked at, such as `charts` or `**/node_modules`."),
    ] = ()
    defaults: DefaultsModel = DefaultsModel()
    secrets: SecretsModel = SecretsModel()
    http: HttpModel = HttpModel()
    runner: RunnerModel = RunnerModel()


class ServiceModel(Authored):
    """A service's base URL and configuration."""

    base_url: Annotated[str, AfterValidator(_base_url)]
    config: dict[str, Any] = Field(default_factory=dict)


class EnvironmentModel(Authored):
    """A target system. `insecure: true` turns off the verification of TLS certificates, and every run of it says so.
    `proxy` takes the place of the workspace's."""

    name: Name
    description: str = ""
    services: dict[str, ServiceModel] = Field(default_factory=dict)
    values: dict[str, Any] = Field(default_factory=dict)
    insecure: bool = False
    proxy: Proxied = None


class CaseModel(Authored):
    """A named set of values for one journey."""

    name: Name
    journey: Name
    description: str = ""
    values: dict[str, Any] = Field(default_factory=dict)
    presets: Listed[str] = ()


class PresetModel(Authored):
    """A named set of values for any journey that declares them."""

    name: Name
    description: str = ""
    values: dict[str, Any] = Field(default_factory=dict)


class DocumentModel(Authored):
    """One YAML document of a workspace: its key says what it is."""

    workspace: WorkspaceModel | None = None
    journey: JourneyModel | None = None
    template: TemplateModel | None = None
    templates: Listed[TemplateModel] | None = None
    environment: EnvironmentModel | None = None
    case: CaseModel | None = None
    preset: PresetModel | None = None
    overlay: OverlayModel | None = None


def schema() -> dict[str, Any]:
    """The JSON Schema of the documents of a workspace, for editors."""
    made = DocumentModel.model_json_schema()
    made["title"] = "A document of a reqflo-ray workspace"
    made["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return made
