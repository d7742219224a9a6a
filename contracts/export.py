"""Write the JSON Schemas and the AsyncAPI document, or tell which of them have drifted from the classes.

A developer's tool, and the only module of this package that needs PyYAML; nothing at run time imports it.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from contracts.compatibility import CURRENT, RELEASED, screen
from contracts.envelope import MAX_FACT_BYTES, Envelope, Said, said_type
from contracts.topics import TOPICS, Topic

HERE = Path(__file__).parent
BINDING = "0.5.0"

Document = dict[str, Any]


def schema(model: type[BaseModel], name: str) -> Document:
    """Return the JSON Schema of a model as it stands in ``schemas/<name>.json``."""
    body = model.model_json_schema()
    for part in (body, *body.get("$defs", {}).values()):
        for field in part.get("properties", {}).values():
            field.pop("title", None)  # it only repeats the field's name
    if model is Envelope:  # CloudEvents requires it of a writer, we do not of a reader
        body["required"] = ["specversion", *body["required"]]
    return {"$schema": GenerateJsonSchema.schema_dialect, "$id": f"{name}.json", **body}


def schemas() -> dict[str, Document]:
    """Return every JSON Schema by its name: the envelope, each fact, and Said for each topic."""
    facts = {fact.type: schema(fact, fact.type) for topic in TOPICS.values() for fact in topic.facts}
    said = {said_type(name): schema(Said, said_type(name)) for name in TOPICS}
    return {"envelope": schema(Envelope, "envelope"), **facts, **said}


def _types(topic: Topic) -> list[str]:
    return [*(fact.type for fact in topic.facts), said_type(topic.name)]


def _retention(topic: Topic) -> str:
    kept = f"for {topic.retention.days} days" if topic.retention else "without end"
    return f"Kept {kept} unless the operator sets otherwise, and never compacted."


def _channel(address: str, topic: Topic, description: str, messages: list[str]) -> Document:
    return {
        "address": address,
        "description": description,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {
            "kafka": {"topic": address, "partitions": topic.partitions, "bindingVersion": BINDING},
        },
    }


def _channels() -> Iterator[tuple[str, Document]]:
    for topic in TOPICS.values():
        yield (
            topic.name,
            _channel(topic.name, topic, f"{topic.description} {_retention(topic)}", _types(topic)),
        )
        letters = f"What a consumer of {topic.name} could not read or apply, under the same key."
        yield topic.dead_letters, _channel(topic.dead_letters, topic, letters, ["dead-letter"])


def _operation(action: str, channel: str, summary: str, messages: list[str]) -> Document:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": summary,
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in messages],
    }


def _operations() -> Iterator[tuple[str, Document]]:
    for topic in TOPICS.values():
        for who in topic.producers:
            what = f"{who} says what it decided."
            yield f"{who}-says-{topic.name}", _operation("send", topic.name, what, _types(topic))
        for who in topic.consumers:
            what = f"{who} hears it."
            yield f"{who}-hears-{topic.name}", _operation("receive", topic.name, what, _types(topic))
            what, letters = f"{who} lays aside what it could not read or apply.", topic.dead_letters
            yield f"{who}-says-{letters}", _operation("send", letters, what, ["dead-letter"])


def _message(name: str, title: str, summary: str) -> Document:
    data = {"type": {"const": name}, "data": {"$ref": f"schemas/{name}.json"}}
    message = {
        "name": name,
        "title": title,
        "summary": summary,
        "payload": {"allOf": [{"$ref": "schemas/envelope.json"}, {"type": "object", "properties": data}]},
    }
    if title == Said.__name__:
        return message
    key = {"type": "string", "description": "the envelope's subject"}
    message |= {"bindings": {"kafka": {"key": key, "bindingVersion": BINDING}}}
    if TOPICS[name.partition(".")[0]].producers:
        return message
    bearer = {"type": "string", "description": "Bearer <token>, of the owner of the duty"}
    headers = {"type": "object", "properties": {"authorization": bearer}, "required": ["authorization"]}
    return {**message, "headers": headers}


def _messages() -> Iterator[tuple[str, Document]]:
    for name, body in schemas().items():
        if name != "envelope":
            yield name, _message(name, body["title"], body["description"].split("\n")[0])
    reason = {"type": "string", "description": "why it was laid aside"}
    yield (
        "dead-letter",
        {
            "name": "dead-letter",
            "title": "DeadLetter",
            "summary": "A fact of ours as it came, byte for byte; of anything else nothing but the reason.",
            "headers": {"type": "object", "properties": {"dlq-reason": reason}, "required": ["dlq-reason"]},
            "contentType": "application/octet-stream",
        },
    )


def asyncapi() -> Document:
    """Return the AsyncAPI document of all topics."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Zeren",
            "version": "1.0.0",
            "description": (
                "Duties that somebody owes by a moment, and the facts of what became of them. "
                "Every value is a CloudEvents 1.0 envelope in structured JSON "
                f"of at most {MAX_FACT_BYTES} bytes; only records that foreign systems bring bear a header. "
                "The partition is murmur2 of the key, except for Said, which is on every partition."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": dict(_channels()),
        "operations": dict(_operations()),
        "components": {"messages": dict(_messages())},
    }


def files() -> dict[Path, str]:
    """Return the text of every generated file by its path below this package."""
    texts = {
        Path("schemas", f"{name}.json"): json.dumps(body, ensure_ascii=False, indent=2) + "\n"
        for name, body in schemas().items()
    }
    head = "# Generated by `make contracts`; never edited by hand.\n"
    texts[Path("asyncapi.yaml")] = head + yaml.safe_dump(
        asyncapi(), sort_keys=False, allow_unicode=True, width=110
    )
    return texts


def drifted(root: Path = HERE) -> list[Path]:
    """Return each generated file that is missing, differs from the classes, or belongs to none."""
    wanted = files()
    there = {path.relative_to(root) for path in (root / "schemas").glob("*")}
    return sorted(
        path
        for path in wanted.keys() | there
        if not (root / path).is_file() or (root / path).read_text("utf-8") != wanted.get(path)
    )


def write(root: Path = HERE) -> None:
    """Write every generated file and remove the schemas that belong to no class any more."""
    wanted = files()
    (root / "schemas").mkdir(exist_ok=True)
    for path in drifted(root):
        if path in wanted:
            (root / path).write_text(wanted[path], "utf-8")
        else:
            (root / path).unlink()


def release(current: Path = CURRENT, released: Path = RELEASED) -> None:
    """Copy the schemas to ``released/``; raise ValueError if that would break somebody."""
    broken = [change.line for change in screen(released, current) if not change.allowed]
    if broken:
        raise ValueError("\n".join(broken))
    released.mkdir(exist_ok=True)
    for path in sorted(current.glob("*.json")):
        (released / path.name).write_text(path.read_text("utf-8"), "utf-8")


def main() -> int:
    """Write, compare or release, as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m contracts.export", description=__doc__)
    one_of = parser.add_mutually_exclusive_group()
    one_of.add_argument("--check", action="store_true", help="write nothing; exit 1 and name what drifted")
    one_of.add_argument("--release", action="store_true", help="write, then make this the released version")
    asked = parser.parse_args()
    if asked.check:
        names = drifted()
        for name in names:
            print(f"contracts/{name.as_posix()} has drifted from the classes; run `make contracts`")
        return int(bool(names))
    write()
    if asked.release:
        try:
            release()
        except ValueError as error:
            print(error)
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
