"""The one request that aiokafka lacks: AlterUserScramCredentials, version 0, as Kafka's protocol has it."""

from collections.abc import Sequence
from typing import Any

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    CompactArray,
    CompactBytes,
    CompactString,
    Int8,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

SHA_512 = 2
_TEXT = CompactString("utf-8")


class AlterScramResponse_v0(Response):  # type: ignore[misc]  # noqa: N801 named as aiokafka names them
    """What became of each user."""

    API_KEY = 51
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "results",
            CompactArray(("user", _TEXT), ("code", Int16), ("message", _TEXT), ("tags", TaggedFields)),
        ),
        ("tags", TaggedFields),
    )


class AlterScramRequest_v0(RequestStruct):  # type: ignore[misc]  # noqa: N801 named as aiokafka names them
    """Users to be forgotten, and users with the salt and the salted password that they are checked by."""

    FLEXIBLE_VERSION = True
    API_KEY = 51
    API_VERSION = 0
    RESPONSE_TYPE = AlterScramResponse_v0
    SCHEMA = Schema(
        ("deletions", CompactArray(("user", _TEXT), ("mechanism", Int8), ("tags", TaggedFields))),
        (
            "upsertions",
            CompactArray(
                ("user", _TEXT),
                ("mechanism", Int8),
                ("iterations", Int32),
                ("salt", CompactBytes),
                ("salted_password", CompactBytes),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class AlterScramRequest(Request[AlterScramRequest_v0]):  # type: ignore[misc]
    """Sets SHA-512 credentials, each as user, iterations, salt and salted password."""

    API_KEY = 51

    def __init__(self, entries: Sequence[tuple[str, int, bytes, bytes]]) -> None:
        """Set these."""
        self._entries = entries

    def build(self, request_struct_class: Any) -> Any:
        """Return it in the version that the broker knows."""
        entries = [(user, SHA_512, *rest, {}) for user, *rest in self._entries]
        return request_struct_class([], entries, {})
