"""The layout of `--help`: a sentence, options in groups, examples at the end. Plain text, so that it starts fast.

It must not know any command: the texts belong to the commands.
"""

from __future__ import annotations

from typing import Any

from typer.core import TyperArgument, TyperCommand, TyperGroup


class GroupedCommand(TyperCommand):
    """A command whose options are listed below the headings in their `rich_help_panel`; `epilog` lists examples."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return `[OPTIONS] RUN FORMAT=PATH...`, with brackets only around what is optional."""
        pieces = super().collect_usage_pieces(ctx)
        return [piece.replace("{", "").replace("}", "") for piece in pieces]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and options, group by group in the order of their first member."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            if isinstance(parameter, TyperArgument):
                sections.setdefault("Arguments", []).append((parameter.display_name_raw, parameter.help or ""))
                continue
            record = parameter.get_help_record(ctx)
            if record is not None:
                heading = getattr(parameter, "rich_help_panel", None) or "Options"
                sections.setdefault(heading, []).append(record)
        # `--help` and other options without a group come last.
        for heading in sorted(sections, key=lambda name: name == "Options"):
            with formatter.section(heading):
                formatter.write_dl(sections[heading])

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples line by line, without wrapping them."""
        if self.epilog:
            with formatter.section("Examples"):
                for line in self.epilog.strip().splitlines():
                    formatter.write(f"  {line}\n" if line else "\n")


class GroupedCommands(TyperGroup):
    """The program itself: its commands are listed below the headings in their `rich_help_panel`."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the commands, then the options of the program itself."""
        self.format_commands(ctx, formatter)
        options = [parameter.get_help_record(ctx) for parameter in self.get_params(ctx)]
        with formatter.section("Options"):
            formatter.write_dl([record for record in options if record is not None])

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the epilog line by line, without wrapping it."""
        formatter.write(f"\n{self.epilog}\n")

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands with their one-line summaries."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, command in self.commands.items():
            heading = getattr(command, "rich_help_panel", None) or "Commands"
            sections.setdefault(heading, []).append((name, command.short_help or ""))
        for heading, rows in sections.items():
            with formatter.section(heading):
                formatter.write_dl(rows)
