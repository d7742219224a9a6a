"""How the intake of foreign duties says no, in both languages."""

from contracts.personal import shown
from contracts.refusal import Refusal

DUE_IN_PAST = Refusal(
    "due_in_past",
    "It was already due when it was received: nobody could have acted.",
    "收到时已过截止时间，任何人都来不及办理。",
)
DUE_TOO_FAR = Refusal("due_too_far", "It is due in more than ten years.", "截止时间在十年以后。")
BAD_TEXT = Refusal("bad_text", "Its period is empty, or a text is too long.", "所属期间为空，或文字过长。")
DONE_IN_FUTURE = Refusal("done_in_future", "It cannot have been done yet.", "办结时间不能晚于收到时间。")


def not_allowed(kind: str) -> Refusal:
    return Refusal(
        "not_allowed",
        f"This token grants no duties of the kind {shown(kind)}.",
        f"该令牌无权提交“{shown(kind)}”类事项。",
    )


def unknown_unit(unit: str) -> Refusal:
    return Refusal(
        "unknown_unit",
        f"There is no unit {shown(unit)} in your subtree.",
        f"管辖范围内没有单位 {shown(unit)}。",
    )


def unknown_recipient(unit: str) -> Refusal:
    return Refusal(
        "unknown_recipient", f"There is no recipient {shown(unit)}.", f"接收单位 {shown(unit)} 不存在。"
    )


def unit_closed(unit: str) -> Refusal:
    return Refusal("unit_closed", f"The unit {shown(unit)} is closed.", f"单位 {shown(unit)} 已撤销。")


def unknown_policy(policy: str) -> Refusal:
    return Refusal(
        "unknown_policy", f"There is no ladder {shown(policy)}.", f"升级规则 {shown(policy)} 不存在。"
    )


def unknown_duty(duty: str) -> Refusal:
    return Refusal("unknown_duty", f"There is no duty {shown(duty)}.", f"事项 {shown(duty)} 不存在。")


def opened_otherwise(duty: str) -> Refusal:
    return Refusal(
        "opened_otherwise",
        f"{shown(duty)} was opened with other content.",
        f"事项 {shown(duty)} 已按其他内容立项。",
    )
