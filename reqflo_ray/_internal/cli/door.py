"""Where the program begins: with streams and signals in order, before anything is imported that takes time.

It must import nothing but that, or a Ctrl-C meanwhile would show a traceback.
"""

from reqflo_ray._internal.process import Ending, open_standard_streams


def main() -> int:
    """Run the command line of this process; returns its exit code."""
    open_standard_streams()
    return Ending().run(_run_command_line)


def _run_command_line() -> int:
    from reqflo_ray._internal.cli.main import main

    return main()
