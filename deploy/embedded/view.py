"""What a person sees while the story runs: a plain live table, and the summary at its end."""

import sys
from collections.abc import Mapping

import rich.box
from rich.console import Console
from rich.live import Live
from rich.table import Table

from deploy.embedded.check import Findings
from deploy.embedded.story import ZONE, Story

_TEXTS = {
    "moment": ("moment of the story", "故事时刻"),
    "reports": ("reports opened", "应报报告"),
    "filed": ("reports filed by people", "已报送报告"),
    "acts": ("acts still to come", "后续动作"),
    "notices": ("notices told", "已发通知"),
    "acknowledged": ("acknowledged", "已签收"),
    "jumps": ("jumps of the clock", "时钟跳转"),
}


class View:
    """A live table on a terminal, plain lines elsewhere."""

    def __init__(self) -> None:
        """Prepare; nothing is drawn before ``with``."""
        self.console = Console()
        self._live: Live | None = None
        self._lines = 0

    def __enter__(self) -> "View":
        if sys.stdout.isatty():
            self._live = Live(console=self.console, refresh_per_second=8)
            self._live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.__exit__(None, None, None)

    def show(self, story: Story, text: str) -> None:
        """Show where the story is; a *text* stands above the table."""
        if text:
            self.console.print(text)
        if self._live is not None:
            self._live.update(_table(story))
            return
        self._lines += 1
        if self._lines % 40 == 0:
            tally = story.tally
            when = story.now.astimezone(ZONE).strftime("%Y-%m-%d %H:%M")
            self.console.print(
                f"{when}  filed/已报 {len(tally.filings)}  "
                f"notices/通知 {tally.notices}  acks/签收 {tally.acknowledged}"
            )


def _table(story: Story) -> Table:
    tally = story.tally
    values = {
        "moment": story.now.astimezone(ZONE).strftime("%Y-%m-%d %H:%M"),
        "reports": tally.reports,
        "filed": len(tally.filings),
        "acts": story.acts_to_come,
        "notices": tally.notices,
        "acknowledged": tally.acknowledged,
        "jumps": tally.jumps,
    }
    table = Table(box=rich.box.SIMPLE, show_header=False)
    for key, value in values.items():
        english, chinese = _TEXTS[key]
        table.add_row(f"{english} · {chinese}", str(value))
    return table


def print_summary(
    console: Console, findings: Findings, units: int, seconds: float, restarts: Mapping[str, int]
) -> None:
    """Print what happened and whether the invariants hold."""
    counts = findings.counts
    levels = ", ".join(f"{level}: {count}" for level, count in sorted(findings.levels.items()))
    rows: list[tuple[str, str, object]] = [
        ("units", "单位", units),
        ("duties opened", "应履责事项", counts["DutyOpened"]),
        ("duties fulfilled", "已履行事项", counts["DutyFulfilled"]),
        ("reports filed", "已报送报告", counts["ReportFiled"]),
        ("reports half-filed", "仅报一方", counts["half-filed"]),
        ("reminders", "提醒", counts["ReminderFired"]),
        ("missed", "逾期", counts["DutyMissed"]),
        ("withdrawn", "撤回", counts["DutyMissWithdrawn"]),
        ("escalations", "逐级上报", counts["EscalationRaised"]),
        ("… per level above the unit", "…按层级", levels),
        ("acknowledged", "签收", counts["EscalationAcknowledged"]),
        ("vacant posts passed over", "空缺跳过", counts["PostFoundVacant"]),
        ("resolved late", "逾期后办结", counts["EscalationResolved"]),
        ("reached the top", "到顶未办", counts["EscalationExhausted"]),
        (
            "lateness p50 / p99",
            "系统迟滞",
            f"{findings.percentile(0.5):.3f} s / {findings.percentile(0.99):.3f} s",
        ),
        ("pages verified", "已校验账页", findings.pages),
        ("states rebuilt and equal", "已重建状态", findings.states),
        ("facts on the topics", "已发布事实", findings.facts),
        ("restarts of services", "服务重启", sum(restarts.values())),
        ("seconds", "用时（秒）", f"{seconds:.0f}"),
    ]
    table = Table(box=rich.box.SIMPLE, show_header=False)
    for english, chinese, value in rows:
        table.add_row(f"{english} · {chinese}", str(value))
    console.print(table)
    for problem in findings.wrong[:20]:
        console.print(f"[red]✗[/red] {problem}", highlight=False)
    if findings.wrong:
        console.print(f"{len(findings.wrong)} invariants broken / {len(findings.wrong)} 处违反不变式")
    else:
        console.print("all invariants hold / 全部不变式成立")
