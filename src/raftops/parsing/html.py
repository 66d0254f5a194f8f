"""HTML to plain text: the main content, without navigation, footers, scripts and what is hidden. Tables become rows."""

from __future__ import annotations

import re
from pathlib import Path

from selectolax.lexbor import LexborHTMLParser, LexborNode

from raftops.parsing.document import Builder, Kind, Parsed, clean
from raftops.parsing.original import read_text

_DROPPED = (
    "script, style, noscript, template, nav, footer, svg, iframe, object, canvas, audio, video, button, select, "
    "dialog, [hidden], [aria-hidden=true], [role=navigation], [role=contentinfo], "
    '[style*="display:none"], [style*="display: none"]'
)
_BLOCKS = re.compile(
    r"address|article|aside|blockquote|body|caption|center|dd|details|div|dl|dt|fieldset|figcaption|figure|form"
    r"|header|hr|html|legend|li|main|ol|p|pre|section|summary|table|tbody|td|tfoot|th|thead|tr|ul"
)
_DEPTH_MAX = 150


def parse_html(path: Path) -> Parsed:
    """Read an HTML file."""
    source = read_text(path)
    tree = LexborHTMLParser(source)
    builder = Builder()
    found = tree.css_first("title")
    title = clean(found.text()) if found else ""
    add_html(builder, source)
    headings = tree.css("main h1, article h1") or tree.css("h1")
    only = clean(headings[0].text()) if len(headings) == 1 else ""
    return builder.build(only or title or builder.first_heading)


def add_html(builder: Builder, source: str, *, line: int | None = None) -> None:
    """Write the main content of some HTML to a builder; `line` is where it starts in a file around it."""
    tree = LexborHTMLParser(source)
    for node in tree.css(_DROPPED):
        if node.tag not in ("html", "body"):
            node.decompose()
    root = _main(tree)
    if root is not None:
        walk = _Walk(builder, line)
        walk.visit(root, 0)
        walk.flush()


def _main(tree: LexborHTMLParser) -> LexborNode | None:
    for selector in ("main", "[role=main]", "article"):
        found = tree.css(selector)
        if len(found) == 1 and clean(found[0].text()):
            return found[0]
    return tree.body or tree.root


class _Walk:
    """Visits nodes in order; inline text gathers until a block begins or ends."""

    def __init__(self, builder: Builder, line: int | None) -> None:
        self._builder = builder
        self._line = line
        self._buffer: list[str] = []
        self._lists: list[object] = []
        self._level = 0

    def flush(self) -> None:
        """Write what has gathered."""
        text = "".join(self._buffer)
        self._buffer = []
        if self._level:
            self._builder.heading(text, self._level, line=self._line)
        else:
            kind: Kind = "item" if self._lists else "paragraph"
            group = self._lists[-1] if self._lists else None
            self._builder.add(kind, text, line=self._line, group=group)

    def visit(self, node: LexborNode, depth: int) -> None:
        """Visit the children of a node; very deep ones give their text and no structure."""
        if depth > _DEPTH_MAX:
            self._buffer.append(node.text(deep=True, separator=" "))
            return
        child = node.child
        while child is not None:
            self._one(child, depth + 1)
            child = child.next

    def _one(self, node: LexborNode, depth: int) -> None:
        tag = node.tag or ""
        if tag == "-text":
            self._buffer.append(node.text(deep=False))
        elif tag in ("br", "wbr", "hr"):
            self._buffer.append(" " if tag == "br" else "")
        elif tag == "img":
            self._buffer.append(f" {node.attributes.get('alt') or ''} ")
        elif len(tag) == 2 and tag[0] == "h" and tag[1] in "123456":
            self._heading(node, int(tag[1]), depth)
        elif tag in ("pre", "table"):
            self.flush()
            self._pre(node) if tag == "pre" else self._table(node, depth)
        elif _BLOCKS.fullmatch(tag):
            self._block(node, tag, depth)
        elif tag != "-comment":
            self.visit(node, depth)

    def _heading(self, node: LexborNode, level: int, depth: int) -> None:
        self.flush()
        self._level, outer = level, self._level
        self.visit(node, depth)
        self.flush()
        self._level = outer

    def _block(self, node: LexborNode, tag: str, depth: int) -> None:
        self.flush()
        if listed := tag in ("ul", "ol"):
            self._lists.append(self._lists[0] if self._lists else object())
        self.visit(node, depth)
        self.flush()
        if listed:
            self._lists.pop()

    def _pre(self, node: LexborNode) -> None:
        self._builder.add("code", node.text(), line=self._line)

    def _table(self, table: LexborNode, depth: int) -> None:
        if table.css_first("td table, td h1, td h2, td h3, th table"):
            return self._block(table, "div", depth)
        caption = table.css_first("caption")
        if caption:
            self._builder.add("paragraph", caption.text(), line=self._line)
        rows = [[c for c in tr.iter() if c.tag in ("td", "th")] for tr in table.css("tr")]
        rows = [row for row in rows if row]
        if rows:
            first = rows[0]
            in_head = bool(first[0].parent and first[0].parent.parent and first[0].parent.parent.tag == "thead")
            texts = [[c.text(separator=" ") for c in row] for row in rows]
            self._builder.table(texts, has_header=in_head or all(c.tag == "th" for c in first), line=self._line)
        return None
