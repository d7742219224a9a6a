"""How much was done of what was due: whole numbers, and never a quotient of nothing."""

from dataclasses import dataclass
from fractions import Fraction

NO_DATA = ("no data", "无数据")
"""What is said of an empty denominator, in both languages; it is neither 0 nor 100 %."""


@dataclass(frozen=True, slots=True)
class Rate:
    """The duties that were due; of these, the ones done in time and accepted, and the ones done late."""

    on_time: int = 0
    due: int = 0
    late: int = 0

    def __add__(self, other: "Rate") -> "Rate":
        return Rate(self.on_time + other.on_time, self.due + other.due, self.late + other.late)

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing was due, so that there is nothing to say."""
        return self.due == 0

    def text(self, *, is_chinese: bool) -> str:
        """Return the rate in words."""
        if self.is_empty:
            return NO_DATA[is_chinese]
        share = percent(Fraction(self.on_time, self.due))
        if is_chinese:
            return f"应办{self.due}项，按期{self.on_time}项（{share}）"
        return f"{self.on_time} of {self.due} in time ({share})"


def percent(share: Fraction) -> str:
    """Return a share in percent, cut after one decimal: what is not whole is never shown as whole."""
    tenths = int(share * 1000)
    sign = "-" if tenths < 0 else ""
    return f"{sign}{abs(tenths) // 10}.{abs(tenths) % 10} %"
