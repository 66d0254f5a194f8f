"""Texts that are shown: nothing in them is a link, an image or HTML, and nothing in them cannot be seen.

Whatever a document, a model or a caller wrote reaches screens that render Markdown. Links come from citations alone,
whose addresses pass `safe_uri`. Verbatim quotes keep their characters and offsets: they are for programs, which must
escape them as any text that others wrote.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

SCHEMES = frozenset({"", "http", "https", "mailto"})
"""Of addresses that a citation may have; without a scheme it is a path."""
INVISIBLE = re.compile(
    "[\u200b\u200e\u200f\u061c\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\u00ad\u034f\u180e\ufff9-\ufffb"
    "\U000e0000-\U000e0fff]|(?<![^\x00-\u024f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\u024f])"
)
"""Marks of direction, of no width, tags, and joiners that join nothing."""
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_LINK = re.compile(r"!?\[(?P<text>[^\[\]\n]{0,500})\]\((?:[^()\n]|\([^()\n]*\)){0,2000}\)")
_DEFINED = re.compile(r"^([ \t>*+-]{0,12}\[[^\]\n]{1,200}\])(:)(?=\s*\S)", re.MULTILINE)
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_CODE = re.compile(r"(?<![\\`])(`+)(?!`)[^`\n|](?:[^\n|]{0,500}?[^`\n|])?\1(?!`)")
"""Code within a line: every reader of Markdown takes it as such, and links nothing in it."""
_STRAY = re.compile(r"^(?P<fence> {0,3}`{3,}[\w -]{0,40})$|`", re.MULTILINE)
_ADDRESS = re.compile(
    r"(?<![^\W_])((?:[a-z][a-z0-9+.-]{1,20}://|www\.)[^\s<>`\u201c\u201d\"]*[^\s<>`\u201c\u201d\".,;:!?)\]}'])", re.I
)


def visible(text: str) -> str:
    """Without what nobody sees and what turns the direction of a line."""
    return _CONTROL.sub("", INVISIBLE.sub("", text))


def inert(text: str) -> str:
    """As text alone: a link or an image is its words, a tag has other brackets, an address is code to be copied."""
    text = visible(text)
    before = ""
    while before != text:  # a link around an image is one more turn
        before, text = text, _LINK.sub(lambda m: m["text"], text)
    text = text.replace("](", "] (").replace("![", "! [")
    text = _DEFINED.sub(r"\1 :", text)
    text = _TAG.sub("\u2039", text)
    parts, at = list[str](), 0
    for code in _CODE.finditer(text):
        parts += [text[at : code.start()], code[0]]
        at = code.end()
    parts.append(text[at:])
    if any(map(_ADDRESS.search, parts[::2])):  # a backtick that begins no code of its own would end theirs
        alone = (_STRAY.sub(lambda m: m["fence"] or "'", part) for part in parts[::2])
        parts[::2] = [_ADDRESS.sub(r"`\1`", part) for part in alone]
    return "".join(parts)


def safe_uri(uri: str) -> str:
    """An address that a click may open; empty where its scheme is none of `SCHEMES`."""
    shown = re.sub(r"[^\S ]|\\", "", visible(uri)).strip()  # names of files hold spaces
    try:
        scheme = urlsplit(shown).scheme.lower()
    except ValueError:
        return ""
    local = not scheme and shown.startswith("//")
    return uri if scheme in SCHEMES and not local and shown == uri else ""
