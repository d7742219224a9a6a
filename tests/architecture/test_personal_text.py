"""Where words of people may stand: in private facts, marked, so that they can be erased."""

from importlib import import_module

import pytest

from contracts.envelope import Fact, Model
from contracts.personal import PersonalText, personal_fields
from contracts.topics import TOPICS
from shared.state import KIT_FACTS

SERVICES = ("directory", "reporting", "reminders", "inspection", "scoring")
PRIVATE = [
    fact
    for service in SERVICES
    for fact in import_module(f"services.{service}.domain.model").FACTS.values()
    if fact.topic is None
]
NO_WORDS = {
    *("unit", "duty", "finding", "about", "owner", "fact", "schedule", "scheme"),
    *("kind", "root", "zone", "policy", "period", "occurrence", "month"),
    *("stream", "origin", "by", "ground", "order"),
}
"""The names under which identifiers, kinds and periods stand; anything else that is a text is words."""
BY_HAND = {("DeadLetter", name) for name in ("key_text", "value_base64", "reason")}
"""What ``shared.erasure`` empties itself, as it is not said by people but may quote them."""


def test_every_service_is_looked_at() -> None:
    producers = {name for topic in TOPICS.values() for name in topic.producers}
    assert producers <= set(SERVICES)


@pytest.mark.parametrize("fact", [*PRIVATE, *KIT_FACTS.values()], ids=lambda fact: fact.__name__)
def test_a_text_of_a_private_fact_is_an_identifier_or_is_marked_as_words_that_can_be_erased(
    fact: type[Fact],
) -> None:
    texts = {name for name, field in fact.model_fields.items() if field.annotation in (str, str | None)}
    identifiers = NO_WORDS | {"continues"}
    unmarked = texts - personal_fields(fact) - identifiers
    assert {(fact.__name__, name) for name in unmarked} <= BY_HAND


def test_inspection_has_words_of_people() -> None:
    found = {(fact.__name__, name) for fact in PRIVATE for name in personal_fields(fact)}
    described = {(name, "text") for name in ("FindingDescribed", "RectificationDescribed")}
    assert described | {("ReasonGiven", "reason")} <= found


def test_a_fact_that_is_published_cannot_have_words_of_people() -> None:
    with pytest.raises(TypeError, match="private facts only"):

        class Gossip(Fact, topic="duties", prefix="duty", key="duty"):
            duty: str
            what: PersonalText


def test_no_part_of_a_fact_can_hide_words_of_people() -> None:
    with pytest.raises(TypeError, match="private facts only"):

        class Part(Model):
            what: PersonalText
