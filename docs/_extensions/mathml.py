"""Formulas as MathML, which browsers draw and screen readers speak by themselves: no script, no font, no network."""

from __future__ import annotations

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util.logging import getLogger
from sphinx.writers.html5 import HTML5Translator

logger = getLogger(__name__)


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx of this way to write formulas."""
    app.add_html_math_renderer("mathml", inline_renderers=(_inline, None), block_renderers=(_block, None))
    app.config.html_math_renderer = "mathml"
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _inline(writer: HTML5Translator, node: nodes.math) -> None:
    writer.body.append(_mathml(node))
    raise nodes.SkipNode


def _block(writer: HTML5Translator, node: nodes.math_block) -> None:
    writer.body.append(f'<div class="formula">{_mathml(node, display="block")}</div>\n')
    raise nodes.SkipNode


def _mathml(node: nodes.math | nodes.math_block, **how: str) -> str:
    """Convert a formula; the converter lets pass what it does not know."""
    made = convert(node.astext(), **how)
    if "\\" in made:
        logger.warning("a command in this formula has no MathML: %s", node.astext(), location=node)
    return made
