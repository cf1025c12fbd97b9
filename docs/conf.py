"""Sphinx configuration."""

import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from polytask import __version__

sys.path.insert(0, str(Path(__file__).parent))

project = "polytask"
author = "The polytask authors"
release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "methods_table"]
html_theme = "furo"
html_title = f"polytask {release}"
myst_heading_anchors = 3
myst_enable_extensions = ["amsmath", "dollarmath"]
autodoc_member_order = "bysource"
autodoc_typehints = "description"
napoleon_use_ivar = True  # attributes are part of the description of their class, and are not documented again as members
suppress_warnings = ["ref.python"]  # several classes have attributes of one name
exclude_patterns = ["_build"]


def name_the_language(app: Sphinx, page: str, template: str, context: dict[str, Any], tree: object) -> None:
    """Tell browsers and screen readers that the pages below zh/ are Chinese."""
    if page.startswith("zh/"):
        context["language"] = "zh-CN"


# What the theme leaves out for those who use keys or a screen reader: levels of headings, and access to what scrolls.
REACHABLE = {
    '<p class="caption" role="heading">': '<p class="caption" role="heading" aria-level="2">',
    "<pre>": '<pre tabindex="0">',
    '<div class="table-wrapper': '<div tabindex="0" class="table-wrapper',
}


def make_reachable(app: Sphinx, page: str, template: str, context: dict[str, Any], tree: object) -> None:
    """Let keys reach everything that scrolls, and give headings of the contents a level."""
    for part in ("body", "furo_navigation_tree"):
        for old, new in REACHABLE.items():
            if isinstance(context.get(part), str):
                context[part] = context[part].replace(old, new)


def setup(app: Sphinx) -> None:
    """Connect to the writing of pages."""
    app.connect("html-page-context", name_the_language)
    app.connect("html-page-context", make_reachable, priority=900)  # after the theme has made its contents
