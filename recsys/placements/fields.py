"""A model that, told of a field it does not have, lists those it has."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

# What the service takes as an id, see `fast_api_service.schemas`.
Id = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$")]


class KnownFields(BaseModel):
    """Base of what people write by hand. Immutable, since copies of it are shared."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _known(cls, given: Any) -> Any:
        unknown = sorted(set(given) - set(cls.model_fields)) if isinstance(given, dict) else []
        if unknown:
            raise PydanticCustomError(
                "unknown_field",
                "There is no field {unknown}",
                {
                    "unknown": ", ".join(map(repr, unknown[:5])),
                    "remedy": f"Choose from {', '.join(map(repr, cls.model_fields))}.",
                },
            )
        return given


def contradiction(message: str, remedy: str) -> PydanticCustomError:
    """For fields that are right one by one but not together."""
    return PydanticCustomError("contradiction", message, {"remedy": remedy})  # type: ignore[arg-type]
