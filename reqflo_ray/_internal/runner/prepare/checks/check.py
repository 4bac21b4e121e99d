"""The run check: judges an artifact together with everything that the run will use, before anything is sent.

It reports all findings together; errors block the run. What it settles (the environment, the values for the whole run,
the places of secrets) goes into the run record unchanged. It sends nothing and never holds the value of a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from reqflo_ray._internal.compiler.authoring.settings import RunnerModel
from reqflo_ray._internal.compiler.compile import Compilation
from reqflo_ray._internal.compiler.values.uses import Uses
from reqflo_ray._internal.compiler.workspace.load import Workspace
from reqflo_ray._internal.compiler.yaml.problems import Problems
from reqflo_ray._internal.engine.values.declarations import environment_node
from reqflo_ray._internal.engine.values.expressions import to_text
from reqflo_ray._internal.engine.values.supply import Supply
from reqflo_ray._internal.errors import DefinitionError, Position, Problem, Severity
from reqflo_ray._internal.model.artifact import (
    Artifact,
    HttpStep,
    Input,
    RetryCause,
    Variable,
    VariableSource,
)
from reqflo_ray._internal.model.limits import MAX_PROBLEMS
from reqflo_ray._internal.model.names import suggestion
from reqflo_ray._internal.model.plan import Environment, HttpSettings, InputValue, SecretReference
from reqflo_ray._internal.model.values import (
    JsonValue,
    Literal,
    Namespace,
    Node,
    Reference,
)
from reqflo_ray._internal.runner.prepare.checks.columns import undeclared_columns
from reqflo_ray._internal.runner.prepare.checks.declarations import DeclarationCheck
from reqflo_ray._internal.runner.prepare.checks.expectations import ExpectationCheck
from reqflo_ray._internal.runner.prepare.checks.exposure import warn_of_exposure
from reqflo_ray._internal.runner.prepare.checks.growth import GrowthCheck
from reqflo_ray._internal.runner.prepare.checks.headers import check_headers
from reqflo_ray._internal.runner.prepare.checks.http_settings import settle_http
from reqflo_ray._internal.runner.prepare.checks.proxy import secrets_of_proxy
from reqflo_ray._internal.runner.prepare.checks.sources import (
    GivenValues,
    OuterValues,
    RunSelection,
    choose_environment,
    environment_keys,
    reached,
    secret_reference,
)
from reqflo_ray._internal.runner.prepare.checks.urls import UrlCheck
from reqflo_ray._internal.secrets.forms import likeness
from reqflo_ray._internal.secrets.sources import SecretLook

__all__ = ["CheckedRun", "RunSelection", "check_run"]

SecretProbe = Callable[[SecretReference], SecretLook]
"""Reports whether a secret can be used from this machine, and what its value looks like."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRun:
    """The findings of the check and, if no error blocks the run, what the run record takes from it.

    `row_required` holds the inputs and variables that only a data row can supply: a row that lacks one cannot run.
    `runner` holds the workspace's defaults for the options of the same names.
    """

    problems: tuple[Problem, ...] = ()
    environment: Environment = field(default_factory=Environment)
    inputs: dict[str, InputValue] = field(default_factory=dict)
    http: HttpSettings = field(default_factory=HttpSettings)
    secrets: dict[str, SecretReference] = field(default_factory=dict)
    me: dict[str, str] = field(default_factory=dict)
    row_required: frozenset[str] = frozenset()
    runner: RunnerModel = field(default_factory=RunnerModel)

    @property
    def blocked(self) -> bool:
        """Whether any finding is an error."""
        return any(problem.severity is Severity.ERROR for problem in self.problems)

    def raise_errors(self) -> None:
        """Raise one `DefinitionError` with all findings if any of them blocks."""
        if self.blocked:
            raise DefinitionError.of(self.problems)


def check_run(
    source: Compilation | Artifact,
    workspace: Workspace | None,
    selection: RunSelection,
    *,
    me: Mapping[str, str] | None = None,
    look_at_secret: SecretProbe | None = None,
    sends_here: bool = True,
) -> CheckedRun:
    """Check a run of `source`. Findings have positions only if `source` is a compilation.

    Args:
        me: the values of `me`, by key.
        look_at_secret: looks at a secret where workers will read it; None if this machine cannot.
        sends_here: whether this machine sends the requests, so that what the HTTP settings name must be on it.

    Raises:
        DefinitionError: there are so many errors that the check stopped early.
    """
    artifact = source.artifact if isinstance(source, Compilation) else source
    places = source.places if isinstance(source, Compilation) else {}
    uses = source.uses if isinstance(source, Compilation) else Uses()
    return _Check(artifact, places, uses, workspace, selection, dict(me or {}), look_at_secret, sends_here).run()


class _Check:
    def __init__(
        self,
        artifact: Artifact,
        places: Mapping[str, Position],
        uses: Uses,
        workspace: Workspace | None,
        selection: RunSelection,
        me: dict[str, str],
        look_at_secret: SecretProbe | None,
        sends_here: bool,
    ) -> None:
        self._artifact = artifact
        self._places = places
        self._uses = uses
        self._workspace = workspace
        self._selection = selection
        self._me = me
        self._look_at_secret = look_at_secret
        self._sends_here = sends_here
        self._problems = Problems(MAX_PROBLEMS)
        self._values = OuterValues(self._problems)
        self._declared = {entry.name: entry for entry in artifact.declarations}
        self._columns = frozenset(selection.columns or ())
        self._environment = Environment()
        self._given: dict[str, InputValue] = {}

    def run(self) -> CheckedRun:
        environment = choose_environment(self._workspace, self._selection.environment, self._values, self._problems)
        self._environment = environment or Environment()
        given = GivenValues(self._declared, self._artifact.journey.name, self._values, self._problems)
        self._given = given.collect(self._workspace, self._selection)
        if environment is not None:
            self._check_environment()
        supply = self._supply = Supply(self._artifact, self._environment, self._given, self._me)
        self._check_columns()
        row_required = DeclarationCheck(
            self._artifact, supply, self._environment, self._me, self._workspace, self._problems
        ).run(
            self._selection.columns,
            self._places,
            self._uses,
            has_environment=environment is not None,
            has_given=given.is_whole,
        )
        sampled = self._selection.sampled
        ExpectationCheck(self._artifact, supply, self._given, self._columns, sampled, self._uses, self._problems).run(
            self._places, knows_sources=environment is not None and given.is_whole
        )
        self._check_steps()
        self._check_hidden_values()
        place_of = self._place_of_label if self._places else None
        GrowthCheck(self._artifact, self._environment, self._given, place_of, self._problems).run()
        check_headers(self._artifact, self._environment, self._given, self._me, self._place_of_label, self._problems)
        self._check_urls()
        http = settle_http(
            self._workspace, self._environment, self._values, self._problems, sends_here=self._sends_here
        )
        secrets = self._secrets(http)
        if self._workspace is None or self._workspace.settings_are_whole:
            warn_of_exposure(self._artifact, supply, secrets, self._uses, self._problems)
        return CheckedRun(
            problems=self._problems.all(),
            environment=self._environment,
            inputs=self._given,
            http=http,
            secrets=secrets,
            me=self._me,
            row_required=row_required,
            runner=self._workspace.settings.runner if self._workspace else RunnerModel(),
        )

    def _check_environment(self) -> None:
        """Report every service and every key that a step needs and the environment lacks."""
        requires, environment = self._artifact.requires, self._environment
        if environment.insecure:
            message = f"the environment `{environment.name}` is insecure: no TLS certificate is verified"
            hint = "set `http.ca_file` to the certificate of the authority, and remove `insecure`"
            self._problems.warning("insecure_environment", message, None, hint=hint)
        wanted = [*requires.services, *requires.environment_keys]
        if not environment.name:
            if wanted:
                known = [definition.name for definition in self._workspace.environments] if self._workspace else []
                hint = f"choose one with `--env`; {suggestion('', known)}" if known else "define one in the workspace"
                message = f"the journey needs `{wanted[0]}` from an environment, but none is chosen"
                self._problems.error("incompatible_environment", message, None, hint=hint)
            return
        for service in requires.services:
            if service not in environment.services:
                message = f"the environment `{environment.name}` has no service `{service}`"
                hint = suggestion(service, environment.services) or "add it under `services` with a `base_url`"
                for place in self._places_of_service(service):
                    self._problems.error("incompatible_environment", message, place, hint=hint)
        inside = {str(reference).partition(".")[2]: str(reference) for reference in self._outer_references()}
        for key in (*requires.environment_keys, *(key for key, text in inside.items() if text.startswith("env."))):
            if environment_node(environment, key) is None:
                message = f"the environment `{environment.name}` has no `{key}`"
                hint = suggestion(key, environment_keys(environment)) or "add it under `values`"
                for place in self._places_of(f"env.{key}"):
                    self._problems.error("incompatible_environment", message, place, hint=hint)

    def _check_columns(self) -> None:
        known = {*self._declared, self._selection.key}
        if unknown := [column for column in self._selection.columns or () if column not in known]:
            finding = undeclared_columns(unknown, set(self._declared) - self._columns)
            self._problems.add(finding if self._selection.strict else finding.as_warning())
        for name in self._selection.overrides:
            if name in self._columns:
                message = f"`--set {name}` is used only for rows that do not supply the column `{name}`"
                hint = f"remove the column to use `--set {name}` for every row"
                self._problems.warning("shadowed_set", message, None, hint=hint)

    def _check_steps(self) -> None:
        for step in self._artifact.steps:
            if not isinstance(step, HttpStep):
                continue
            place = self._places.get(f"steps.{step.id}")
            if step.retry.count and RetryCause.FAILED in step.retry.causes and step.idempotency is not None:
                message = f"step `{step.id}` retries failed assertions with the same idempotency key"
                cause = "the server may return the same response again, because it remembers the key"
                hint = "set `causes: [error]` to retry errors only"
                self._problems.warning("retry_with_key", message, place, cause=cause, hint=hint)

    def _check_urls(self) -> None:
        of_rows = set(self._declared) if self._selection.columns == () else self._columns
        UrlCheck(
            self._artifact,
            self._environment,
            self._given,
            self._me,
            frozenset({*of_rows, *self._supply.assigned}),
            lambda label: self._values.written.get(label) or self._place_of_label(label),
            self._problems,
        ).run()

    def _secrets(self, http: HttpSettings) -> dict[str, SecretReference]:
        """Return where each secret that the run may need is read, by name."""
        names = set(self._artifact.requires.secrets)
        names |= {reference.name for reference in self._outer_references() if reference.namespace is Namespace.SECRETS}
        names |= set(secrets_of_proxy(http))
        found: dict[str, SecretReference] = {}
        for name in sorted(names):
            reference = secret_reference(name, self._workspace, self._problems)
            found[name] = reference
            look = self._look_at_secret(reference) if self._look_at_secret else SecretLook()
            places = self._places_of(f"secrets.{name}")
            if look.reason is not None:
                for place in places:
                    message = f"the secret `{name}` cannot be used"
                    self._problems.error("missing_secret", message, place, cause=look.reason)
            elif look.likeness:
                self._warn_of_common_value(f"the value of the secret `{name}`", look.likeness, places[0])
        return found

    def _check_hidden_values(self) -> None:
        """Warn of masked values that are likely to occur with another meaning."""
        for name, entry in self._declared.items():
            node = self._given[name].node if name in self._given else entry.default
            if entry.sensitive and isinstance(node, Literal):
                self._check_hidden(name, f"the sensitive value of `{name}`", [node.value])
        for name in self._artifact.sensitive_names & self._selection.sampled.keys():
            values = self._selection.sampled[name]
            self._check_hidden(name, f"a value in the sensitive column `{name}`", values)

    def _check_hidden(self, name: str, what: str, values: Iterable[JsonValue]) -> None:
        texts = {to_text(value) for value in values if isinstance(value, str | int | float | Decimal)}
        like = next((like for text in sorted(texts) if (like := likeness(text))), "")
        if like:
            self._warn_of_common_value(what, like, self._place_of(self._declared[name]))

    def _warn_of_common_value(self, what: str, like: str, place: Position | None) -> None:
        message = f"{what} looks like {like}"
        cause = "it is masked everywhere in requests and responses, even where the same text means something else"
        hint = "use a longer value that occurs nowhere else"
        self._problems.warning("common_value", message, place, cause=cause, hint=hint)

    def _outer_references(self) -> Iterator[Reference]:
        """Return what the values for the whole run and the used parts of the environment refer to."""
        environment = self._environment
        requires = self._artifact.requires
        nodes: list[Node] = [entry.node for entry in self._given.values()]
        # A URL that may turn out to be a path does not require its service, but may use it.
        services = {step.request.service for step in self._artifact.steps if isinstance(step, HttpStep)}
        nodes += [environment.services[name].base_url for name in sorted(services) if name in environment.services]
        keys = [*requires.environment_keys, *self._declared]
        keys += [entry.key for entry in self._artifact.variables if entry.source is VariableSource.ENVIRONMENT]
        nodes += [node for key in keys if (node := environment_node(environment, key)) is not None]
        return reached(environment, nodes)

    def _place_of(self, entry: Input | Variable) -> Position | None:
        return self._places.get(f"{'inputs' if isinstance(entry, Input) else 'variables'}.{entry.name}")

    def _place_of_label(self, label: str) -> Position | None:
        """Return where a step or declaration is written, otherwise where a value is first read."""
        return self._places.get(label) or self._places_of(label)[0]

    def _places_of(self, reference: str) -> Sequence[Position | None]:
        """Return where a value is read, in the journey or in the values for the whole run; (None,) if unknown."""
        return (*self._uses.of(reference), *self._values.places.get(reference, ())) or (None,)

    def _places_of_service(self, service: str) -> Sequence[Position | None]:
        """Return the positions of the steps that send requests to the service; (None,) if unknown."""
        steps = [one.id for one in self._artifact.steps if isinstance(one, HttpStep) and one.request.service == service]
        return tuple(self._places.get(f"steps.{step}") for step in steps) or (None,)
