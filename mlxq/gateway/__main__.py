"""`python -m mlxq.gateway`: lets workers of other machines join, until it is told to stop."""

import sys

from mlxq.gateway.process import main

if __name__ == "__main__":
    sys.exit(main())
