"""Machines are killed and unplugged at random moments, and brought back. It does not know what they run."""

import random
import time
from collections.abc import Sequence

from tests.machines.site import Machine, Site

#: Seconds that pass between a strike and the next one, at most: one of these.
_PAUSES = (0.3,)


class Havoc:
    """Call `strike` as often as you like, then `mend`. One machine of a site is always left."""

    def __init__(self, site: Site, chance: random.Random, pauses: Sequence[float] = _PAUSES) -> None:
        self._site = site
        self._chance = chance
        self._pauses = pauses
        self._unplugged: list[Machine] = []
        self.kills = self.unplugs = self.sleeps = 0
        self._asleep: list[Machine] = []

    def strike(self) -> None:
        """One machine fails, and the one that failed before is brought back."""
        time.sleep(self._chance.random() * self._chance.choice(self._pauses))
        self.mend()
        machine = self._chance.choice(self._site.machines)
        match self._chance.choice(("kill", "unplug", "sleep")):
            case "kill":
                machine.kill()
                machine.start()
                self.kills += 1
            case "unplug":
                there, back = self._chance.choice(((True, True), (True, False), (False, True)))
                machine.cable.cut(there=there, back=back)
                self._unplugged.append(machine)
                self.unplugs += 1
            case _:
                machine.fall_asleep()
                self._asleep.append(machine)
                self.sleeps += 1

    def mend(self) -> None:
        """Bring back what has failed."""
        for machine in self._unplugged:
            machine.cable.mend()
        for machine in self._asleep:
            machine.wake()
        self._unplugged, self._asleep = [], []
