"""Types that several requests share. Strict: JSON's own types, without coercion, infinities or NaN."""

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

#: The largest number that every engine can count to.
MAX_COUNT = 2**31 - 1

Count = Annotated[int, Field(ge=1, le=MAX_COUNT)]
Penalty = Annotated[float, Field(ge=-2, le=2)]
Probability = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]


class RequestModel(BaseModel):
    """A request body. Fields that it does not know are ignored; `api/body.py` names them to the client."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False, protected_namespaces=())

    #: Fields that clients send and that mean nothing here, and may.
    harmless: ClassVar[frozenset[str]] = frozenset()
