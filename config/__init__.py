"""What every other package may import: the version, the settings and the logs. It imports none of them."""

VERSION = "0.1.0"
