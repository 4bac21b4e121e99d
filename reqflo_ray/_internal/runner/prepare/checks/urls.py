"""The part of the run check that builds each URL from all that is known before a row is read. A URL that cannot work
with any row is a finding, at the place of the value that causes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from reqflo_ray._internal.compiler.values.nodes import NULL
from reqflo_ray._internal.compiler.yaml.problems import Problems
from reqflo_ray._internal.engine.requests.url_renderer import compile_url
from reqflo_ray._internal.engine.requests.urls import base_url
from reqflo_ray._internal.engine.values.declarations import environment_node, sources
from reqflo_ray._internal.engine.values.expressions import Resolved, Values, compile_node, to_text
from reqflo_ray._internal.engine.values.faults import RowFault
from reqflo_ray._internal.engine.values.jsonpath_query import walk
from reqflo_ray._internal.errors import Position
from reqflo_ray._internal.http.addresses.target import parse_target
from reqflo_ray._internal.http.exchange.failures import ExchangeError
from reqflo_ray._internal.model.artifact import Artifact, HttpStep, Input, RequestTemplate, Variable
from reqflo_ray._internal.model.http.exchange import FailureKind
from reqflo_ray._internal.model.http.url_parts import ABSOLUTE
from reqflo_ray._internal.model.names import suggestion
from reqflo_ray._internal.model.plan import Environment, InputValue
from reqflo_ray._internal.model.values import UNSET, AnyReference, JsonValue, Namespace, Node, Reference, references

# Stand-ins for a value that is not known yet: for a port or a part of a path or query, a host, and a whole path.
_STAND_INS: Final = ("1", "a", "/1")


class UrlCheck:
    """Checks the URLs of one run.

    `unknown` are the inputs and variables that rows or steps may supply; `place_of` returns where each URL is written
    (`urls.<step>`), and where each value outside rows is (`env.<key>`, `inputs.<name>`, `services.<name>`).
    """

    def __init__(
        self,
        artifact: Artifact,
        environment: Environment,
        given: Mapping[str, InputValue],
        me: Mapping[str, str],
        unknown: frozenset[str],
        place_of: Callable[[str], Position | None],
        problems: Problems,
    ) -> None:
        self._artifact = artifact
        self._environment = environment
        self._known = _Known(artifact, environment, given, me, unknown)
        self._place_of = place_of
        self._problems = problems

    def run(self) -> None:
        """Report every URL that cannot be requested."""
        for step in self._artifact.steps:
            if isinstance(step, HttpStep) and step.request.url is None and _is_compiled(step.request):
                self._check(step)

    def _check(self, step: HttpStep) -> None:
        request = step.request
        is_open = self._is_open(request)
        fault = None if is_open else self._fault(request)
        if is_open or (fault is not None and fault.code == "missing_base_url"):
            self._check_service_of_path(step, perhaps=is_open)
        elif fault is not None:
            wrong_base = self._fault_of_base(request.service)
            what = f"URL of step `{step.id}`" if wrong_base is None else f"base URL of the service `{request.service}`"
            place = self._place(step) if wrong_base is None else self._place_of(f"services.{request.service}")
            self._problems.error("wrong_value", f"the {what} cannot be requested", place, cause=fault.message)

    def _is_open(self, request: RequestTemplate) -> bool:
        """Whether the beginning of the URL depends on the row."""
        first = request.path[0] if request.path else ""
        if isinstance(first, str):
            return False
        values = self._known.with_stand_in(_STAND_INS[0])
        try:
            text = to_text(compile_node(first)(values))
        except RowFault:
            return False
        return values.stood_in and not ABSOLUTE.match(text)

    def _check_service_of_path(self, step: HttpStep, *, perhaps: bool) -> None:
        service, environment = step.request.service, self._environment
        # A service that every row needs is reported together with all else that the environment lacks.
        if not environment.name or service in ("", *environment.services, *self._artifact.requires.services):
            return
        message = f"the environment `{environment.name}` has no service `{service}`"
        kind = "may be" if perhaps else "is"
        cause = f"the URL of step `{step.id}` begins with a value that {kind} a path of this service"
        hint = suggestion(service, environment.services) or "add it under `services` with a `base_url`"
        place = self._place_of(f"urls.{step.id}")
        report = self._problems.warning if perhaps else self._problems.error
        report("incompatible_environment", message, place, cause=cause, hint=hint)

    def _fault(self, request: RequestTemplate, hidden: str = "") -> RowFault | None:
        """Return why the URL cannot be requested with any value in place of the unknown ones and of `hidden`."""
        fault: RowFault | None = None
        for stand_in in _STAND_INS:
            values = self._known.with_stand_in(stand_in, hidden)
            try:
                url = compile_url(request.path, lambda values: self._base(request.service, values), None, masked=False)
                parse_target(url(values))
            except RowFault as found:
                fault = fault or found
            except ExchangeError as error:
                # Whether a host may be called is decided where the request is sent.
                if error.kind is FailureKind.BLOCKED:
                    return None
                fault = fault or RowFault(error.kind.value, error.message)
            else:
                return None
        return fault

    def _fault_of_base(self, service: str) -> RowFault | None:
        try:
            self._base(service, self._known.with_stand_in(_STAND_INS[0]))
        except RowFault as fault:
            return fault if fault.code != "missing_base_url" else None
        return None

    def _base(self, service: str, values: Values) -> str:
        found = self._environment.services.get(service)
        if found is None:
            raise RowFault("missing_base_url", f"the environment has no base URL for the service `{service}`")
        return base_url(to_text(compile_node(found.base_url)(values)))

    def _place(self, step: HttpStep) -> Position | None:
        """Return where the value that causes the fault is written, otherwise where the URL is."""
        labels = {str(reference): None for node in _nodes(step.request) for reference in references(node)}
        for label in labels:
            place = self._place_of(label)
            if place is None:
                continue
            without = self._fault(step.request, label)
            if without is None or without.code == "missing_base_url":
                return place
        return self._place_of(f"urls.{step.id}")


class _Known:
    """What is known about a run before any row is read."""

    def __init__(
        self,
        artifact: Artifact,
        environment: Environment,
        given: Mapping[str, InputValue],
        me: Mapping[str, str],
        unknown: frozenset[str],
    ) -> None:
        declared: Iterable[Input | Variable] = (*artifact.inputs, *artifact.variables)
        self._declared = {entry.name: entry for entry in declared}
        self._environment = environment
        self._given = given
        self._me = me
        self._unknown = unknown

    def with_stand_in(self, stand_in: str, hidden: str = "") -> _Values:
        """Return the values, with `stand_in` for those that are not known and for the reference `hidden`."""
        return _Values(self, stand_in, hidden)

    def definitions(self, reference: Reference) -> Iterator[tuple[Node, tuple[str | int, ...]]]:
        """Yield what may define the value, highest precedence first, each with the path of the value within it."""
        name, path = reference.name, reference.path
        if reference.namespace is Namespace.ENV:
            node = environment_node(self._environment, ".".join([name, *map(str, path)]))
            if node is not None:
                yield node, path if name in self._environment.values else path[1:]
            return
        entry = self._declared.get(name)
        if entry is None or name in self._unknown:
            return
        yield from ((node, path) for node, _ in sources(entry, self._given))

    def of_person(self, name: str) -> str | None:
        """Return the value of `me.NAME`; None if it is not set."""
        return self._me.get(name)


class _Values:
    """Values for one URL. `stood_in` says whether a value that is not known was read."""

    def __init__(self, known: _Known, stand_in: str, hidden: str) -> None:
        self.resolved: dict[str, Resolved] = {}
        self.stood_in = False
        self._known = known
        self._stand_in = stand_in
        self._hidden = hidden
        self._open: set[str] = set()

    def resolve(self, reference: AnyReference, label: str = "") -> Resolved:
        """Return the value if it is known, otherwise its stand-in."""
        label = label or str(reference)
        value: JsonValue = None
        if label not in self._open and label != self._hidden and isinstance(reference, Reference):
            self._open.add(label)
            value = self._known_value(reference)
            self._open.discard(label)
        if value is None:
            self.stood_in = True
            value = self._stand_in
        return Resolved(value, value)

    def _known_value(self, reference: Reference) -> JsonValue:
        if reference.namespace is Namespace.ME:
            return self._known.of_person(reference.name)
        if reference.namespace in (Namespace.ENV, Namespace.INPUTS, Namespace.VARIABLES):
            for node, path in self._known.definitions(reference):
                value = walk(compile_node(node)(self), path)
                if value is not UNSET:
                    return value
        return None


def _is_compiled(request: RequestTemplate) -> bool:
    """Whether every part of the URL was compiled; the compiler has reported those that were not."""
    return all(node is not NULL for node in _nodes(request))


def _nodes(request: RequestTemplate) -> list[Node]:
    return [piece for piece in request.path if not isinstance(piece, str)]
