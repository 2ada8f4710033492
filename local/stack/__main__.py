"""`python -m local.stack`, which `make run` calls."""

import sys

from local.stack.run import main

if __name__ == "__main__":
    sys.exit(main())
