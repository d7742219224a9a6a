"""Whether what was decided is still worth telling, and the words in which it is told."""

from contracts.envelope import Fact
from contracts.escalations import EscalationRaised
from contracts.reminders import ReminderFired
from services.reminders.domain.model import Status, Watch


def is_still_true(watch: Watch, fact: Fact) -> bool:
    """Tell whether a fact still calls somebody to act: it is not done, and its rung not taken note of."""
    match fact:
        case ReminderFired():
            return watch.status is Status.WATCHING
        case EscalationRaised():
            return watch.status in (Status.CLIMBING, Status.EXHAUSTED) and fact.rung not in watch.held
        case _:
            return False


def words(kind: str, *, duty: str, unit: str, step: int, level: int, is_chinese: bool) -> str:
    """Return the text of a notice."""
    if kind == "reminder":
        return (
            f"临近提醒：{unit} 的事项 {duty} 还有 {step} 个工作日到期。"
            if is_chinese
            else f"Reminder: duty {duty} of {unit} is due in {step} working days."
        )
    if level == 0:
        return (
            f"逾期催办：{unit} 的事项 {duty} 已逾期，请尽快办理。"
            if is_chinese
            else f"Overdue: duty {duty} of {unit} was missed; please act."
        )
    return (
        f"逐级上报：下 {level} 级单位 {unit} 的事项 {duty} 已逾期未办，请督办。"
        if is_chinese
        else f"Escalation: duty {duty} of {unit}, {level} level(s) below you, was missed and is still open."
    )
