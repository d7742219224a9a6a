"""Facts in: what foreign systems wish to be watched, each as far as its token goes."""

from datetime import datetime
from functools import cached_property
from typing import Any

from contracts.duties_in import DutyBrought, DutyDone, DutyInFact
from contracts.envelope import Envelope, Fact
from contracts.personal import is_identifier, shown
from contracts.topics import PARTITIONS
from services.reporting.domain.foreign import FOREIGN, BringDuty, FinishDuty, Found, find, owner_of
from shared.access import Identity, InvalidTokenError, Verifier
from shared.consumer import NotYetError, UnauthenticatedError, UnreadableError
from shared.decider import Request
from shared.ids import partition_of
from shared.service import Service
from shared.state import Inbound

KIND = "duties:"
"""What a role begins with that grants duties of a kind."""
MAX_WISH_BYTES = 16 * 1024
"""What comes of a wish must still fit into a fact, however often its texts are repeated there."""


def book_of_duty(duty: str) -> int:
    """Return the book of a foreign duty, whichever way it came: the partition of its key on ``duties-in``."""
    return partition_of(f"{DutyInFact.prefix}:{duty}", PARTITIONS)


def kinds_of(caller: Identity) -> tuple[str, ...]:
    """Return the kinds of duties that a token grants."""
    return tuple(role.removeprefix(KIND) for role in caller.roles if role.startswith(KIND))


def is_tree_read(service: Service[Any], moment: datetime) -> bool:
    """Tell whether all that the directory decided before a moment is in the tree."""
    heard = service.heard.through_all("directory", PARTITIONS, "/zeren/directory")
    return heard is not None and heard > moment


class DutiesIn:
    """Turns the records of ``duties-in`` into what is asked of foreign duties."""

    def __init__(self, service: Service[Any]) -> None:
        self._service = service
        self._waits: dict[int, tuple[int, datetime]] = {}
        """Per partition the record that waits for the directory, and since when."""

    @cached_property
    def _verifier(self) -> Verifier:
        return Verifier(self._service.settings.public_key)

    def on_duty_in_event(self, envelope: Envelope, fact: Fact, record: Inbound) -> Request | None:
        """Return what a wish asks for; who cannot be its owner has no say on the duty's stream at all."""
        if not isinstance(fact, DutyBrought | DutyDone):
            return None
        if len(record.value) > MAX_WISH_BYTES:
            raise UnreadableError(f"larger than {MAX_WISH_BYTES} bytes")
        try:
            caller = self._verifier.identify(record.token)
        except InvalidTokenError as error:
            raise UnauthenticatedError(
                f"no valid token: {type(error.__cause__ or error).__name__}"
            ) from error
        if owner_of(fact.duty) != caller.sub:
            raise UnauthenticatedError(f"{shown(fact.duty)} is not the id of a duty of {caller.sub}")
        if not (is_identifier(envelope.id) and is_identifier(fact.unit)):
            # Both would be published, in a refusal or as the cause of a fact.
            raise UnreadableError("the event's id or the unit is no identifier")
        wish = self._wish(fact, caller, envelope.id, record)
        known_by = (f"{caller.sub}#{envelope.id}", 1)
        return Request(FOREIGN + fact.duty, wish, envelope.id, fact.duty, known_by)

    def _wish(
        self, fact: DutyBrought | DutyDone, caller: Identity, identity: str, record: Inbound
    ) -> BringDuty | FinishDuty:
        """Return the command.

        Raises:
            NotYetError: the tree lacks a unit, and may lack what the directory has decided meanwhile.
        """
        units, kinds = self._service.tree.units, kinds_of(caller)
        found = find(self._service.tree, fact.unit, caller.unit)
        recipient = not isinstance(fact, DutyBrought) or fact.recipient in units
        if found is Found.OUTSIDE or not recipient:
            self._wait(record)
        if isinstance(fact, DutyBrought):
            return BringDuty(fact, kinds, found, recipient, identity)
        return FinishDuty(fact.duty, fact.unit, kinds, found, fact.done_at, identity)

    def _wait(self, record: Inbound) -> None:
        """Raise unless the directory has said all that it decided before the record was first seen here."""
        offset, since = self._waits.get(record.partition, (-1, self._service.clock.now()))
        if offset != record.offset:
            since = self._service.clock.now()
        self._waits[record.partition] = (record.offset, since)
        if not is_tree_read(self._service, since):
            raise NotYetError
