"""A page of Markdown as one HTML file that needs no other: its pictures are in it, and what it quotes stays text."""

import base64
import mimetypes
from html import escape
from pathlib import Path

from markdown_it import MarkdownIt

from sparring.errors import SparringError

_STYLE = """
body { max-width: 72rem; margin: 2rem auto; padding: 0 1.5rem; font: 15px/1.5 system-ui, sans-serif; color: #222; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.2em; }
table { display: block; width: fit-content; max-width: 100%; overflow-x: auto; border-collapse: collapse; }
th, td { padding: 0.3em 0.8em; font-size: 13px; border-bottom: 1px solid #ddd; vertical-align: top; }
th { border-bottom-color: #222; } td { font-variant-numeric: tabular-nums; }
td[style*="right"] { white-space: nowrap; }
img { max-width: 100%; } code { font-size: 0.9em; overflow-wrap: anywhere; }
"""


def html_page(page: Path) -> str:
    """The Markdown file `page` as HTML. Pictures it names relative to itself become part of it.

    HTML in the page is shown as text: pages quote explanations, which a model wrote. Raises SparringError for a picture
    that is not there.
    """
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(page.read_text(encoding="utf-8"))
    for token in tokens:
        for child in token.children or []:
            if child.type == "image":
                child.attrs["src"] = _data_uri(page, str(child.attrs["src"]))
    body = markdown.renderer.render(tokens, markdown.options, {})
    head = f'<meta charset="utf-8"><title>{escape(page.stem)}</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}</body></html>\n'


def _data_uri(page: Path, source: str) -> str:
    picture = page.parent / source
    if not picture.is_file():
        raise SparringError(f"{page} shows {source!r}, which is no file beside it; the page's rule has to make it")
    kind = mimetypes.guess_type(source)[0] or "application/octet-stream"
    return f"data:{kind};base64,{base64.b64encode(picture.read_bytes()).decode()}"
