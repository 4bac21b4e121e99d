"""The settings in `reqflo.yaml` as people write them, and a proxy.

It must not know how a run uses them.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field

from reqflo_ray._internal.compiler.authoring.base import (
    AlsoWritten,
    Authored,
    Listed,
    Name,
    Number,
    about,
    also_keys,
    note,
)
from reqflo_ray._internal.compiler.authoring.formats import (
    PROXY_SHORT_FORM,
    BypassEntry,
    Engine,
    PathPattern,
    ProxyPassword,
    ProxyUrlText,
    Workers,
)
from reqflo_ray._internal.compiler.authoring.units import PositiveDuration
from reqflo_ray._internal.model.plan import HttpSettings, SecretSource

_HTTP: Final = HttpSettings()


class DefaultsModel(Authored):
    """What is used if the command line does not say otherwise."""

    environment: Annotated[
        str, about("The name of the environment that is used without `--env`. If it is left out: none.", "local")
    ] = ""


class SecretNameModel(Authored):
    """Where workers find one secret, if not under its own name, and which hosts it may be sent to."""

    env: Annotated[
        str,
        about("With `source: env`: the environment variable. If left out, it is the secret's name.", "SHOP_SECRET"),
    ] = ""
    file: Annotated[
        str,
        about("With `source: file`: the file below `folder`. If left out, it is the secret's name.", "shop/secret.txt"),
    ] = ""
    secret: Annotated[
        str,
        about(
            "With `source: gcp`: the secret's name in `project`, or its full name. If it is left out, it is the "
            "secret's name here.",
            "projects/shop/secrets/client-secret",
        ),
    ] = ""
    version: Annotated[
        str,
        Field(pattern=r"^([0-9]+|latest)$"),
        about("With `source: gcp`: the version, in quotes. `latest` is pinned when the run starts.", "3"),
    ] = "latest"
    hosts: Annotated[
        Listed[Name] | None,
        Field(min_length=1),
        about(
            "The hosts that the secret may be sent to; a request to another host is refused before sending. `*.` "
            "stands for one or more labels; ports are not allowed. If it is left out, every host may receive it.",
            ["127.0.0.1", "*.shop.example"],
        ),
    ] = None
    description: Annotated[str, note("Rotated every quarter.")] = ""


def _group(key: str, description: str, example: str) -> dict[str, Any]:
    text = {"type": "string", "minLength": 1, "description": description, "examples": [example]}
    mapping = {"type": "object", "properties": {key: text}, "required": [key], "additionalProperties": False}
    note = f"Another form of `{key}`: the text alone, or a mapping that holds it. Write one of the two."
    return {"anyOf": [text, mapping], "description": note, "examples": [{key: example}]}


_FOLDER: Final = "The folder of the secret files, relative to the workspace or absolute."
_PROJECT: Final = "The Google Cloud project of the secrets."


class SecretsModel(Authored):
    """Where workers find the values of `{{ secrets.NAME }}`. A value is never written into a file of the run."""

    model_config = ConfigDict(
        json_schema_extra=also_keys(
            {
                "file": _group("folder", _FOLDER, "/run/secrets"),
                "gcp": _group("project", _PROJECT, "shop-production"),
            }
        )
    )

    source: Annotated[
        SecretSource, Field(strict=False), about("Where every worker reads the values of secrets.", "gcp")
    ] = SecretSource.ENV
    folder: Annotated[str, about(f"{_FOLDER} Needed with `source: file`.", "/run/secrets")] = ""
    project: Annotated[
        str,
        about(f"{_PROJECT} Needed with `source: gcp`, unless every secret has its full name.", "shop-production"),
    ] = ""
    names: Annotated[
        dict[str, SecretNameModel],
        about(
            "Where single secrets are found and where they may be sent, by name. A secret that is not listed is read "
            "under its own name, and may be sent to every host.",
            {"SHOP_CLIENT_SECRET": {"hosts": ["*.shop.example"]}},
        ),
    ] = Field(default_factory=dict)


class ProxyModel(Authored):
    """The proxy that requests go through."""

    url: Annotated[
        ProxyUrlText,
        about(
            "The URL of the proxy: `http://HOST:PORT`, `https://HOST:PORT`, or, with the engine `httpx`, "
            "`socks5://HOST:PORT`. `none` means no proxy.",
            "http://proxy.example:3128",
        ),
    ]
    username: Annotated[str, about("The user name at the proxy. It may refer to a secret.", "ci")] = ""
    password: Annotated[
        ProxyPassword,
        about("The password at the proxy. It must refer to a secret.", "{{ secrets.PROXY_PASSWORD }}"),
    ] = ""
    bypass: Annotated[
        Listed[BypassEntry],
        AlsoWritten({"type": "string"}),
        about(
            "Hosts that are requested without the proxy, as in `NO_PROXY`: `example.com` with all names below it, "
            "`.example.com` for those below it only, addresses, networks, `localhost`, or `*`. One text may "
            "list several.",
            ["localhost", ".internal", "10.0.0.0/8"],
        ),
    ] = ()


Proxied = Annotated[ProxyModel | None, AlsoWritten(PROXY_SHORT_FORM)]
"""A proxy, or its URL alone."""


class HttpModel(Authored):
    """How requests are sent."""

    engine: Annotated[Engine, about("Which HTTP library sends the requests.", "httpx")] = "httptools"
    connect_timeout: Annotated[
        PositiveDuration, about("How long connecting may take, TLS included. A step may say otherwise.", "2s")
    ] = _HTTP.connect_ms
    read_timeout: Annotated[
        PositiveDuration,
        about("How long to wait for the next bytes of a response. A step may say otherwise.", "10s"),
    ] = _HTTP.read_ms
    total_timeout: Annotated[
        PositiveDuration,
        about("How long one attempt may take in all, redirects included. A step may say otherwise.", "2m"),
    ] = _HTTP.total_ms
    max_body_bytes: Annotated[
        int,
        Field(gt=0),
        about("How large the decoded body of a response may be, in bytes. A larger one is an `error`.", 1_048_576),
    ] = _HTTP.max_body_bytes
    max_redirects: Annotated[
        int,
        Field(ge=0, le=20),
        about("How many redirects of one request are followed, from 0 to 20. With 0, the redirect is the response.", 5),
    ] = _HTTP.max_redirects
    evidence_body_bytes: Annotated[
        int,
        Field(ge=0),
        about("How much of each body the results keep, in bytes. The rest is cut off and marked.", 16_384),
    ] = _HTTP.evidence_body_bytes
    max_in_flight_per_host: Annotated[
        int | None,
        Field(ge=1),
        about(
            "How many requests of one worker may be in flight to one host and port. Four workers may have four "
            "times as many. If it is left out, there is no limit.",
            20,
        ),
    ] = None
    allow_link_local: Annotated[
        bool,
        about("With `true`, requests may go to link-local addresses, where clouds serve credentials.", True),
    ] = False
    ca_file: Annotated[
        str,
        about(
            "A PEM file with the certificate authorities to trust, relative to the workspace. If it is left out, those "
            "of the system are trusted.",
            "certificates/ca.pem",
        ),
    ] = ""
    client_certificate: Annotated[
        str,
        about("A PEM file with the client certificate for TLS, relative to the workspace.", "certificates/client.pem"),
    ] = ""
    client_key: Annotated[
        str,
        about(
            "A PEM file with the key of the client certificate, if that file does not hold it.",
            "certificates/client.key",
        ),
    ] = ""
    proxy: Annotated[
        Proxied,
        about(
            "The proxy that requests go through: its URL, `none`, or a mapping. If it is left out: none. `HTTP_PROXY` "
            "and its like in the process's environment are not read.",
            "http://proxy.example:3128",
        ),
    ] = None
    user_agent: Annotated[
        str,
        Field(min_length=1, pattern=r"^[!-~]([ -~]*[!-~])?$"),
        about("The header `User-Agent` of requests that do not set it themselves.", "shop-suite/1.0"),
    ] = _HTTP.user_agent


class RunnerModel(Authored):
    """Defaults of the command-line options with the same names."""

    address: Annotated[
        str | None,
        about(
            "The Ray cluster to attach to: `auto`, or a host and port. If it is left out, Ray's own rules apply.",
            "ray-head:6379",
        ),
    ] = None
    store: Annotated[
        str | None,
        about(
            "Where `run` and `submit` keep runs: a folder or a bucket. Other commands need `--store` or "
            "`REQFLO_STORE`. If it is left out: `.reqflo`.",
            "gs://shop-runs/reqflo",
        ),
    ] = None
    workers: Annotated[
        Workers,
        about(
            "How many worker processes there are: a number, a range `MIN:MAX`, or `auto`, which means one per core. If "
            "it is left out: `auto`.",
            4,
            "2:16",
        ),
    ] = None
    concurrency: Annotated[
        int | None, Field(ge=1), about("How many rows are in flight per worker. If it is left out: 64.", 16)
    ] = None
    rate: Annotated[
        Number | None,
        Field(gt=0),
        about("The most requests per second over the whole run. If it is left out, there is no limit.", 50),
    ] = None
    row_timeout: Annotated[
        PositiveDuration | None, about("How long one row may take in all. If it is left out: 10m.", "2m")
    ] = None


class WorkspaceModel(Authored):
    """The settings of the workspace, in `reqflo.yaml`."""

    name: Annotated[str, about("A name for reports. If it is left out, it is the name of the folder.", "shop")] = ""
    description: Annotated[str, note("The checkout of the shop.")] = ""
    include: Annotated[
        Listed[PathPattern],
        about(
            "Only these files and folders are read: glob patterns relative to the workspace. If it is left out, all "
            "YAML files are.",
            ["journeys", "templates/*.yaml"],
        ),
    ] = ()
    exclude: Annotated[
        Listed[PathPattern],
        about(
            "These files and folders are not read: glob patterns relative to the workspace.",
            ["charts", "**/node_modules"],
        ),
    ] = ()
    defaults: Annotated[
        DefaultsModel, about("The values that apply where the command line sets none.", {"environment": "local"})
    ] = DefaultsModel()
    secrets: Annotated[
        SecretsModel, about("Where workers find secrets, and where these may be sent.", {"source": "env"})
    ] = SecretsModel()
    http: Annotated[
        HttpModel, about("How every request of the workspace is sent.", {"read_timeout": "10s", "max_redirects": 5})
    ] = HttpModel()
    runner: Annotated[RunnerModel, about("Defaults of command-line options.", {"workers": 4, "rate": 50})] = (
        RunnerModel()
    )
