"""When a job will have ended: what it needs by what was learned, and what is before it."""

from jobs.eta.estimator import Estimator, Foreseen, can_be_foreseen
from jobs.eta.paces import ModelPaces, Paces
from jobs.eta.places import next_place
from jobs.eta.view import LOOK

__all__ = ["LOOK", "Estimator", "Foreseen", "ModelPaces", "Paces", "can_be_foreseen", "next_place"]
