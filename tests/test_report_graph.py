"""results/report.html: made by its name, one file with the head-to-head in it, never older than what it shows."""

import base64
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from checkout import ROOT, Checkout
from edits import HEADLINE, MINI, TEXT

REPORT = "results/report.html"
PAGE = "results/headtohead_autointerp.md"
RULES = {path.name: path.read_text() for path in sorted((ROOT / "rules").glob("*.smk"))}


def parts(html: str) -> dict[str, Any]:
    """What Snakemake's script in the report shows: results and categories."""
    found = re.findall(r'<script id="(results|categories|workflow-desc)">\s*var \w+ = (.*?);\s*</script>', html, re.S)
    return {name: json.loads(value) for name, value in found}


def decoded(entry: dict[str, str]) -> str:
    kind, data = entry["data_uri"].split(",", 1)
    assert kind.startswith(f"data:{entry['mime_type']};")
    return base64.b64decode(data).decode()


class Fetched(HTMLParser):
    """What a browser would load from elsewhere: `addresses`."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            loads = name in ("src", "srcset", "data", "poster") or (name == "href" and tag == "link")
            if loads and value and not value.startswith("data:"):
                self.addresses.append(value)


def test_a_page_that_loads_something_is_seen() -> None:
    planted = '<script src="https://x.org/a.js"></script><link href="b.css"><img src="data:,"><a href="https://x.org">'
    assert Fetched(planted).addresses == ["https://x.org/a.js", "b.css"]


def test_every_page_and_figure_is_marked_and_asked_for() -> None:
    for name, text in RULES.items():
        assert not re.findall(r"\b(?:page|svg)=(?!report\()", text), f"a page or figure of {name} is not in the report"
        for rule in re.split(r"^rule ", text, flags=re.M)[1:]:
            if "=report(" in rule:
                assert f"rules.{rule.split(':')[0]}.output" in RULES["report.smk"]
        for caption in re.findall(r'caption="\.\./(.+?)"', text):
            assert (ROOT / caption).is_file()


@pytest.mark.e2e
def test_report_of_the_miniature_study(copy: Checkout) -> None:
    ran = copy.run(REPORT, *MINI)
    assert ran.status == 0, ran.output
    probed = {"task-bbc", "task_rows-bbc", "probing-bbc-sae", "probing-bbc-transcoder"}
    assert ran.computed == {"reconstruction", "report", *probed}
    html = (copy.work / REPORT).read_text()
    assert not Fetched(html).addresses
    shown = parts(html)
    result = json.loads((copy.work / HEADLINE).read_bytes())
    assert result["verdict"]
    assert (copy.work / PAGE).read_text().split("**")[1] in re.sub("<.*?>", "", shown["workflow-desc"])
    assert set(shown["categories"]) == {"Head-to-head", "Reconstruction", "Controls"}
    assert len(shown["results"]) == 8
    assert all("<p>" in entry["caption"] for entry in shown["results"].values())
    page = decoded(shown["results"][PAGE])
    assert not Fetched(page).addresses
    assert f'<td style="text-align:right">{result["metrics"]["detection"]["diff"]:+.3f}</td>' in page
    assert 'src="data:image/png;base64,' in page
    assert decoded(shown["results"]["results/headtohead_autointerp.svg"]).startswith("<?xml")
    assert not copy.run(REPORT, *MINI).launched

    copy.edit(*TEXT)
    assert copy.run(HEADLINE, *MINI).status == 0
    assert not (copy.work / REPORT).exists()
    (copy.code / "docs/report/reconstruction.rst").write_text("Another caption.")
    assert copy.run(REPORT, *MINI).computed == {"report"}
    shown = parts((copy.work / REPORT).read_text())["results"]
    assert "chance is 0.5" in decoded(shown[PAGE])
    assert "Another caption." in shown["results/reconstruction.md"]["caption"]

    (copy.code / "docs/report/reconstruction.rst").unlink()
    ran = copy.run(REPORT, *MINI)
    assert ran.status != 0
    assert "Snakemake cannot make the report: Error loading caption file" in ran.output
    assert not (copy.work / REPORT).exists()
