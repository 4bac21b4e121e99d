"""The parts of the run check that read the environment, case, presets, `--set`, and secrets into the form that the run
record holds. Whether they suit the artifact is judged in `check`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from reqflo_ray._internal.compiler.authoring.environments import CaseModel, EnvironmentModel
from reqflo_ray._internal.compiler.authoring.settings import SecretNameModel, SecretsModel
from reqflo_ray._internal.compiler.values.expressions import Expression
from reqflo_ray._internal.compiler.values.nodes import Unresolved, ValueCompiler
from reqflo_ray._internal.compiler.workspace.load import Definition, Model, Workspace, lookup
from reqflo_ray._internal.compiler.yaml.problems import Problems
from reqflo_ray._internal.compiler.yaml.tree import YamlNode, YamlScalar, child, members, scalar_like
from reqflo_ray._internal.compiler.yaml.validation import Rest
from reqflo_ray._internal.engine.values.conversion import ConversionError, convert
from reqflo_ray._internal.engine.values.declarations import environment_node
from reqflo_ray._internal.errors import Position
from reqflo_ray._internal.model.artifact import Input, Variable
from reqflo_ray._internal.model.names import suggestion
from reqflo_ray._internal.model.plan import Environment, InputSource, InputValue, SecretReference, SecretSource, Service
from reqflo_ray._internal.model.values import JsonValue, Literal, Namespace, Node, Reference, references


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSelection:
    """What a run is to use. `environment` is None for the workspace's default. `columns` are those of the dataset: None
    without a dataset, () if only its rows show them. `key` is the column with the row keys. `sampled` holds values of
    some columns from the first rows. With `strict`, an undeclared column is an error."""

    environment: str | None = None
    case: str | None = None
    presets: tuple[str, ...] = ()
    overrides: Mapping[str, str] = field(default_factory=dict)
    columns: tuple[str, ...] | None = None
    sampled: Mapping[str, Sequence[JsonValue]] = field(default_factory=dict)
    key: str = ""
    strict: bool = False


class OuterValues:
    """Compiles values written outside a journey, which may refer only to secrets and to the environment.

    `places` maps each reference to where it is used; `written` maps each value to where it is written: `env.<key>`,
    `services.<name>` (its base URL), `inputs.<name>`, and `variables.<name>` (set by a case or preset).
    """

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._values = ValueCompiler(self._resolve, problems)
        self.places: dict[str, list[Position]] = {}
        self.written: dict[str, Position] = {}

    def compile(self, node: YamlNode) -> Node:
        """Return the compiled value; report what is wrong with it."""
        return self._values.value(node)

    def _resolve(self, expression: Expression, position: Position) -> Node:
        root, *rest = expression.segments
        if root not in (Namespace.ENV.value, Namespace.SECRETS.value):
            message = f"`{root}` cannot be used outside a journey"
            hint = "use `secrets` or `env`: environments, cases, and presets may refer to nothing else"
            self._problems.error("invalid_reference", message, position, hint=hint)
            raise Unresolved
        namespace = Namespace(root)
        if not rest or not isinstance(rest[0], str) or (namespace is Namespace.SECRETS and len(rest) > 1):
            hint = "write it as `secrets.NAME` or `env.NAME`"
            message = f"`{expression.written}` does not name a value"
            self._problems.error("invalid_reference", message, position, hint=hint)
            raise Unresolved
        reference = Reference(namespace, rest[0], tuple(rest[1:]))
        self.places.setdefault(str(reference), []).append(position)
        return reference


def choose_environment(
    workspace: Workspace | None, name: str | None, values: OuterValues, problems: Problems
) -> Environment | None:
    """Return the environment of that name (None: the workspace's default, if it has one); an empty one if none is
    chosen; None if the chosen one cannot be used, or if an invalid `reqflo.yaml` hides which one is chosen."""
    if workspace is None:
        if name:
            message = f"the environment `{name}` cannot be found without a workspace"
            problems.error("unknown_environment", message, None, hint="set the workspace with `--workspace`")
            return None
        return Environment()
    wanted = workspace.settings.defaults.environment if name is None else name
    if not wanted:
        return Environment() if workspace.settings_are_whole or name is not None else None
    is_unread = workspace.is_incomplete
    definition = lookup(workspace.environments, wanted, "environment", problems, may_be_unread=is_unread)
    if definition is None:
        for broken in workspace.environments:
            if broken.name == wanted and broken.rest is not None:
                _environment(broken.rest.node, broken.rest.model, values)  # its valid parts can still be checked
        return None
    assert definition.model is not None
    return _environment(definition.node, definition.model, values)


def _environment(written: YamlNode, model: EnvironmentModel, values: OuterValues) -> Environment:
    for key, value in members(child(written, "values")):
        values.written[f"env.{key.value}"] = value.position
    for key, node in members(child(written, "services")):
        values.written[f"services.{key.value}"] = (child(node, "base_url") or node).position
    services = {
        key.value: Service(
            base_url=values.compile(base_url) if (base_url := child(node, "base_url")) is not None else Literal(""),
            config={inner.value: values.compile(value) for inner, value in members(child(node, "config"))},
        )
        for key, node in members(child(written, "services"))
    }
    own = {key.value: values.compile(value) for key, value in members(child(written, "values"))}
    return Environment(name=model.name, services=services, values=own, insecure=model.insecure)


class GivenValues:
    """The values for the whole run, by name of input or variable; the source of the highest precedence wins."""

    def __init__(
        self, declared: Mapping[str, Input | Variable], journey: str, values: OuterValues, problems: Problems
    ) -> None:
        self._declared = declared
        self._journey = journey
        self._values = values
        self._problems = problems
        self._given: dict[str, InputValue] = {}
        self.is_whole = True
        """Whether every source of values exists and is valid."""

    def collect(self, workspace: Workspace | None, selection: RunSelection) -> dict[str, InputValue]:
        """Return the values of the case's presets, the chosen presets, the case, and `--set`; later ones win."""
        case = self._case(workspace, selection.case)
        listed = case.model.presets if case else ()
        names = child(case.node, "presets") if case else None
        # A preset that is named twice counts only in its last place.
        for name in reversed(dict.fromkeys(reversed((*listed, *selection.presets)))):
            at = names if name not in selection.presets else None
            self._preset(workspace, name, at)
        if case is not None:
            self._take(child(case.node, "values"), InputSource.CASE, case.model.name)
        for name, text in selection.overrides.items():
            self._set(name, text)
        return self._given

    def _case(self, workspace: Workspace | None, name: str | None) -> Rest[CaseModel] | None:
        if name is None:
            return None
        cases = workspace.cases if workspace else []
        own = [case for case in cases if case.model is None or case.model.journey == self._journey]
        others = [case.model.journey for case in cases if case.model and case.name == name and case not in own]
        if others and name not in [case.name for case in own]:
            message = f"the case `{name}` is not for the journey `{self._journey}`"
            hint = f"choose another case, or run the journey `{others[0]}`, which the case is for"
            self._problems.error("unknown_case", message, None, hint=hint)
            self.is_whole = False
            return None
        return self._usable(own, name, "case", workspace)

    def _preset(self, workspace: Workspace | None, name: str, at: YamlNode | None) -> None:
        preset = self._usable(workspace.presets if workspace else [], name, "preset", workspace, at)
        if preset is not None:
            self._take(child(preset.node, "values"), InputSource.PRESET, name)

    def _usable(
        self,
        known: Sequence[Definition[Model]],
        name: str,
        kind: str,
        workspace: Workspace | None,
        at: YamlNode | None = None,
    ) -> Rest[Model] | None:
        """Report what is invalid in the case or preset of that name, and return the rest."""
        is_unread = workspace is not None and workspace.is_incomplete
        definition = lookup(known, name, kind, self._problems, at, may_be_unread=is_unread)
        if definition is not None:
            return definition.rest
        self.is_whole = False
        return next((one.rest for one in known if one.name == name and one.model is None), None)

    def _take(self, values: YamlNode | None, source: InputSource, name: str) -> None:
        for key, value in members(values):
            declared = self._declared.get(key.value)
            if declared is not None:
                namespace = "inputs" if isinstance(declared, Input) else "variables"
                self._values.written[f"{namespace}.{key.value}"] = value.position
                if declared.sensitive and isinstance(value, YamlScalar) and value.rewritten:
                    value = self._told_without_place(value, key.value)
                node = self._converted(self._values.compile(value), declared, value)
                self._given[key.value] = InputValue(node=node, source=source, source_name=name)
            elif source is InputSource.CASE:
                message = f"the journey `{self._journey}` declares no `{key.value}`; the value in the case is ignored"
                hint = suggestion(key.value, self._declared)
                self._problems.warning("undeclared_value", message, key, hint=hint)

    def _told_without_place(self, number: YamlScalar, name: str) -> YamlScalar:
        """Warn that a sensitive number is not sent as written, without its position, which would show it."""
        hint = "put it in quotes to send it as written"
        message = f"the value of `{name}` is a number, and is sent without its leading zeros or sign"
        self._problems.warning("rewritten_number", message, None, hint=hint)
        return scalar_like(number, number.value)

    def _set(self, name: str, text: str) -> None:
        declared = self._declared.get(name)
        if declared is None:
            message = f"`--set {name}`: the journey `{self._journey}` declares no input or variable `{name}`"
            hint = suggestion(name, self._declared) or "remove it: the journey declares none"
            self._problems.error("undeclared_value", message, None, hint=hint)
            return
        node = self._converted(Literal(text), declared, None)
        self._given[name] = InputValue(node=node, source=InputSource.SET)

    def _converted(self, node: Node, declared: Input | Variable, at: YamlNode | None) -> Node:
        if not isinstance(node, Literal) or declared.type is None:
            return node
        try:
            return Literal(convert(node.value, declared.type))
        except ConversionError as wrong:
            cause = wrong.reason if declared.sensitive else str(wrong)
            where = "" if at is not None else "`--set`: "
            message = f"{where}the value of `{declared.name}` does not match its type `{declared.type}`"
            self._problems.error("wrong_type", message, at if not declared.sensitive else None, cause=cause)
            return node


def environment_keys(environment: Environment) -> list[str]:
    """Return every name that may follow `env.`."""
    config = [f"{name}.{key}" for name, service in environment.services.items() for key in service.config]
    return [*environment.values, *config]


def reached(environment: Environment, nodes: Iterable[Node]) -> Iterator[Reference]:
    """Yield the references in `nodes`, and those that they lead to in the environment."""
    waiting = [reference for node in nodes for reference in references(node)]
    seen: set[str] = set()
    while waiting:
        reference = waiting.pop()
        if not isinstance(reference, Reference) or str(reference) in seen:
            continue
        seen.add(str(reference))
        yield reference
        if reference.namespace is Namespace.ENV:
            node = environment_node(environment, str(reference).partition(".")[2])
            waiting.extend(references(node) if node is not None else ())


def secret_reference(name: str, workspace: Workspace | None, problems: Problems) -> SecretReference:
    """Return where workers read the secret `name`, and which hosts may receive it."""
    settings = workspace.settings.secrets if workspace else SecretsModel()
    own = settings.names.get(name, SecretNameModel())
    version = ""
    match settings.source:
        case SecretSource.ENV:
            key = own.env or name
        case SecretSource.FILE:
            root = workspace.root.as_posix() if workspace else "."
            folder = settings.folder if settings.folder.startswith("/") else f"{root}/{settings.folder}"
            key = f"{folder.rstrip('/')}/{own.file or name}"
            if not settings.folder:
                hint = "set `secrets.folder` in `reqflo.yaml`"
                problems.error("missing_secret", "the folder of the secret files is not set", None, hint=hint)
        case SecretSource.GCP:
            version = own.version
            key = own.secret if own.secret.startswith("projects/") else ""
            key = key or f"projects/{settings.project}/secrets/{own.secret or name}"
            if not settings.project and not own.secret.startswith("projects/"):
                hint = "set `secrets.gcp.project` in `reqflo.yaml`"
                problems.error("missing_secret", "the Google Cloud project of the secrets is not set", None, hint=hint)
    return SecretReference(name=name, source=settings.source, key=key, version=version, hosts=own.hosts)
