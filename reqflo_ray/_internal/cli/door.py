"""The entry point of the program: sets up streams and signals before it imports anything that takes time.

It must import nothing else at module level: a Ctrl-C during an import would show a traceback.
"""

from reqflo_ray._internal.process import Ending, open_standard_streams


def main() -> int:
    """Run the command line of this process and return its exit code."""
    open_standard_streams()
    return Ending().run(_run_command_line)


def _run_command_line() -> int:
    from reqflo_ray._internal.cli.main import main

    return main()
