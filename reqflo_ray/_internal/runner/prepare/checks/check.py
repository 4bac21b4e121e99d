"""The run check: an artifact against all that a run will really use, before anything is sent.

All findings at once; errors block. What it settles (environment, given values, where secrets are) goes into the run
record as it is. It sends nothing and is told no secret value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from reqflo_ray._internal.compiler.authoring.workspace import HttpModel, RunnerModel
from reqflo_ray._internal.compiler.compile import Compilation
from reqflo_ray._internal.compiler.workspace.load import Workspace
from reqflo_ray._internal.compiler.yaml.problems import Problems
from reqflo_ray._internal.engine.values.conversion import ConversionError, convert
from reqflo_ray._internal.engine.values.expressions import to_text
from reqflo_ray._internal.errors import DefinitionError, Position, Problem, Severity
from reqflo_ray._internal.model.artifact import (
    Artifact,
    HttpStep,
    Input,
    RetryCause,
    SetVariableStep,
    Variable,
    VariableSource,
)
from reqflo_ray._internal.model.names import suggestion
from reqflo_ray._internal.model.plan import Environment, HttpSettings, InputValue, SecretReference
from reqflo_ray._internal.model.values import (
    JsonValue,
    Literal,
    Namespace,
    Node,
    Reference,
    ValueType,
)
from reqflo_ray._internal.runner.prepare.checks.growth import GrowthCheck
from reqflo_ray._internal.runner.prepare.checks.headers import check_headers
from reqflo_ray._internal.runner.prepare.checks.proxy import secrets_of_proxy, with_proxy
from reqflo_ray._internal.runner.prepare.checks.sources import (
    GivenValues,
    OuterValues,
    RunSelection,
    choose_environment,
    environment_keys,
    environment_node,
    reached,
    secret_reference,
)
from reqflo_ray._internal.runner.prepare.checks.text import references_in_text
from reqflo_ray._internal.secrets.forms import likeness
from reqflo_ray._internal.secrets.sources import SecretLook

__all__ = ["CheckedRun", "RunSelection", "check_run"]

SecretProbe = Callable[[SecretReference], SecretLook]
"""Looks at a secret from here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRun:
    """What the check found, and, where nothing blocks, what the run record takes from it.

    `row_required` are the inputs and variables that only a data row can supply: a row that lacks one cannot run.
    `runner` are the workspace's defaults for the flags of the same names.
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
) -> CheckedRun:
    """Check a run of `source`. A compilation gives problems their places; an artifact alone has none.

    Args:
        me: the identity of who runs, by key.
        look_at_secret: looks at a secret where workers will; None if that cannot be done from here.
    """
    artifact = source.artifact if isinstance(source, Compilation) else source
    places = source.places if isinstance(source, Compilation) else {}
    uses = source.uses if isinstance(source, Compilation) else {}
    return _Check(artifact, places, uses, workspace, selection, dict(me or {}), look_at_secret).run()


class _Check:
    def __init__(
        self,
        artifact: Artifact,
        places: Mapping[str, Position],
        uses: Mapping[str, Position],
        workspace: Workspace | None,
        selection: RunSelection,
        me: dict[str, str],
        look_at_secret: SecretProbe | None,
    ) -> None:
        self._artifact = artifact
        self._places = places
        self._uses = uses
        self._workspace = workspace
        self._selection = selection
        self._me = me
        self._look_at_secret = look_at_secret
        self._problems = Problems()
        self._values = OuterValues(self._problems)
        declared: list[Input | Variable] = [*artifact.inputs, *artifact.variables]
        self._declared = {entry.name: entry for entry in declared}
        self._assigned = frozenset(
            name for step in artifact.steps if isinstance(step, SetVariableStep) for name, _ in step.values
        )
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
        self._check_columns()
        row_required = self._check_declarations()
        self._check_me()
        self._check_unset_in_text()
        self._check_steps()
        self._check_hidden_values()
        places = {**self._uses, **self._values.places, **self._places}
        GrowthCheck(self._artifact, self._environment, self._given, places, self._problems).run()
        check_headers(self._artifact, self._environment, self._given, self._me, places, self._problems)
        http = self._http_settings(self._workspace.settings.http if self._workspace else HttpModel())
        secrets = self._secrets(http)
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
        """Every service and every key of the environment that a step needs must be there."""
        requires, environment = self._artifact.requires, self._environment
        if environment.insecure:
            message = f"the environment `{environment.name}` is insecure: no TLS certificate is verified"
            hint = "give the authority's certificate as `http.ca_file` instead"
            self._problems.warning("insecure_environment", message, None, hint=hint)
        wanted = [*requires.services, *requires.environment_keys]
        if not environment.name:
            if wanted:
                known = [definition.name for definition in self._workspace.environments] if self._workspace else []
                hint = f"choose one with `--env`; {suggestion('', known)}" if known else "define one in the workspace"
                message = f"the journey needs `{wanted[0]}` of an environment, and none is chosen"
                self._problems.error("incompatible_environment", message, None, hint=hint)
            return
        for service in requires.services:
            if service not in environment.services:
                message = f"the environment `{environment.name}` has no service `{service}`"
                hint = suggestion(service, environment.services) or "add it under `services` with a `base_url`"
                self._problems.error("incompatible_environment", message, None, hint=hint)
        inside = {str(reference).partition(".")[2]: str(reference) for reference in self._outer_references()}
        for key in (*requires.environment_keys, *(key for key, text in inside.items() if text.startswith("env."))):
            if environment_node(environment, key) is None:
                message = f"the environment `{environment.name}` has no `{key}`"
                hint = suggestion(key, environment_keys(environment)) or "add it under `values`"
                place = self._uses.get(f"env.{key}") or self._values.places.get(f"env.{key}")
                self._problems.error("incompatible_environment", message, place, hint=hint)

    def _check_columns(self) -> None:
        for column in self._selection.columns or ():
            if column in self._declared or column == self._selection.key:
                continue
            message = f"the journey declares no input or variable for the column `{column}`"
            hint = suggestion(column, set(self._declared) - self._columns)
            if self._selection.strict:
                self._problems.error("undeclared_column", message, None, hint=hint)
            else:
                self._problems.warning("undeclared_column", message, None, hint=hint)
        for name in self._selection.overrides:
            if name in self._columns:
                message = f"`--set {name}` is used only for rows that do not supply the column `{name}`"
                self._problems.warning("shadowed_set", message, None, hint="a data row wins over `--set`")

    def _check_declarations(self) -> frozenset[str]:
        """Required values that nothing supplies; returns those that only the row supplies."""
        row_required: set[str] = set()
        # A case or preset that could not be found would have given values: what is missing cannot be told.
        unknown = any(problem.code.startswith(("unknown_", "ambiguous_")) for problem in self._problems.all())
        for name, entry in self._declared.items():
            place = self._place_of(entry)
            self._check_default(entry, place)
            if not entry.required or self._has_source(entry) or name in self._assigned:
                continue
            if name in self._columns or self._selection.columns == ():
                row_required.add(name)
                continue
            if unknown:
                continue
            kind = "input" if isinstance(entry, Input) else "variable"
            message = f"the required {kind} `{name}` has no value from any source"
            hint = f"give it with `--set {name}=…`, a case, a preset, or a column `{name}`"
            self._problems.error("missing_required_value", message, place, hint=hint)
        return frozenset(row_required)

    def _check_default(self, entry: Input | Variable, place: Position | None) -> None:
        # The default of a `json` declaration is the value itself, which may be any text.
        if not isinstance(entry.default, Literal) or entry.type in (None, ValueType.JSON):
            return
        try:
            convert(entry.default.value, entry.type or ValueType.JSON)
        except ConversionError as wrong:
            cause = wrong.reason if entry.sensitive else str(wrong)
            message = f"the default of `{entry.name}` is not of its type `{entry.type}`"
            self._problems.error("wrong_type", message, place, cause=cause)

    def _has_source(self, entry: Input | Variable) -> bool:
        """Whether anything but a data row supplies a value."""
        if entry.name in self._given or entry.default is not None:
            return True
        if isinstance(entry, Variable):
            key = entry.key or entry.name
            if entry.source is VariableSource.ENVIRONMENT and environment_node(self._environment, key) is not None:
                return True
            if entry.source is VariableSource.ME and key in self._me:
                return True
        return entry.name in self._environment.values

    def _check_me(self) -> None:
        for key in self._artifact.requires.me_keys:
            if key not in self._me:
                message = f"nothing is known as `me.{key}`"
                hint = suggestion(key, self._me)
                self._problems.error("invalid_reference", message, self._uses.get(f"me.{key}"), hint=hint)

    def _check_unset_in_text(self) -> None:
        for step in self._artifact.steps:
            for reference in references_in_text(step):
                entry = self._declared.get(reference.name)
                if entry is None or entry.required or reference.name in self._columns:
                    continue
                if not self._has_source(entry) and reference.name not in self._assigned:
                    message = f"`{reference}` has no value, and step `{step.id}` uses it inside text"
                    hint = "the step will be an error: give it a value or a default"
                    self._problems.warning("unset_value", message, self._uses.get(str(reference)), hint=hint)

    def _check_steps(self) -> None:
        for step in self._artifact.steps:
            if not isinstance(step, HttpStep):
                continue
            place = self._places.get(f"steps.{step.id}")
            if step.retry.count and RetryCause.FAILED in step.retry.causes and step.idempotency is not None:
                message = f"step `{step.id}` retries failed assertions with the same idempotency key"
                hint = "the server may answer from its memory; consider `causes: [error]`"
                self._problems.warning("retry_with_key", message, place, hint=hint)

    def _secrets(self, http: HttpSettings) -> dict[str, SecretReference]:
        """Where each secret that the run may need is found, by name."""
        names = set(self._artifact.requires.secrets)
        names |= {reference.name for reference in self._outer_references() if reference.namespace is Namespace.SECRETS}
        names |= set(secrets_of_proxy(http))
        found: dict[str, SecretReference] = {}
        for name in sorted(names):
            reference = secret_reference(name, self._workspace, self._problems)
            found[name] = reference
            look = self._look_at_secret(reference) if self._look_at_secret else SecretLook()
            place = self._uses.get(f"secrets.{name}") or self._values.places.get(f"secrets.{name}")
            if look.reason is not None:
                message = f"the secret `{name}` cannot be used"
                self._problems.error("missing_secret", message, place, cause=look.reason)
            elif look.likeness:
                self._warn_of_common_value(f"the value of the secret `{name}`", look.likeness, place)
        return found

    def _check_hidden_values(self) -> None:
        """Values that are masked wherever they stand should stand nowhere else."""
        for name, entry in self._declared.items():
            node = self._given[name].node if name in self._given else entry.default
            if entry.sensitive and isinstance(node, Literal):
                self._check_hidden(name, f"the sensitive value of `{name}`", [node.value])
        for name, values in self._selection.sampled.items():
            self._check_hidden(name, f"a value in the sensitive column `{name}`", values)

    def _check_hidden(self, name: str, what: str, values: Iterable[JsonValue]) -> None:
        texts = {to_text(value) for value in values if isinstance(value, str | int | float | Decimal)}
        like = next((like for text in sorted(texts) if (like := likeness(text))), "")
        if like:
            self._warn_of_common_value(what, like, self._place_of(self._declared[name]))

    def _warn_of_common_value(self, what: str, like: str, place: Position | None) -> None:
        message = f"{what} looks like {like}"
        cause = "it is masked wherever it stands in requests and answers, also where it means something else"
        hint = "give a longer value that is not used elsewhere"
        self._problems.warning("common_value", message, place, cause=cause, hint=hint)

    def _outer_references(self) -> Iterator[Reference]:
        """What the used parts of the environment and the given values refer to."""
        environment = self._environment
        requires = self._artifact.requires
        nodes: list[Node] = [entry.node for entry in self._given.values()]
        nodes += [environment.services[name].base_url for name in requires.services if name in environment.services]
        keys = [*requires.environment_keys, *self._declared]
        keys += [entry.key for entry in self._artifact.variables if entry.source is VariableSource.ENVIRONMENT]
        nodes += [node for key in keys if (node := environment_node(environment, key)) is not None]
        return reached(environment, nodes)

    def _place_of(self, entry: Input | Variable) -> Position | None:
        return self._places.get(f"{'inputs' if isinstance(entry, Input) else 'variables'}.{entry.name}")

    def _http_settings(self, model: HttpModel) -> HttpSettings:
        settings = HttpSettings(
            engine=model.engine,
            connect_ms=model.connect_timeout,
            read_ms=model.read_timeout,
            total_ms=model.total_timeout,
            max_body_bytes=model.max_body_bytes,
            max_redirects=model.max_redirects,
            evidence_body_bytes=model.evidence_body_bytes,
            max_in_flight_per_host=model.max_in_flight_per_host or 0,
            allow_link_local=model.allow_link_local,
            verify=not self._environment.insecure,
            ca_file=model.ca_file,
            client_certificate=model.client_certificate,
            client_key=model.client_key,
            user_agent=model.user_agent,
        )
        return with_proxy(settings, self._workspace, self._environment.name, self._values, self._problems)
