"""What the README of the contracts shows a subscriber is true."""

import re

import pytest

from contracts.topics import TOPICS
from tests.contract.catalogue import HERE

TEXT = (HERE / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS)
def test_the_code_for_a_subscriber_is_python(block: str) -> None:
    compile(block, "README.md", "exec")


def test_the_table_lists_every_topic_with_its_keys_and_no_other() -> None:
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| (.*?) \|", TEXT, re.MULTILINE))
    assert rows.keys() == TOPICS.keys()
    for name, keys in rows.items():
        assert set(re.findall(r"`([a-z-]+):", keys)) == {fact.prefix for fact in TOPICS[name].facts}


def test_the_types_that_the_examples_wait_for_exist() -> None:
    wanted = set(re.findall(r'fact\["type"\] == "(.*?)"', TEXT))
    assert wanted
    assert wanted <= {fact.type for topic in TOPICS.values() for fact in topic.facts}
