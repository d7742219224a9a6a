"""A dashboard as a picture, from Prometheus' answers: enough of Grafana to see what is unreadable."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from tests.observe.watching import Played

Series = tuple[str, list[float], list[float]]
"""Its name in the legend, the moments at which it has a number, and those numbers."""
DAY, COLUMNS, INCHES = 86400, 24, 0.75
"""Seconds; and of Grafana's grid its width, and how large one cell is drawn."""
COLOURS = ["#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#37872d", "#fade2a"]
THRESHOLDS = {"green": "#37872d", "orange": "#ff780a", "red": "#e02f44"}


def draw(board: dict[str, Any], played: Played, path: Path) -> dict[str, int]:
    """Draw a dashboard into a file; return how many series, or filled cells, each panel shows."""
    places = [panel["gridPos"] for panel in board["panels"]]
    rows = max(place["y"] + place["h"] for place in places)
    figure = Figure(figsize=(COLUMNS * INCHES, (rows + 1) * INCHES / 2 * 1.6), dpi=70)
    fonts = ["DejaVu Sans", *_chinese()]
    figure.suptitle(_words(board["title"]), family=fonts, x=0.01, y=0.997, ha="left", va="top", size=15)
    marks: dict[str, int] = {}
    for panel, place in zip(board["panels"], places, strict=True):
        left, width = (place["x"] + 0.8) / COLUMNS, (place["w"] - 1.2) / COLUMNS
        bottom, height = 1 - (place["y"] + place["h"] + 0.1) / (rows + 1), (place["h"] - 2.1) / (rows + 1)
        axes = figure.add_axes((left, bottom, width, height))
        axes.set_title(_words(panel["title"]), family=fonts, loc="left", size=11)
        found = [one for target in panel["targets"] for one in _series(target, played)]
        defaults = panel["fieldConfig"]["defaults"] | panel.get("options", {}).get("yAxis", {})
        marks[panel["title"]] = KINDS[panel["type"]](axes, defaults, found)
        for text in axes.findobj(Text):
            text.set_fontfamily(fonts)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    return marks


def _chinese() -> list[str]:
    """Return a font of this machine that has Chinese, if there is one."""
    return sorted({font.name for font in font_manager.fontManager.ttflist if "CJK" in font.name})[:1]


def _words(text: str) -> str:
    """Return the English half of a text where nothing can write the other."""
    return text if _chinese() else text.partition(" · ")[0]


def _series(target: dict[str, Any], played: Played) -> list[Series]:
    found = []
    for one in played.series(target["expr"]):
        name = _legend(target.get("legendFormat", ""), one["metric"])
        points = [(float(at), float(value)) for at, value in one["values"] if value not in {"NaN", "+Inf"}]
        if points:
            times, values = zip(*points, strict=True)
            found.append((_words(name), list(times), list(values)))
    return found


def _legend(form: str, labels: dict[str, str]) -> str:
    """Return the name of a series; as Grafana does, all its labels where no form is given."""
    return re.sub(r"{{\s*(\w+)\s*}}", lambda hit: labels.get(hit[1], ""), form) or str(labels)


def unit(value: float, name: str) -> str:
    """Return a number as Grafana writes it in a unit."""
    match name:
        case "s":
            return _scaled(value, ((86400, " d"), (3600, " h"), (60, " min"), (1, " s"), (1e-3, " ms")))
        case "bytes":
            return _scaled(value, ((2**30, " GiB"), (2**20, " MiB"), (2**10, " KiB"), (1, " B")))
        case "percentunit":
            return f"{value * 100:.3g}%"
        case "dateTimeAsIso":
            return f"{_moment(value / 1000):%Y-%m-%d %H:%M:%S}"
        case "short" | "none":
            return _scaled(value, ((1e6, " Mil"), (1e3, " K"), (1, "")))
        case _:
            return f"{value:.3g} {name}"


def _scaled(value: float, steps: Sequence[tuple[float, str]]) -> str:
    size, word = next((step for step in steps if abs(value) >= step[0]), steps[-1] if value else (1, ""))
    return f"{value / size:.3g}{word}"


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, ZoneInfo("Asia/Shanghai"))


def _days(times: Sequence[float]) -> list[float]:
    """Return moments as days."""
    return [at / DAY for at in times]


def _lines(axes: Axes, defaults: dict[str, Any], found: Sequence[Series]) -> int:
    for n, (name, times, values) in enumerate(found):
        axes.plot(_days(times), values, label=name, color=COLOURS[n % len(COLOURS)])
    low, high = axes.get_ylim()
    if custom := defaults.get("custom", {}).get("thresholdsStyle", {}):
        assert custom["mode"] == "line"
        for step in defaults["thresholds"]["steps"][1:]:
            axes.axhline(step["value"], color=THRESHOLDS[step["color"]], linestyle="--", linewidth=0.9)
    axes.set_ylim(defaults.get("min", low), defaults.get("max", high))
    axes.grid(alpha=0.25)
    axes.yaxis.set_major_formatter(lambda value, _: unit(value, defaults["unit"]))
    axes.xaxis.set_major_formatter(lambda at, _: f"{_moment(at * DAY):%H:%M:%S}")
    if found:
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.08), ncols=4, frameon=False, fontsize=8)
    return len(found)


def _cells(axes: Axes, defaults: dict[str, Any], found: Sequence[Series]) -> int:
    """Draw buckets, each less the one below it, as Grafana does with the format `heatmap`."""
    buckets = sorted(found, key=lambda one: float(one[0]))
    times = sorted({at for _, when, _ in buckets for at in when})
    at_most = [dict(zip(when, values, strict=True)) for _, when, values in buckets]
    below = [{}, *at_most]
    rows = [
        [max(0.0, mine.get(at, 0) - under.get(at, 0)) for at in times]
        for mine, under in zip(at_most, below, strict=False)
    ]
    axes.pcolormesh(_days(times), range(len(rows)), rows, cmap="Oranges")
    axes.set_yticks(
        range(len(rows)), [_at_most(name, defaults["unit"]) for name, _, _ in buckets], fontsize=6
    )
    axes.xaxis.set_major_formatter(lambda at, _: f"{_moment(at * DAY):%H:%M:%S}")
    return sum(value > 0 for row in rows for value in row)


def _at_most(bucket: str, name: str) -> str:
    return "more " if bucket == "+Inf" else f"≤ {unit(float(bucket), name)} "


def _numbers(axes: Axes, defaults: dict[str, Any], found: Sequence[Series]) -> int:
    """Write the last number of each series, in the colour of its threshold."""
    axes.set_axis_off()
    for n, (name, _, values) in enumerate(found):
        steps = [s for s in defaults["thresholds"]["steps"] if s["value"] is None or s["value"] <= values[-1]]
        where, colour = (n + 0.5) / len(found), THRESHOLDS[steps[-1]["color"]]
        size = 26 if len(found) == 1 else 16
        axes.text(where, 0.5, unit(values[-1], defaults["unit"]), ha="center", size=size, color=colour)
        axes.text(where, 0.3, name, ha="center", size=8)
    return len(found)


KINDS: dict[str, Callable[[Axes, dict[str, Any], Sequence[Series]], int]] = {
    "timeseries": _lines,
    "heatmap": _cells,
    "stat": _numbers,
}
