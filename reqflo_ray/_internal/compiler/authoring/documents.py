"""A YAML document of a workspace: its root key says what it is."""

from __future__ import annotations

from typing import Annotated

from reqflo_ray._internal.compiler.authoring.base import Authored, Listed, about
from reqflo_ray._internal.compiler.authoring.environments import CaseModel, EnvironmentModel, PresetModel
from reqflo_ray._internal.compiler.authoring.journey import JourneyModel
from reqflo_ray._internal.compiler.authoring.overlays import OverlayModel
from reqflo_ray._internal.compiler.authoring.requests import TemplateModel
from reqflo_ray._internal.compiler.authoring.settings import WorkspaceModel

_ORDER = {"key": "get-order", "service": "shop-api", "url": "/orders/:orderId"}


class DocumentModel(Authored):
    """A document of a reqflo-ray workspace. It has one root key, which says what the document is. A file may hold
    several documents, with `---` between them."""

    workspace: Annotated[
        WorkspaceModel | None,
        about("The settings of the workspace. Only `reqflo.yaml` may hold them.", {"name": "shop"}),
    ] = None
    journey: Annotated[
        JourneyModel | None,
        about(
            "An API workflow: the values that it needs, and its steps.",
            {"name": "read-order", "steps": [{"id": "read", "template": "get-order"}]},
        ),
    ] = None
    template: Annotated[TemplateModel | None, about("One request that steps share.", _ORDER)] = None
    templates: Annotated[
        Listed[TemplateModel] | None,
        about("Requests that steps share: a list, or a mapping from keys to templates.", [_ORDER]),
    ] = None
    environment: Annotated[
        EnvironmentModel | None,
        about(
            "A target system: where its services are, and the values that belong to it.",
            {"name": "local", "services": {"shop-api": {"base_url": "http://127.0.0.1:8480"}}},
        ),
    ] = None
    case: Annotated[
        CaseModel | None,
        about(
            "A saved set of values of one journey.", {"name": "Gift", "journey": "place-order", "values": {"total": 1}}
        ),
    ] = None
    preset: Annotated[
        PresetModel | None,
        about("A saved set of values for any journey.", {"name": "partner", "values": {"client_id": "partner"}}),
    ] = None
    overlay: Annotated[
        OverlayModel | None,
        about(
            "A named change to a journey.",
            {"name": "no-token", "journey": "place-order", "steps": {"token": {"skip": True}}},
        ),
    ] = None
