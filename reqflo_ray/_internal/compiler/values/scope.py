"""Resolves names inside one journey: inputs, variables, steps, and the namespaces of the run.

It records every use of a name in a ledger, with its place and its reader. Whether the order of steps allows the use is
checked later, when all steps are known.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Final

from reqflo_ray._internal.compiler.values.expressions import Expression, path_text
from reqflo_ray._internal.compiler.values.nodes import Resolver, Unresolved
from reqflo_ray._internal.compiler.yaml.problems import Problems
from reqflo_ray._internal.compiler.yaml.tree import YamlNode
from reqflo_ray._internal.errors import Position
from reqflo_ray._internal.model.artifact import CaptureRoot
from reqflo_ray._internal.model.names import suggestion
from reqflo_ray._internal.model.values import Namespace, Node, Reference, StepReference

_ROOTS: Final = ("inputs", "variables", "steps", "env", "secrets", "me", "run", "row")
_STEP_PARTS: Final = tuple(root.value for root in CaptureRoot)


@dataclass(frozen=True, slots=True)
class Use:
    """One place where a value is read.

    `root` and `path` say which part of a step is read, as in `Capture`. `is_expected`: an assertion reads it;
    `is_whole`: the expression is the whole text.
    """

    reference: Reference | StepReference
    position: Position
    root: CaptureRoot | None = None
    path: tuple[str | int, ...] = ()
    is_expected: bool = False
    is_whole: bool = False


@dataclass(slots=True)
class Ledger:
    """The values that each reader reads. A reader is `steps.<id>`, `inputs.<name>` or `variables.<name>`."""

    uses: dict[str, list[Use]] = field(default_factory=lambda: defaultdict(list))


@dataclass(slots=True, kw_only=True)
class StepHead:
    """The facts about a step that other steps can refer to.

    `id` is unique in the artifact; `inner` is the scope of a sub-journey. Nothing is known of a `broken` step, and not
    everything of a `partial` one; both are reported.
    """

    id: str
    name: str
    type: str
    node: YamlNode
    outputs: tuple[str, ...] = ()
    broken: bool = False
    partial: bool = False
    inner: JourneyScope | None = None


@dataclass(slots=True, kw_only=True)
class JourneyScope:
    """The names of one journey; some may be unknown if it is `partial`.

    `prefix` is "" for the journey itself and `<step id>.` for one that a step runs. The inputs of the latter are
    variables of the artifact, because the step supplies them.
    """

    prefix: str
    problems: Problems
    ledger: Ledger
    inputs: frozenset[str] = frozenset()
    variables: frozenset[str] = frozenset()
    partial: bool = False
    steps: dict[str, StepHead] = field(default_factory=dict)

    def resolver(self, reader: str, *, is_expected: bool = False) -> Resolver:
        """Return a resolver for the expressions of `reader`, or of its assertions if `is_expected`.

        It raises `Unresolved` after reporting an error.
        """

        def resolve(expression: Expression, position: Position) -> Node:
            use = self._use(expression, position)
            if is_expected or expression.is_whole:
                use = replace(use, is_expected=is_expected, is_whole=expression.is_whole)
            self.ledger.uses[reader].append(use)
            return use.reference

        return resolve

    def _use(self, expression: Expression, position: Position) -> Use:
        root, *rest = expression.segments
        match root:
            case "inputs":
                return self._declared(rest, position, self.inputs, Namespace.INPUTS)
            case "variables":
                return self._declared(rest, position, self.variables, Namespace.VARIABLES)
            case "steps":
                return self._step(rest, position)
            case "env":
                name = self._name(rest, position, "env.region` or `env.orders-api.version")
                return Use(Reference(Namespace.ENV, name, tuple(rest[1:])), position)
            case "secrets":
                return Use(Reference(Namespace.SECRETS, self._only(rest, position, "secrets.NAME")), position)
            case "me":
                return Use(Reference(Namespace.ME, self._only(rest, position, "me.user")), position)
            case "run" if rest == ["id"]:
                return Use(Reference(Namespace.RUN, "id"), position)
            case "row" if rest in (["index"], ["key"]):
                return Use(Reference(Namespace.ROW, str(rest[0])), position)
            case "run" | "row":
                hint = "use `run.id`, `row.index`, or `row.key`"
                raise self._wrong(f"`{path_text(expression.segments)}` does not exist", position, hint)
            case "values":
                hint = "use `inputs`, `variables`, `steps`, `env`, or `secrets` here"
                raise self._wrong("`values` is available only in request templates", position, hint)
        raise self._wrong(f"`{root}` is not a source of values", position, suggestion(str(root), _ROOTS))

    def _declared(self, rest: list[str | int], position: Position, names: frozenset[str], namespace: Namespace) -> Use:
        name = self._name(rest, position, f"{namespace.value}.name")
        if name not in names and self.partial and name not in self.inputs | self.variables:
            raise Unresolved  # it may be declared in the invalid part
        if name not in names:
            kind = namespace.value.removesuffix("s")
            other = "variable" if namespace is Namespace.INPUTS else "input"
            others = self.variables if namespace is Namespace.INPUTS else self.inputs
            hint = suggestion(name, names) or f"declare it under `{namespace.value}`"
            if name in others:
                hint = f"write `{other}s.{name}`: it is declared under `{other}s`"
            raise self._wrong(f"the journey declares no {kind} `{name}`", position, hint)
        if self.prefix:
            namespace, name = Namespace.VARIABLES, self.prefix + name
        return Use(Reference(namespace, name, tuple(rest[1:])), position)

    def _step(self, rest: list[str | int], position: Position) -> Use:
        name = self._name(rest, position, "steps.create.outputs.order_id")
        head = self._head(name, position)
        rest = rest[1:]
        while head.inner is not None and rest and rest[0] not in _STEP_PARTS:
            head = head.inner._head(str(rest[0]), position)
            rest = rest[1:]
        if head.broken:
            raise Unresolved
        if not rest or rest[0] not in _STEP_PARTS:
            shown = f"`{rest[0]}` of a step" if rest else "a whole step"
            hint = f"read `steps.{name}.outputs.<name>`, `.body`, `.headers.<name>`, or `.status`"
            raise self._wrong(f"{shown} cannot be read", position, hint)
        root, path = CaptureRoot(str(rest[0])), tuple(rest[1:])
        if head.inner is not None:
            head = self._inner_output(head, root, path, position)
        match root:
            case CaptureRoot.STATUS if path:
                raise self._wrong("`status` is a number and has no parts", position)
            case CaptureRoot.HEADERS if len(path) != 1 or not isinstance(path[0], str):
                raise self._wrong(
                    "`headers` must be followed by the name of one header", position, "write `headers.content-type`"
                )
            case CaptureRoot.HEADERS:
                path = (str(path[0]).lower(),)
            case CaptureRoot.OUTPUTS if head.partial and (not path or path[0] not in head.outputs):
                raise Unresolved  # it may be in the invalid part
            case CaptureRoot.OUTPUTS if not path or not isinstance(path[0], str):
                raise self._wrong(
                    "`outputs` must be followed by the name of an output", position, suggestion("", head.outputs)
                )
        return Use(StepReference(head.id, path_text((root.value, *path))), position, root, path)

    def _head(self, name: str, position: Position) -> StepHead:
        """Find a step by its ID, or else by a name that only one step has."""
        if name in self.steps:
            return self.steps[name]
        named = [head for head in self.steps.values() if head.name == name]
        if len(named) == 1:
            short = named[0].id.removeprefix(self.prefix)
            message = f"`{name}` is the `name` of a step, which may change"
            self.problems.warning("step_by_name", message, position, hint=f"write `steps.{short}`, with its `id`")
            return named[0]
        message = f"there is no step `{name}`"
        self.problems.error("unresolved_step_output", message, position, hint=suggestion(name, self.steps))
        raise Unresolved

    def _inner_output(
        self, head: StepHead, root: CaptureRoot, path: tuple[str | int, ...], position: Position
    ) -> StepHead:
        """Return the step of a sub-journey that has the requested output."""
        heads = head.inner.steps.values() if head.inner else ()
        if root is not CaptureRoot.OUTPUTS or not path:
            hint = f"name one of its steps: `steps.{head.id}.<step>.{root.value}`"
            raise self._wrong("a sub-journey has no response of its own", position, hint)
        owners = [inner for inner in heads if path[0] in inner.outputs]
        if len(owners) == 1:
            return owners[0]
        if owners:
            hint = f"name one of them: `steps.{owners[-1].id}.outputs.{path[0]}`"
            raise self._wrong(f"several steps of `{head.id}` have an output `{path[0]}`", position, hint)
        known = [name for inner in heads for name in inner.outputs]
        message = f"the sub-journey `{head.id}` has no output `{path[0]}`"
        self.problems.error("unresolved_step_output", message, position, hint=suggestion(str(path[0]), known))
        raise Unresolved

    def _name(self, rest: list[str | int], position: Position, example: str) -> str:
        if not rest or not isinstance(rest[0], str):
            raise self._wrong("the name is missing", position, f"add it, for example `{example}`")
        return rest[0]

    def _only(self, rest: list[str | int], position: Position, example: str) -> str:
        name = self._name(rest, position, example)
        if len(rest) > 1:
            raise self._wrong(f"`{name}` is text and has no parts", position, f"write only the name, as in `{example}`")
        return name

    def _wrong(self, message: str, position: Position, hint: str = "") -> Unresolved:
        self.problems.error("invalid_reference", message, position, hint=hint)
        return Unresolved()
