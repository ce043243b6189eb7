"""A page of Markdown as HTML: tables, pictures in the file, quoted HTML as text; a study survives JSON."""

import base64
import json
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml
from checkout import ROOT

from sparring.canonical import canonical_json
from sparring.errors import SparringError
from sparring.html_page import html_page
from sparring.study import read_study

PAGE = """# Arms of `a` & b

**Verdict.**

![scores](picture.png)

| arm | AUROC |
| --- | ---: |
| <script>alert(1)</script> \\| x | 0.813 |
"""


def test_page_has_its_table_and_its_picture(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(PAGE)
    (tmp_path / "picture.png").write_bytes(b"bytes of a picture")
    html = html_page(tmp_path / "page.md")
    assert "<title>page</title>" in html
    assert f'src="data:image/png;base64,{base64.b64encode(b"bytes of a picture").decode()}"' in html
    assert '<td style="text-align:right">0.813</td>' in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; | x</td>" in html


def test_picture_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("![far](https://x.org/a.png)")
    with pytest.raises(SparringError, match=r"page\.md shows 'https://x\.org/a\.png', which is no file beside it"):
        html_page(tmp_path / "page.md")


@pytest.mark.parametrize("path", sorted(ROOT.glob("config/studies/*.yaml")), ids=lambda path: path.stem)
def test_report_plans_the_same_study(path: Path) -> None:
    study = read_study(yaml.safe_load(path.read_text()))
    assert read_study(json.loads(canonical_json(asdict(study)))) == study
