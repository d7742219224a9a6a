"""How the rules of inspection say no."""

from contracts.refusal import Refusal

UNKNOWN_INSPECTION = Refusal("unknown_inspection", "There is no such inspection.", "没有此项检查。")
UNKNOWN_FINDING = Refusal("unknown_finding", "There is no such finding.", "没有此项发现问题。")
NOT_PENDING = Refusal("not_pending", "This proposal was decided or withdrawn.", "该建议已处理或已撤回。")
NOT_OPEN = Refusal("not_open", "The inspection is not open.", "该项检查未启动或已结束。")
FINDING_OPEN = Refusal(
    "finding_open",
    "A finding has not come to its end; an inspection closes after all of them.",
    "尚有问题未整改销号，检查不能结束。",
)
NO_REASON = Refusal("reason_required", "Whoever decides so gives a reason.", "须说明理由。")
NO_TEXT = Refusal("text_required", "A finding says what was found.", "须写明发现的问题。")
DUE_IN_PAST = Refusal("due_in_past", "The due moment has passed.", "截止时间已过。")
NOTHING_SUBMITTED = Refusal(
    "nothing_submitted", "The unit has not submitted its rectification yet.", "单位尚未提交整改情况。"
)
ENDED = Refusal("finding_ended", "The finding has come to its end.", "该问题已销号。")
CIRCULAR_ONLY = Refusal(
    "circular_only",
    "A finding does not end with a circular alone: it is put right and verified, or dismissed with a reason.",
    "不得一通报了之：问题须经整改并核验，或说明理由后不予认定，方可销号。",
)
