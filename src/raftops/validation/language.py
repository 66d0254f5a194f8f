"""Is a text in another language than it should be? Stop words and scripts only; in doubt it is not.

Short texts, code, tables and languages without a list here are never held to be foreign.
"""

from __future__ import annotations

import re
import unicodedata

_STOP = {
    "de": "der die das und ist nicht mit den von zu ein eine auf für im dem des sich als auch werden wird bei oder "
    "nach sind wie einen einer aus zum zur kann haben wenn über sie wir ihr müssen",
    "en": "the of and to in is that for it as with on are be this by you or an at from not have your if can which "
    "will we must may their when all has any should do what how who they them our was were been there these those",
    "es": "el la los las de del y que en un una es por con para no se su al lo como más pero sus le ya o este sí "
    "porque esta son entre cuando muy sin sobre también debe puede está",
    "fr": "le la les de des du et un une est que qui dans pour pas sur au aux avec ce cette il elle ne se par plus "
    "sont ou vous nous votre leur être ces doit peut mais comme",
    "it": "il lo la gli le di del della dei e un una è che in per non con si da al alla come più ma sono su nel nella "
    "anche o questo questa deve può essere ogni",
    "nl": "de het een en van in is dat op te zijn voor met niet aan er om ook als bij naar uit door over je wordt "
    "worden kan moet deze die dit heeft hebben",
    "pt": "o a os as de do da dos das e que em um uma é para por com não se na no nas nos ao mais como mas foi ou "
    "seu sua são pelo pela deve pode este esta quando também",
}  # fmt: skip
_STOP_WORDS = {code: frozenset(words.split()) for code, words in _STOP.items()}
_WORD = re.compile(r"[^\W\d_]+")
_WORDS_MIN = 25
_SAMPLE = 20_000
_LETTERS_MIN = 60


def foreign_language(text: str, expected: str) -> str | None:
    """The language that a text is clearly in where that is not the expected one; None in every other case."""
    if expected == "any" or expected not in _STOP_WORDS:
        return None
    sample = text[:_SAMPLE].lower()
    # A script other than Latin, where most letters are of it.
    letters = [c for c in sample[:2000] if c.isalpha()]
    other = [c for c in letters if not unicodedata.name(c, "LATIN").startswith("LATIN")]
    if len(letters) >= _LETTERS_MIN and len(other) >= 0.6 * len(letters):
        return f"{unicodedata.name(other[0]).split()[0].capitalize()} script"
    words = _WORD.findall(sample)
    if len(words) < _WORDS_MIN:
        return None
    shares = {code: sum(w in stop for w in words) / len(words) for code, stop in _STOP_WORDS.items()}
    best = max(sorted(shares), key=shares.__getitem__)
    # Languages share stop words: clear is twice as many as the expected one has, and few of those.
    clear = shares[best] >= 0.18 and shares[best] >= 2 * shares[expected] and shares[expected] < 0.2
    return best if clear else None
