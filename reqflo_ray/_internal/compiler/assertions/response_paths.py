"""Normalizes the three ways of writing an output's path, and checks the syntax of JSONPaths (RFC 9535)."""

from __future__ import annotations

import re
from typing import Final

from reqflo_ray._internal.compiler.authoring.steps import OutputModel
from reqflo_ray._internal.compiler.yaml.problems import Problems
from reqflo_ray._internal.compiler.yaml.tree import YamlNode, nearest
from reqflo_ray._internal.model.artifact import CaptureRoot, Output
from reqflo_ray._internal.model.limits import MAX_EXPRESSION
from reqflo_ray._internal.model.names import suggestion

_PREFIX: Final = re.compile(r"\A(?:\$\.?)?(?:response(?=[.\[])\.?)?")
_ROOT: Final = re.compile(r"(body|headers|status)(?=$|[.\[])")
_HEADER: Final = re.compile(r"""\.([^\s\[\]'"]+)|\['([^']+)'\]|\["([^"]+)"\]""")
_ODD_NAME: Final = re.compile(r"""\.([^.\[\]'"\s]*[^\w.\[\]'"*\s][^.\[\]'"\s]*)""")
_HINT: Final = "write a path such as `$.body.order.id`, `headers.x-request-id`, or `status`"


def compile_outputs(models: tuple[OutputModel, ...], node: YamlNode, problems: Problems) -> tuple[Output, ...]:
    """Compile the outputs of the list at `node`, whose names must differ."""
    outputs: dict[str, Output] = {}
    for index, model in enumerate(models):
        item = nearest(node, (index,))
        if model.name in outputs:
            message = f"two outputs are named `{model.name}`"
            problems.error("duplicate_key", message, nearest(item, ("name",)))
        output = _compile_output(model, nearest(item, ("path",)), problems)
        if output is not None:
            outputs[model.name] = output
    return tuple(outputs.values())


def _compile_output(model: OutputModel, at: YamlNode, problems: Problems) -> Output | None:
    written = model.path.strip()
    rest = _PREFIX.sub("", written)
    root = _ROOT.match(rest)
    if root is None:
        name = re.split(r"[.\[]", rest, maxsplit=1)[0]
        hint = suggestion(name, [part.value for part in CaptureRoot if part is not CaptureRoot.OUTPUTS])
        message = f"the path of an output must begin with `body`, `headers`, or `status`, not `{name}`"
        problems.error("invalid_path", message, at, hint=hint if hint.startswith("did") else _HINT)
        return None
    part, below = CaptureRoot(root[1]), rest[root.end() :]
    path = ""
    if part is CaptureRoot.BODY:
        path = check_path(f"${below}", at, problems)
    elif part is CaptureRoot.HEADERS:
        header = _HEADER.fullmatch(below)
        if header is None:
            problems.error("invalid_path", "`headers` must be followed by the name of one header", at, hint=_HINT)
            return None
        path = next(group for group in header.groups() if group)
    elif below:
        problems.error("invalid_path", "`status` is a number and has no parts", at, hint=_HINT)
        return None
    return Output(name=model.name, root=part, path=path, required=model.required, sensitive=bool(model.sensitive))


def check_path(path: str, at: YamlNode, problems: Problems) -> str:
    """Return `path` after reporting it if it is not a JSONPath (RFC 9535)."""
    if not path:
        return path
    if len(path) > MAX_EXPRESSION:
        message = f"the path has more than {MAX_EXPRESSION:,} characters"
        problems.error("journey_limit", message, at, hint="shorten it")
        return path
    import jsonpath_rfc9535

    try:
        jsonpath_rfc9535.compile(path)
    except jsonpath_rfc9535.JSONPathError as problem:
        hint = "begin it with `$`, which is the body: `$.order.id`" if not path.startswith("$") else ""
        if "{{" in path:
            hint = "remove the expression: a path cannot contain one"
        elif odd := _ODD_NAME.search(path):
            hint = f"write a name with characters other than letters, digits, and `_` as `['{odd[1]}']`"
        cause = str(problem).splitlines()[0][:200]
        problems.error("invalid_path", f"`{path}` is not a valid JSONPath", at, cause=cause, hint=hint)
    except RecursionError:
        problems.error(
            "journey_limit", "the JSONPath is nested too deeply", at, hint="split it into several assertions"
        )
    except (
        ArithmeticError,
        ValueError,
        TypeError,
        IndexError,
    ):  # the library raises these for numbers that are out of range
        problems.error(
            "invalid_path", f"`{path}` is not a valid JSONPath", at, cause="it contains a value that cannot be read"
        )
    return path
