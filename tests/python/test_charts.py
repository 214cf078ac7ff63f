"""Charts and tables of the guide: valid, with everything in them, and of the figures that are on record."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import charts
import growth_page
import peers_page
import pytest

from bench import RESULTS

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return [found.text or "" for found in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_bars_are_as_long_as_the_logarithm_says_and_bear_their_figures() -> None:
    svg = charts.bars("Rates", {"a <job>": [("one", 1_000.0, "ours"), ("two", 1_000_000.0, "other")]})
    assert {"a <job>", "one", "1,000", "two", "1,000,000", "10k", "1M"} <= set(texts(svg))
    one, two = ElementTree.fromstring(svg).findall(f"{SVG}rect")[1:]
    assert float(one.attrib["width"]) == 0
    assert float(two.attrib["width"]) > 400


def test_a_curve_has_its_points_and_stays_inside() -> None:
    points = [(1_000, 1.0, 0.9, 1.1), (10_000, 1.5, 1.4, 1.6), (1_000_000, 4.0, 3.5, 4.5)]
    svg = charts.curves("Growth", [charts.Curve("CPU", "keys", points)])
    assert {"CPU", "keys", "1k", "10k", "1M", "0"} <= set(texts(svg))
    line = next(ElementTree.fromstring(svg).iter(f"{SVG}polyline"))
    places = [tuple(map(float, place.split(","))) for place in line.attrib["points"].split()]
    assert [x for x, _ in places] == sorted(x for x, _ in places)
    assert all(0 < x < charts.WIDTH and 0 < y < charts.HEIGHT for x, y in places)
    assert places[0][1] > places[2][1], "more is higher"


def test_a_table_has_a_line_for_each_row_and_nothing_where_nothing_is_known() -> None:
    rows = [{"system": "one", "rate": 123456.7, "start_s": 0.25}, {"system": "two", "rate": 12.5}]
    assert charts.table(rows, {"system": "system", "rate": "rows/s", "start_s": "s"}).split("\n") == [
        "| system | rows/s | s |",
        "| --- | --- | --- |",
        "| one | 123,457 | 0.25 |",
        "| two | 12.5 |  |",
    ]


def test_parts_of_a_page_are_filled_in_and_its_words_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(charts, "GUIDE", tmp_path)
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- rates -->\nold\n<!-- end of rates -->\nbehind\n")
    for _ in range(2):
        charts.fill("page.md", {"rates": "new"})
        assert page.read_text() == "before\n<!-- rates -->\n\nnew\n\n<!-- end of rates -->\nbehind\n"
    with pytest.raises(ValueError, match="no place between <!-- others -->"):
        charts.fill("page.md", {"others": "new"})


@pytest.mark.parametrize(("name", "page"), [("peers", peers_page), ("growth", growth_page)])
def test_the_guide_shows_what_is_on_record(
    name: str, page: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (charts.GUIDE / f"{name}.md").read_text()
    chart = (charts.GUIDE / f"{name}.svg").read_text()
    monkeypatch.setattr(charts, "GUIDE", tmp_path)
    (tmp_path / f"{name}.md").write_text(text)
    page.write(RESULTS / f"{name}.json")  # type: ignore[attr-defined]
    assert (tmp_path / f"{name}.md").read_text() == text
    assert (tmp_path / f"{name}.svg").read_text() == chart
