"""Facts back: every published fact of ours came from the one stream that judges heat."""

from collections.abc import Sequence

from contracts.envelope import Fact
from contracts.scores import HeatFlagged, HeatUnflagged
from services.scoring.domain.model import HEAT, BeginHeat, CloseMonth, Heat, State
from services.scoring.domain.months import shifted
from services.scoring.entrypoints.hearing import HEAT_BOOK
from shared.published import Origin

LOST_EN = (
    "Flags came back, and duties were heard again. Months judged since the backup without a flag are judged "
    "again by what is known today; until then a flag may rest on older windows than before."
)
LOST_ZH = (
    "预警标记已取回，责任事项已重新接收。备份之后未产生标记的月份将按现有数据重新评定；"
    "在此之前，标记所依据的月份可能较旧。"
)


def before(state: State, fact: Fact) -> Sequence[BeginHeat | CloseMonth]:
    """Return what comes before a judgement: the months before it are over, whatever they came to."""
    match fact:
        case HeatFlagged():
            judged = fact.windows[-1]
        case HeatUnflagged():
            judged = fact.window
        case _:
            return []
    if not isinstance(state, Heat) or not state.month:
        return [BeginHeat(judged)]
    months, month = list[str](), state.month
    while month < judged:
        months.append(month)
        month = shifted(month, 1)
    return [CloseMonth(one) for one in months]


ORIGIN = Origin(
    stream_of=lambda _: HEAT,
    book_of=lambda _: HEAT_BOOK,
    before=before,
    lost=(LOST_EN, LOST_ZH),
)
