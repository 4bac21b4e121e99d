"""The part of the run check that warns when a response decides which host receives a secret that may be sent
anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reqflo_ray._internal.compiler.values.uses import Uses
from reqflo_ray._internal.compiler.yaml.problems import Problems
from reqflo_ray._internal.engine.values.supply import Supply
from reqflo_ray._internal.model.artifact import Artifact, HttpStep, RequestTemplate
from reqflo_ray._internal.model.http.url_parts import choosing_host
from reqflo_ray._internal.model.plan import SecretReference
from reqflo_ray._internal.model.values import (
    AnyReference,
    Namespace,
    Reference,
    StepReference,
    references,
)
from reqflo_ray._internal.runner.prepare.checks.growth import nodes_of_step


def warn_of_exposure(
    artifact: Artifact, supply: Supply, secrets: Mapping[str, SecretReference], uses: Uses, problems: Problems
) -> None:
    """Warn of each secret without `hosts` in a request whose host a response chooses, at every place of the secret."""
    for step in artifact.steps:
        if not isinstance(step, HttpStep):
            continue
        chosen_by = sorted(
            reference.step
            for reference in supply.reached(_choosing_host(step.request))
            if isinstance(reference, StepReference)
        )
        if not chosen_by:
            continue
        sent = {reference for node in nodes_of_step(step) for reference in references(node)}
        for reference in sorted(supply.reached(sorted(sent, key=str)), key=str):
            if not isinstance(reference, Reference) or reference.namespace is not Namespace.SECRETS:
                continue
            name = reference.name
            if name not in secrets or secrets[name].hosts is not None:
                continue
            message = f"the secret `{name}` is sent to any host that the response of step `{chosen_by[0]}` names"
            hint = f"list the hosts that may receive it: `secrets: {{names: {{{name}: {{hosts: [api.example]}}}}}}`"
            places = uses.in_step(step.id, str(reference), lambda use: not use.is_expected)
            for place in places or (None,):
                problems.warning("secret_anywhere", message, place, hint=f"{hint} in `reqflo.yaml`")


def _choosing_host(request: RequestTemplate) -> Iterator[AnyReference]:
    """Yield the references that decide which host receives a request, apart from the base URL of a service."""
    # Artifacts of 0.1.0 hold the URL as one text, so all of it decides.
    values = (request.url,) if request.url is not None else choosing_host(request.path)
    for value in values:
        yield from references(value)
