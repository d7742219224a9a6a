"""When the directory says no, and in which words."""

from contracts.personal import shown
from contracts.refusal import Refusal


def unknown_unit(code: str) -> Refusal:
    return Refusal("unknown_unit", f"There is no unit {shown(code)}.", f"单位 {shown(code)} 不存在。")


def unknown_post(code: str) -> Refusal:
    return Refusal("unknown_post", f"There is no post {shown(code)}.", f"职务 {shown(code)} 不存在。")


def unknown_parent(code: str) -> Refusal:
    return Refusal(
        "unknown_parent", f"There is no superior unit {shown(code)}.", f"上级单位 {shown(code)} 不存在。"
    )


def unknown_zone(zone: str) -> Refusal:
    return Refusal("unknown_zone", f"There is no time zone {shown(zone)}.", f"时区 {shown(zone)} 不存在。")


def closed(code: str) -> Refusal:
    return Refusal(
        "closed", f"Unit {code} is closed; its code is not used again.", f"单位 {code} 已撤销，代码不再使用。"
    )


def closed_parent(code: str) -> Refusal:
    return Refusal("closed_parent", f"The superior unit {code} is closed.", f"上级单位 {code} 已撤销。")


def already_placed(code: str) -> Refusal:
    return Refusal(
        "already_placed",
        f"Unit {code} stands already, with other particulars.",
        f"单位 {code} 已设立，且信息不同。",
    )


def already_defined(code: str) -> Refusal:
    return Refusal(
        "already_defined",
        f"Post {code} exists already, with another role.",
        f"职务 {code} 已设置，且职责不同。",
    )


def cycle(code: str, parent: str) -> Refusal:
    return Refusal(
        "cycle",
        f"Unit {code} cannot stand under {parent}, which is below it.",
        f"单位 {code} 不能隶属于其下级 {parent}。",
    )


def other_line(code: str, parent: str) -> Refusal:
    return Refusal(
        "other_line",
        f"Unit {code} and its superior {parent} must be of one line, Party or discipline.",
        f"单位 {code} 与上级 {parent} 必须同属党委线或纪委线。",
    )


def discipline_taken(code: str) -> Refusal:
    return Refusal(
        "discipline_taken",
        f"Unit {code} has a discipline committee already.",
        f"单位 {code} 已设有纪律检查机构。",
    )


def has_open_units(code: str, other: str) -> Refusal:
    return Refusal(
        "has_open_units", f"Close or move {other} before {code}.", f"撤销 {code} 前须先撤销或调整 {other}。"
    )


def role_taken(unit: str, role: str) -> Refusal:
    return Refusal(
        "role_taken", f"Unit {unit} has a post for {role} already.", f"单位 {unit} 已有 {role} 职务。"
    )


def held(post: str) -> Refusal:
    return Refusal("held", f"Somebody else holds {post}.", f"职务 {post} 已有他人任职。")


def not_held(post: str) -> Refusal:
    return Refusal("not_held", f"This person does not hold {post}.", f"此人未担任职务 {post}。")


def overlap(post: str) -> Refusal:
    return Refusal(
        "overlap",
        f"The tenure of {post} begins before the last one ends.",
        f"职务 {post} 的任期与前一任期重叠。",
    )


def ends_before_start(post: str) -> Refusal:
    return Refusal(
        "ends_before_start",
        f"The tenure of {post} must end after it starts.",
        f"职务 {post} 的免职时间须晚于任职时间。",
    )


def bad_code(code: str) -> Refusal:
    return Refusal(
        "bad_code",
        f"{shown(code)!r} is not a code: up to 64 letters, digits, hyphens and underscores.",
        f"“{shown(code)}”不是有效代码：限字母、数字、连字符、下划线，最长64位。",
    )


def bad_post(code: str) -> Refusal:
    return Refusal(
        "bad_post",
        f"{shown(code)!r} is not the code of a post: <unit>/<name>.",
        f"“{shown(code)}”不是有效职务代码：<单位>/<名称>。",
    )


def bad_role(role: str) -> Refusal:
    return Refusal(
        "bad_role",
        f"{shown(role)!r} is not a role: small letters and underscores.",
        f"“{shown(role)}”不是有效职责：限小写字母和下划线。",
    )


def bad_name(limit: int) -> Refusal:
    return Refusal(
        "bad_name",
        f"A name has 1 to {limit} characters, all of them printable.",
        f"名称须为1至{limit}个可显示字符。",
    )


def bad_person() -> Refusal:
    # The text does not repeat what was given: it may be a person's name.
    return Refusal(
        "bad_person",
        "A person is an identifier of letters, digits and / _ . : -, never a name.",
        "人员须以标识符表示（字母、数字及 / _ . : -），不得使用姓名。",
    )
