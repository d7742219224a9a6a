"""Words of people: where they may stand, so that they can be found and erased."""

import re
from typing import Annotated, NamedTuple

from pydantic import BaseModel

ERASED = "erased / 已删除"
"""What stands where a person's words were."""

_IDENTIFIER = re.compile(r"[0-9A-Za-z][0-9A-Za-z/_.:@#+-]*")


class Personal(NamedTuple):
    """Marks a field that holds a person's words."""


PersonalText = Annotated[str, Personal()]
"""What somebody wrote; only a private fact may hold it, and it can be erased without breaking the fact."""


def personal_fields(model: type[BaseModel]) -> frozenset[str]:
    """Return the names of the fields that hold a person's words."""
    fields = model.model_fields.items()
    return frozenset(name for name, field in fields if any(isinstance(m, Personal) for m in field.metadata))


def is_identifier(text: str) -> bool:
    """Tell whether a text could be an identifier; words in a sentence, and names in Chinese, are none."""
    return _IDENTIFIER.fullmatch(text) is not None


def shown(text: str) -> str:
    """Return an identifier as it is; of any other text a sign that something stood there."""
    return text if is_identifier(text) else "***"
