"""Makes `python -m reqflo_ray` the same as `reqflo-ray`. It must contain nothing else."""

import sys

from reqflo_ray._internal.cli.door import main

if __name__ == "__main__":
    sys.exit(main())
