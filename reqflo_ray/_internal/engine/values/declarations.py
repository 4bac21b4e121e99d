"""The precedence chain below the data row, as data: where the value of an input or variable is looked for."""

from __future__ import annotations

from collections.abc import Mapping

from reqflo_ray._internal.engine.values.conversion import ConversionError, convert
from reqflo_ray._internal.model.artifact import Input, Variable, VariableSource
from reqflo_ray._internal.model.plan import Environment, InputValue
from reqflo_ray._internal.model.values import Literal, Namespace, Node, Reference, ValueType


def sources(entry: Input | Variable, inputs: Mapping[str, InputValue]) -> list[tuple[Node, ValueType | None]]:
    """Return the sources of the value of `entry`, highest precedence first, each with the type to which its value still
    has to be converted: set for the run (`inputs`), the declaration's own source, its default, the environment."""
    found: list[tuple[Node, ValueType | None]] = []
    given = inputs.get(entry.name)
    if given is not None:
        # A literal was converted when the run was dispatched.
        found.append((given.node, None if isinstance(given.node, Literal) else entry.type))
    if isinstance(entry, Variable):
        if entry.source is VariableSource.ENVIRONMENT:
            name, *path = (entry.key or entry.name).split(".")
            found.append((Reference(Namespace.ENV, name, tuple(path)), entry.type))
        elif entry.source is VariableSource.ME:
            found.append((Reference(Namespace.ME, entry.key or entry.name), entry.type))
    if entry.default is not None:
        found.append(_default(entry.default, entry.type))
    found.append((Reference(Namespace.ENV, entry.name), entry.type))
    return found


def environment_node(environment: Environment, key: str) -> Node | None:
    """Return what `env.<key>` stands for, a value or a setting of a service; None if it does not exist."""
    if key in environment.values:
        return environment.values[key]
    name, _, rest = key.partition(".")
    if name in environment.values:
        return environment.values[name]
    service = environment.services.get(name)
    return service.config.get(rest.split(".", 1)[0]) if service and rest else None


def _default(node: Node, type: ValueType | None) -> tuple[Node, ValueType | None]:
    # The default of a `json` declaration may be written as JSON text or as the value itself, which may be any text.
    if type is ValueType.JSON and isinstance(node, Literal):
        try:
            return Literal(convert(node.value, type)), None
        except ConversionError:
            return node, None
    return node, type
