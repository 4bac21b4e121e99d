"""The pages of the command line: one for each command, from the commands themselves. Their words are theirs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from importlib import import_module
from typing import Any

import typer

from docs.generate.markdown import block, code, codes, page, table, text
from reqflo_ray._internal.cli.main import COMMANDS, PROGRAM, Entry, build_application


def pages() -> Mapping[str, str]:
    """Return an overview of the commands, and a page for each."""
    program: Any = typer.main.get_command(build_application({entry.name for entry in COMMANDS}))
    found = {f"cli/{entry.name}.md": _command(entry, program.commands[entry.name]) for entry in COMMANDS}
    return {"cli/index.md": _overview(program), **found}


def _overview(program: Any) -> str:
    parts = [text(program.help), block(f"{PROGRAM} COMMAND [OPTIONS] [ARGUMENTS]", "text")]
    for title in dict.fromkeys(entry.group.title for entry in COMMANDS):
        rows = [
            (f"[`{entry.name}`]({entry.name}.md)", text(entry.summary))
            for entry in COMMANDS
            if entry.group.title == title
        ]
        parts += [f"## {title}", table(("Command", "What it does"), rows)]
    options = [parameter for parameter in program.params if not getattr(parameter, "hidden", False)]
    parts += ["## Options of the program", _table("Option", map(_option, options))]
    parts += ["A command ends with one of the [exit codes](../exit-codes.md)."]
    return page("Command line", *parts)


def _command(entry: Entry, command: Any) -> str:
    module = import_module(entry.module)
    context = command.make_context(f"{PROGRAM} {entry.name}", [], resilient_parsing=True)
    usage = " ".join([f"{PROGRAM} {entry.name}", *command.collect_usage_pieces(context)])
    sections: dict[str, list[tuple[str, ...]]] = {}
    for parameter in command.params:
        if isinstance(parameter, typer.core.TyperArgument):
            sections.setdefault("Arguments", []).append(_argument(parameter))
        elif not parameter.hidden:
            sections.setdefault(parameter.rich_help_panel or "Options", []).append(_option(parameter))
    parts = [text(command.help), block(usage, "text")]
    for title, rows in sections.items():
        parts += [f"## {title}", _table("Argument" if title == "Arguments" else "Option", rows)]
    return page(f"{PROGRAM} {entry.name}", *parts, "## Examples", block(module.EXAMPLES, "sh"))


def _table(title: str, rows: Any) -> str:
    return table((title, "Value", "Default", "Environment variable", "Description"), rows)


def _argument(parameter: Any) -> tuple[str, ...]:
    name = parameter.metavar or parameter.name.upper()
    many = "one or more" if parameter.nargs == -1 else ""
    return (code(name), many, _default(parameter), codes(_variables(parameter)), text(parameter.help or ""))


def _option(parameter: Any) -> tuple[str, ...]:
    names = codes([*parameter.opts, *parameter.secondary_opts])
    least = "" if parameter.min is None else f", at least {parameter.min}"
    repeated = "; may be repeated" if parameter.multiple else ""
    value = "" if parameter.is_flag else codes(_values(parameter)) + least + repeated
    default = "" if parameter.is_flag else _default(parameter)
    return (names, value, default, codes(_variables(parameter)), text(parameter.help or ""))


def _values(parameter: Any) -> Iterator[str]:
    annotation = parameter.type_descriptor.annotation
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        yield from (str(member.value) for member in annotation)
    else:
        yield from (parameter.metavar or getattr(annotation, "__name__", "TEXT").upper()).split("|")


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    if isinstance(parameter.show_default, str):
        return text(parameter.show_default)
    default = parameter.default
    if default in (None, "", ()) or default is Ellipsis or isinstance(default, list):
        return ""
    return code(default.value if isinstance(default, Enum) else default)


def _variables(parameter: Any) -> list[str]:
    found = parameter.envvar or []
    return [found] if isinstance(found, str) else list(found)
