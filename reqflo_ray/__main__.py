"""`python -m reqflo_ray` is `reqflo-ray`. It must hold nothing else."""

import sys

from reqflo_ray._internal.cli.door import main

if __name__ == "__main__":
    sys.exit(main())
