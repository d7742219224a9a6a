"""A collection of documents in memory, as far as adapters and queries of views use one."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self

from pymongo.errors import BulkWriteError

from shared.mongo import DUPLICATE_KEY
from shared.store import Document


def matches(document: Mapping[str, Any], where: Mapping[str, Any]) -> bool:
    """Tell whether a document is what a query asks for, by dotted paths: equal, or as ``_WORDS`` have it."""
    return all(_holds(_at(document, path), wanted) for path, wanted in where.items())


def _at(document: Mapping[str, Any], path: str) -> Any:
    found: Any = document
    for name in path.split("."):
        found = found.get(name, {})
    return found


_WORDS: Mapping[str, Callable[[Any, Any], bool]] = {
    "$in": lambda value, values: value in values,
    "$nin": lambda value, values: value not in values,
    # Values of another kind, and those that are not there, are neither more nor less.
    "$gt": lambda value, least: type(value) is type(least) and value > least,
    "$lt": lambda value, most: type(value) is type(most) and value < most,
}


def _holds(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        return all(_WORDS[word](value, operand) for word, operand in wanted.items())
    return bool(value == wanted)


def sums(documents: Iterable[Document], by: str, fields: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return the sums of fields for each value of another field."""
    found: dict[str, dict[str, int]] = {}
    for document in documents:
        row = found.setdefault(_at(document, by), dict.fromkeys(fields, 0))
        for field in fields:
            row[field] += _at(document, field)
    return found


class MemoryCursor:
    """What a query found."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._documents = list(documents)

    def sort(self, field: str, direction: int) -> Self:
        """Put the documents in order."""
        self._documents.sort(key=lambda document: document[field], reverse=direction < 0)
        return self

    def limit(self, count: int) -> Self:
        """Keep the first documents."""
        del self._documents[count:]
        return self

    async def to_list(self, count: int) -> list[Document]:
        """Return the documents."""
        return self._documents[:count]


class MemoryCollection:
    """Documents by ``_id``; each can be inserted once."""

    def __init__(self) -> None:
        self.documents: dict[str, Document] = {}

    async def create_index(self, keys: Sequence[tuple[str, int]]) -> None:
        """Do nothing: everything is near."""

    async def insert_many(self, documents: Sequence[Document], *, ordered: bool) -> None:
        """Insert what is new; raise, as the driver does, if anything is not."""
        assert not ordered
        faults = []
        for n, document in enumerate(documents):
            if document["_id"] in self.documents:
                faults.append({"index": n, "code": DUPLICATE_KEY})
            else:
                self.documents[document["_id"]] = dict(document)
        if faults:
            raise BulkWriteError({"writeErrors": faults})

    def find(self, where: Mapping[str, Any]) -> MemoryCursor:
        """Return what a query finds."""
        return MemoryCursor([dict(one) for one in self.documents.values() if matches(one, where)])


def tallied(documents: Iterable[Document], by: str, least: str) -> dict[tuple[int, str], tuple[int, int]]:
    """Return how many documents each book has for each value of one field, and the least value of another."""
    found: dict[tuple[int, str], tuple[int, int]] = {}
    for document in documents:
        key, value = (document["book"], _at(document, by)), _at(document, least)
        count, smallest = found.get(key, (0, value))
        found[key] = count + 1, min(smallest, value)
    return found
