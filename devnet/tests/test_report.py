"""The day's page: complete, self-contained, and nothing in it runs or is taken for markup."""

from __future__ import annotations

from decimal import Decimal
from html.parser import HTMLParser

from truemark_devnet.demo.charts import Line, line_chart
from truemark_devnet.demo.report import Check, Day, DayEvent, TraderRow, render


class Reader(HTMLParser):
    """Collects tags, and what loads from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href")]


def day() -> Day:
    zero = Decimal(0)
    row = TraderRow(
        name="<b>mallory</b>",
        address="0x1",
        book="BTC 3x",
        deposited=Decimal("1000"),
        withdrawn=zero,
        trading=Decimal("-12.5"),
        funding=zero,
        fees=Decimal("0.5"),
        liquidation_costs=zero,
        vault=zero,
        equity=Decimal("987"),
        liquidated=("BTC-USD-PERP",),
    )
    return Day(
        marks={"BTC-USD-PERP": [(0, Decimal(100)), (600, Decimal(90))]},
        equity={"<b>mallory</b>": [(0, Decimal(1000)), (600, Decimal(987))]},
        transactions=[(0, 3), (600, 5)],
        events=[DayEvent(600, "liquidation", "<i>fall</i>", "text & more")],
        traders=[row],
        checks=[Check("left = right", Decimal(1), Decimal(2), [("left", Decimal(1))])],
        expected_liquidations=("<b>mallory</b>",),
        liquidated=("<b>mallory</b>",),
    )


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    reader = Reader()
    reader.feed(render(day()))
    assert reader.loads == []
    assert "script" not in reader.tags
    assert reader.tags.count("svg") == 3


def test_what_traders_are_called_is_text() -> None:
    page = render(day())
    assert "<b>mallory" not in page
    assert "<i>fall" not in page
    assert "&lt;b&gt;mallory" in page


def test_a_check_that_does_not_hold_is_shown_as_broken() -> None:
    page = render(day())
    assert "left = right: BROKEN" in page
    holds = day()
    holds.checks = [Check("left = right", Decimal(2), Decimal(2), [])]
    assert "left = right: holds" in render(holds)


def test_an_axis_goes_below_zero_only_where_a_value_does() -> None:
    assert ">-" not in line_chart("mark", [Line("mark", [(0, Decimal(0)), (60, Decimal(100))])])
    assert ">-" not in line_chart("mark", [Line("mark", [(0, Decimal(0))])])
    assert ">-" in line_chart("equity", [Line("equity", [(0, Decimal(-1)), (60, Decimal(100))])])


def test_an_empty_day_is_a_page_too() -> None:
    assert "no data" in render(Day())
