"""`python -m tests.machines.next_gateway`: the gateway of a version with another protocol."""

import sys

from jobs import protocol
from mlxq.gateway.process import main

if __name__ == "__main__":
    protocol.PROTOCOL += 1
    sys.exit(main())
