"""List of the sections of a page, with links to them."""

from __future__ import annotations

import re

PLACE = "<!-- contents -->"
"""Comment of the templates that the list takes the place of."""

HEADING = re.compile(r"<h2>([^<]+)</h2>")
FEWEST = 3


def with_contents(page: str) -> str:
    """Give every section heading of a page an anchor, and list them where the template says so.

    A page of few sections has no list. Names from data are escaped before, so that none of them is taken for a heading.

    Args:
        page: Rendered page with headings `<h2>`.

    Example:
        >>> page = "<!-- contents --><h2>Verdict</h2><h2>Cost</h2><h2>Files of this run</h2>"
        >>> with_contents(page).partition("</a>")[0]
        '<nav class="contents" aria-label="Contents"><a href="#verdict">Verdict'
        >>> with_contents(page).endswith('<h2 id="files-of-this-run">Files of this run</h2>')
        True
    """
    titles = HEADING.findall(page)
    words = [_anchor(title) for title in titles]
    anchors = [f"{word}-{earlier + 1}" if (earlier := words[:place].count(word)) else word for place, word in enumerate(words)]
    unused = iter(anchors)
    page = HEADING.sub(lambda found: f'<h2 id="{next(unused)}">{found[1]}</h2>', page)
    links = "".join(f'<a href="#{anchor}">{title}</a>' for anchor, title in zip(anchors, titles, strict=True))
    listed = f'<nav class="contents" aria-label="Contents">{links}</nav>' if len(titles) >= FEWEST else ""
    return page.replace(PLACE, listed, 1)


def _anchor(title: str) -> str:
    """Return the letters and digits of a heading, as the name of its place."""
    return "-".join(re.findall(r"[a-z0-9]+", title.lower())) or "section"
