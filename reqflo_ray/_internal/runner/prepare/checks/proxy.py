"""The part of the run check that settles the proxy: the environment's if it has one, otherwise the workspace's."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from reqflo_ray._internal.compiler.authoring.settings import ProxyModel
from reqflo_ray._internal.compiler.workspace.load import Workspace
from reqflo_ray._internal.compiler.yaml.problems import Problems
from reqflo_ray._internal.compiler.yaml.tree import YamlNode, child
from reqflo_ray._internal.model.http.hosts import host_allowed
from reqflo_ray._internal.model.http.proxy import NO_PROXY, parse_proxy_url, unsupported_scheme
from reqflo_ray._internal.model.plan import HttpSettings
from reqflo_ray._internal.model.values import Literal, Namespace, Node, Reference, references
from reqflo_ray._internal.runner.prepare.checks.sources import OuterValues

_NOTHING = Literal("")


def with_proxy(
    settings: HttpSettings, workspace: Workspace | None, environment: str, values: OuterValues, problems: Problems
) -> HttpSettings:
    """Return `settings` with the proxy of a run in that environment ("" if none is chosen)."""
    if workspace is None:
        return settings
    of_workspace, of_environments = _proxies(workspace)
    model, node = of_environments.get(environment) or of_workspace or (None, None)
    if model is None or model.url in ("", NO_PROXY):
        return settings
    proxy = parse_proxy_url(model.url)
    wrong = unsupported_scheme(settings.engine, proxy.scheme)
    if wrong is not None:
        message, hint = wrong
        problems.error("unsupported_proxy", message, child(node, "url"), hint=hint)
    login = _Login(workspace, proxy.host, values, problems)
    return msgspec.structs.replace(
        settings,
        proxy=model.url,
        proxy_username=login.part(child(node, "username")),
        proxy_password=login.part(child(node, "password")),
        proxy_bypass=model.bypass,
    )


def secrets_of_proxy(http: HttpSettings) -> Iterator[str]:
    """Yield the names of the secrets that the proxy receives."""
    for node in (http.proxy_username, http.proxy_password):
        yield from (found.name for found in references(node) if isinstance(found, Reference))


def secrets_of_all_proxies(workspace: Workspace) -> Iterator[str]:
    """Yield the names of the secrets that any proxy of the workspace receives."""
    of_workspace, of_environments = _proxies(workspace)
    values = OuterValues(Problems())
    for _, node in (*([of_workspace] if of_workspace else []), *of_environments.values()):
        for part in (child(node, "username"), child(node, "password")):
            found = references(values.compile(part)) if part is not None else ()
            yield from (one.name for one in found if isinstance(one, Reference) and one.namespace is Namespace.SECRETS)


_Written = tuple[ProxyModel, YamlNode | None]


def _proxies(workspace: Workspace) -> tuple[_Written | None, dict[str, _Written]]:
    """Return the proxy of the workspace, and that of each environment that has one, by name."""
    own = workspace.settings.http.proxy
    node = child(child(workspace.settings_node, "http"), "proxy")
    others = {
        definition.name: (definition.model.proxy, child(definition.node, "proxy"))
        for definition in workspace.environments
        if definition.model is not None and definition.model.proxy is not None
    }
    return ((own, node) if own is not None else None), others


class _Login:
    """Compiles the user name and password for the proxy at `host`."""

    def __init__(self, workspace: Workspace, host: str, values: OuterValues, problems: Problems) -> None:
        self._secrets = workspace.settings.secrets.names
        self._host = host
        self._values = values
        self._problems = problems

    def part(self, written: YamlNode | None) -> Node:
        node = self._values.compile(written) if written is not None else _NOTHING
        for reference in references(node):
            if not isinstance(reference, Reference) or reference.namespace is not Namespace.SECRETS:
                message = f"`{reference}` cannot be used in the user name or password of a proxy"
                hint = "write the text itself, or use `secrets.NAME`"
                self._problems.error("invalid_reference", message, written, hint=hint)
                return _NOTHING
            self._check_host(reference.name, written)
        return node if not isinstance(node, Literal) or isinstance(node.value, str) else _NOTHING

    def _check_host(self, name: str, written: YamlNode | None) -> None:
        own = self._secrets.get(name)
        if own is not None and not host_allowed(own.hosts, self._host):
            message = f"the secret `{name}` may not be sent to the proxy `{self._host}`"
            self._problems.error("secret_host_refused", message, written, hint="add the proxy to the secret's `hosts`")
