"""Environments, cases, and presets as people write them. Shape only: values are looked up when a run starts."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from reqflo_ray._internal.compiler.authoring.base import Authored, Listed, Name, about, note
from reqflo_ray._internal.compiler.authoring.formats import BaseUrl
from reqflo_ray._internal.compiler.authoring.settings import Proxied


class ServiceModel(Authored):
    """Where a service is in this environment."""

    base_url: Annotated[
        BaseUrl,
        about(
            "The URL that paths are appended to with one slash: `http://` or `https://`, a host, and an optional path. "
            "It has no query and no credentials. It may hold expressions.",
            "https://staging.shop.example",
        ),
    ]
    config: Annotated[
        dict[str, Any],
        about("Values of the service, which journeys read as `env.SERVICE.KEY`.", {"api_version": "v1"}),
    ] = Field(default_factory=dict)


class EnvironmentModel(Authored):
    """A target system: where its services are, and the values that belong to it."""

    name: Annotated[Name, about("The name that `--env` and `defaults.environment` use.", "staging")]
    description: Annotated[str, note("Reset every night.")] = ""
    services: Annotated[
        dict[str, ServiceModel],
        about(
            "Where each service of this system is, by its name.",
            {"shop-api": {"base_url": "https://staging.shop.example"}},
        ),
    ] = Field(default_factory=dict)
    values: Annotated[
        dict[str, Any],
        about(
            "Values that journeys read as `env.KEY`, and that variables with `source: environment` take.",
            {"region": "eu-west-1"},
        ),
    ] = Field(default_factory=dict)
    insecure: Annotated[
        bool,
        about("With `true`, TLS certificates are not verified, and every run in this environment says so.", True),
    ] = False
    proxy: Annotated[
        Proxied,
        about(
            "The proxy of this environment: its URL, `none`, or a mapping. If it is left out, `http.proxy` of the "
            "workspace applies.",
            "none",
        ),
    ] = None


class CaseModel(Authored):
    """A saved set of values that names a whole situation of one journey. `--case NAME` chooses it."""

    name: Annotated[Name, about("The name that `--case` uses. Case matters.", "Gift order")]
    journey: Annotated[Name, about("The name of the journey that the case belongs to.", "place-order")]
    description: Annotated[str, note("An order that costs almost nothing.")] = ""
    values: Annotated[
        dict[str, Any],
        about("The values of inputs and variables, by name. A row and `--set` take precedence.", {"total": 0.5}),
    ] = Field(default_factory=dict)
    presets: Annotated[
        Listed[str],
        about("Presets below the values of the case, by name. A later one takes precedence.", ["partner-client"]),
    ] = ()


class PresetModel(Authored):
    """A saved set of values for every journey that declares them. `--preset NAME` and cases choose it."""

    name: Annotated[Name, about("The name that `--preset` and cases use.", "partner-client")]
    description: Annotated[str, note("The client of our partner.")] = ""
    values: Annotated[
        dict[str, Any],
        about(
            "The values of inputs and variables, by name. Names that a journey does not declare are ignored.",
            {"client_id": "partner"},
        ),
    ] = Field(default_factory=dict)
