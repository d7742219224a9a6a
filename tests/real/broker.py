#!/usr/bin/env python3
"""Apache Kafka behind the command line of the embedded broker: one node, on loopback.

`CALF_TANSU_BIN` names this file, so that whatever starts the embedded broker starts Kafka instead.
It becomes Kafka's process: who kills it kills Kafka.
"""

import argparse
import os
import shutil
import socket
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

FETCHED = Path(__file__).resolve().parents[2] / ".real" / "kafka"
"""Where `make test-real` lays what it fetches."""
JARS = FETCHED / "jars"
FORMATTED = FETCHED / "formatted"
"""The empty storage of node 1, made once and copied for each broker."""
HOST = "127.0.0.1"
# Many small brokers that live for seconds: quick to start rather than quick to serve.
_QUICK = ("-Xms64m", "-Xmx320m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")
SERVING = (
    "-Xms1g -Xmx1g -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:InitiatingHeapOccupancyPercent=35"
    " -XX:MaxInlineLevel=15 -XX:-UsePerfData"
)
"""What Kafka's own start script gives a broker that is to serve; for `JVM_OPTIONS`."""
JVM_OPTIONS = "KAFKA_JVM_PERFORMANCE_OPTS"
"""Names, as for that script, other options of the virtual machine than the quick ones."""
_LOUD = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
_SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "offsets.topic.num.partitions": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    # Preallocated and mapped, two of them for each of some two hundred partitions.
    "log.index.size.max.bytes": str(128 * 1024),
}


def java(program: str, *arguments: str) -> list[str]:
    """Return the command that runs one of Kafka's own programs."""
    options = os.environ.get(JVM_OPTIONS, "").split() or _QUICK
    return ["java", *options, _LOUD, "-cp", f"{JARS}/*", program, *arguments]


def settings(storage: Path, port: int, controller: int) -> Mapping[str, str]:
    """Return the settings of a broker that listens on *port* and is its own controller."""
    return {
        **_SETTINGS,
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "controller.quorum.voters": f"1@{HOST}:{controller}",
        "log.dirs": str(storage),
    }


def write(file: Path, values: Mapping[str, str]) -> None:
    """Write settings as Kafka reads them."""
    file.write_text("".join(f"{key}={value}\n" for key, value in values.items()))


def prepared(engine: str, port: int) -> Path:
    """Return the settings of a broker: with `file:` it finds what it left in the folder, else nothing."""
    kind, _, place = engine.partition("://")
    folder = Path(place) if kind == "file" else Path(tempfile.mkdtemp(prefix=f"kafka-{port}-"))
    file = folder / "server.properties"
    if not file.exists():
        shutil.copytree(FORMATTED, folder / "storage")
        with socket.create_server((HOST, 0)) as probe:
            write(file, settings(folder / "storage", port, probe.getsockname()[1]))
    return file


def main(arguments: Sequence[str] | None = None) -> None:
    """Become a broker at the address asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["broker"])
    for option in ("--cluster-id", "--listener-url", "--advertised-listener-url", "--storage-engine"):
        parser.add_argument(option, required=True)
    asked = parser.parse_args(arguments)
    file = prepared(asked.storage_engine, int(asked.listener_url.rpartition(":")[2]))
    command = java("kafka.Kafka", str(file))
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
