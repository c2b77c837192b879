"""The base of every model on the wire."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class WireModel(BaseModel):
    """What goes over the wire: camelCase there, snake_case here.

    Answers are written from ready data (``api.responses.JsonResponse``); these models
    document them, and a test holds the data to them.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="allow",
        use_attribute_docstrings=True,
    )


class IndexFacts(WireModel):
    """How fresh the search index is."""

    lag_ms: int | None
    """Age of the oldest change that is not searchable yet, in milliseconds; `null` when
    unknown."""
    generation: int | None
    """Number of the physical set of indexes that answered."""
    reached: bool | None = None
    """With `waitFor`: whether the index has what was waited for."""


class FreshnessToken(WireModel):
    """What `waitFor` takes."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"token": "AZ4QkFqy6Hc0q1_Vx0dpKlYAAAABx3f9u0Tk"}]
        }
    )

    token: str
    """Opaque; 36 characters that need no escaping in an address."""


class IndexReached(WireModel):
    """How fresh an answer is that MongoDB gave, present with `waitFor`."""

    reached: bool
    """Whether the index has what was waited for."""
