"""What is asked of Prometheus is taken apart rightly, or a wrong name in it would not be noticed."""

from tests.observe.expressions import grouped, misspelt

ASKED = 'histogram_quantile(0.9, sum by (job, le) (rate(zeren_x_bucket{kind="a",line="b"}[5m]))) / up'


def test_each_name_of_a_metric_or_a_label_is_misspelt_once() -> None:
    assert list(misspelt(ASKED)) == [
        ASKED.replace("zeren_x_bucket", "zeren_x_bucketx"),
        f"{ASKED}x",
        ASKED.replace("kind=", "kindx="),
        ASKED.replace("line=", "linex="),
        ASKED.replace("(job,", "(jobx,"),
        ASKED.replace(" le)", " lex)"),
    ]


def test_what_is_grouped_is_asked_for_by_itself_with_its_labels() -> None:
    part = 'sum by (job, le) (rate(zeren_x_bucket{kind="a",line="b"}[5m]))'
    assert list(grouped(ASKED)) == [(part, {"job", "le"})]
    assert list(grouped("max by (a) (up) - sum by (b) (up)")) == [
        ("max by (a) (up)", {"a"}),
        ("sum by (b) (up)", {"b"}),
    ]
