"""`python -m tests.agents.quick_api`: the API, which begins its streams and keeps them alive twenty times as fast."""

import sys

import api.dispatch.pump
from api.process import main

if __name__ == "__main__":
    api.dispatch.pump.HEARTBEAT /= 20
    api.dispatch.pump.VERDICT /= 20
    sys.exit(main())
