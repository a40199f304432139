"""When a job will have ended: what it needs by what was learned, and what is before it."""

from jobs.eta.estimator import Estimator, Foreseen
from jobs.eta.paces import ModelPaces, Paces
from jobs.eta.places import next_place

__all__ = ["Estimator", "Foreseen", "ModelPaces", "Paces", "next_place"]
