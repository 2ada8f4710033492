"""`python -m config.local`, which `make run` calls."""

import sys

from config.local.run import main

if __name__ == "__main__":
    sys.exit(main())
