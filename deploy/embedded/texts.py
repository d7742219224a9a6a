"""What the view says, in English and in Chinese."""

import os
from typing import Literal

Language = Literal["en", "zh"]

TEXTS: dict[str, tuple[str, str]] = {
    "title": ("duties travel down, the unmet climb up", "责任逐级下传，逾期逐级上报"),
    "starting": ("starting broker, database and services", "正在启动消息、数据库与各项服务"),
    "importing": ("importing territories", "导入行政区"),
    "opening": ("opening duties", "下达应履责事项"),
    "year": ("the year", "年度进程"),
    "duties": ("duties", "履责情况"),
    "due": ("due", "已到期"),
    "on_time": ("in time", "按期"),
    "late": ("late", "迟报"),
    "missing": ("missing", "未报"),
    "next_due": ("next due {day}: {n}", "下次到期 {day}：{n} 项"),
    "people": ("people", "人员动作"),
    "filed": ("filed", "报送"),
    "lessons": ("lessons", "党课"),
    "noted": ("took note", "签收"),
    "told": ("notices", "通知"),
    "ladder": ("the ladder", "逐级上报"),
    "level": ("level", "层级"),
    "posts_told": ("told", "告知"),
    "last": ("last told", "最近告知"),
    "same_unit": ("the unit itself", "本单位"),
    "levels_up": ("{n} up", "上{n}级"),
    "rates": ("in time, by level", "各级按期率"),
    "territories": ("territories", "行政区"),
    "heat": ("heat", "热度"),
    "no_data": ("no data", "无数据"),
    "lost": ("pressure lost below", "压力在此衰减"),
    "inspection": ("inspection", "专项巡察"),
    "proposed": ("proposed", "建议"),
    "confirmed": ("confirmed", "确认"),
    "dismissed": ("dismissed", "不予立项"),
    "found": ("findings", "发现问题"),
    "submitted": ("put right", "报整改"),
    "returned": ("returned", "退回"),
    "verified": ("verified", "销号"),
    "closed": ("closed", "结束"),
    "newest_proposal": (
        "{unit}: {n} duties missed, a person decides",
        "{unit}：逾期{n}项，由人决定是否立项",
    ),
    "system": ("the system", "系统自身"),
    "lateness": ("woke {p50} s late (p50), {p99} s (p99)", "唤醒迟滞 P50 {p50} 秒，P99 {p99} 秒"),
    "jumps": ("jumps", "时钟跳转"),
    "line_told": (
        "{unit}: {duty} missed → {post}",
        "{unit}：{duty}逾期 → {post}",
    ),
    "restarts": ("restarts", "服务重启"),
    "happened": ("just happened", "最新动态"),
    "village": ("village", "村（社区）"),
    "township": ("township", "乡镇（街道）"),
    "county": ("county", "县（市、区）"),
    "city": ("city", "地市"),
    "province": ("province", "省"),
    "head": ("head", "书记"),
    "leader_in_charge": ("leader in charge", "分管领导"),
    "handler": ("handler", "经办人"),
    "discipline_head": ("discipline head", "纪委书记"),
    "main-responsibility": ("main report", "主体责任报告"),
    "first-responsible-person": ("first person's report", "第一责任人报告"),
    "supervision-responsibility": ("supervision report", "监督责任报告"),
    "lesson": ("lesson", "党课"),
    "rectification": ("rectification", "整改"),
    "verification": ("verification", "核验整改"),
    "up": (
        "The services stay up; make token signs a token; Ctrl-C ends everything.",
        "各服务继续运行；make token 签发令牌；按 Ctrl-C 结束。",
    ),
    "holds": ("all invariants hold", "全部不变式成立"),
    "broken": ("{n} invariants broken", "{n} 处违反不变式"),
    "units": ("units", "单位"),
    "opened": ("duties opened", "应履责事项"),
    "fulfilled": ("duties fulfilled", "已履行事项"),
    "waived": ("duties waived", "免除事项"),
    "reports_filed": ("reports filed", "已报送报告"),
    "half_filed": ("reports half-filed", "仅报一方"),
    "reminders": ("reminders", "提醒"),
    "missed": ("missed", "逾期"),
    "withdrawn": ("withdrawn", "撤回"),
    "escalations": ("escalations", "逐级上报"),
    "per_level": ("… by levels above the unit", "…按层级"),
    "acknowledged": ("acknowledged", "签收"),
    "vacant": ("vacant posts passed over", "空缺跳过"),
    "resolved": ("resolved late", "逾期后办结"),
    "exhausted": ("reached the top", "到顶未办"),
    "proposals": ("inspections proposed", "建议专项巡察"),
    "opened_inspections": ("… confirmed by a person", "…经人确认"),
    "findings": ("findings", "发现问题"),
    "verified_findings": ("… put right and verified", "…整改并销号"),
    "flags": ("heat flagged", "上热下冷预警"),
    "scored": ("units whose score was recomputed", "已重算得分单位"),
    "decided_late": ("lateness of decisions p50 / p99", "决策迟滞 P50 / P99"),
    "pages": ("pages verified", "已校验账页"),
    "states": ("states rebuilt and equal", "已重建状态"),
    "facts": ("facts on the topics", "已发布事实"),
    "service_restarts": ("restarts of services", "服务重启"),
    "seconds": ("seconds", "用时（秒）"),
}


def language_of(wanted: str | None) -> Language:
    """Return the wanted language, or that of the locale."""
    locale = wanted or os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG", "")
    return "zh" if locale.lower().startswith("zh") else "en"


class Texts:
    """The texts in one language."""

    def __init__(self, language: Language) -> None:
        """Speak *language*."""
        self._column = 1 if language == "zh" else 0

    def __call__(self, key: str, **values: object) -> str:
        """Return the text of *key*; a word without a text is returned as it is."""
        pair = TEXTS.get(key)
        return (key if pair is None else pair[self._column]).format(**values)
