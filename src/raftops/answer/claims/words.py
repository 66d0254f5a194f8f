"""A text as words: stems, what carries meaning, where a sentence begins. Scripts without spaces become bigrams."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from raftops.retrieval.bm25 import stem
from raftops.retrieval.stopwords import STOP_WORDS

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff"
UNSPACED = re.compile(f"[{_UNSPACED}]+")
_TOKEN = re.compile(f"[{_UNSPACED}]+|n't\\b|\\d+(?:[.,:/]\\d+)*|[^\\W\\d_{_UNSPACED}]+(?:'[^\\W\\d_{_UNSPACED}]+)*|\\|")
_SAME = str.maketrans({**dict.fromkeys("\u2018\u2019\u201b`", "'"), **dict.fromkeys("\u2010\u2011\u2212", "-")})
_BREAK = re.compile(r"[.!?:;|\u2022\n\"\u201c(\[]\s*$|^\s*$")
_SHORT = 3
"""In a language without a list of stop words, a word of so few letters is one."""

_CONTRACTED = re.compile(r"\b(can(?=not\b)|\w+?(?= ?n't\b))(?:not\b| ?(n't)\b)", re.IGNORECASE)
_WHOLE = {"ca": "can", "wo": "will", "sha": "shall"}

LIGHT = {
    "english": """
        also well however therefore additionally addition eventually mainly mostly currently recently besides though
        although whereas while among within without upon per via etc get gets got getting give gives given gave giving
        take takes took taken make makes made making receive receives received mean means go goes went use uses used
        using say says said fall falls run runs begin begins began happen happens occur occurs involve involves refer
        refers include includes included including apply applies applied consist consists contain contains become
        becomes became exist exists allow allows allowed need needs needed have having put write writes wrote written
        answer answers known called name named due term terms fact thing things way ways people person someone
        anyone everyone one ones time times yes may might must shall let done doing it its they them he she s t
        amount located considered present different total number pay pays paid work works come comes came keep
        """,
    "german": """
        auch jedoch daher außerdem zudem derzeit etwa dabei dafür dazu davon daran hierfür somit also beziehungsweise
        bekommen bekommt erhalten erhält geben gibt gegeben machen macht nehmen nimmt gelten gilt betragen beträgt
        dürfen darf sollen soll muss müssen möchten wollen will werden wurde wurden worden haben hatte sein waren
        liegen liegt stehen steht gehen geht kommen kommt verwenden verwendet nennen heißt heißen bedeutet umfasst
        enthält brauchen braucht dauern dauert kosten kostet ja dort hier jeweils pro beim ins sowie bzw jemand
        """,
    "french": """
        aussi cependant donc ainsi alors être avoir faire fait font donner donne recevoir reçoit reçoivent prendre prend
        falloir faut devoir doit doivent pouvoir peut peuvent mettre obtenir obtient utiliser utilise signifie appelé
        oui après chaque dont plus très
        """,
    "spanish": """
        también además así entonces ser estar haber hacer hace hacen dar da dan recibir recibe reciben tomar toma deber
        debe deben poder puede pueden tener tienen obtener obtiene usar usa significa llamado sí cada según dicho
        """,
    "italian": """
        anche inoltre quindi così essere avere fare fa fanno dare dà danno ricevere riceve ricevono prendere prende
        dovere deve devono potere può possono ottenere ottiene usare usa significa chiamato sì ogni secondo viene
        """,
    "dutch": """
        bovendien daarom dus zijn hebben heeft doen doet geven geeft krijgen krijgt ontvangen ontvangt nemen neemt
        moeten moet mogen mag kunnen gebruiken gebruikt betekent heet ja elke per volgens worden wordt
        """,
    "portuguese": """
        além assim então ser estar haver fazer faz fazem dar dá dão receber recebe recebem tomar toma dever deve devem
        poder pode podem ter têm obter obtém usar usa significa chamado sim cada segundo conforme
        """,
}
"""Words beside the stop words that a restatement adds without saying more."""


@dataclass(frozen=True)
class Word:
    """One word of a text."""

    text: str
    low: str
    stem: str
    start: int
    content: bool
    """Carries meaning: neither a stop word nor light."""
    weighty: bool
    """No stop word."""
    first: bool
    """Begins a sentence, a line or a cell."""


def plain(text: str) -> str:
    """One form of apostrophes, hyphens and composed letters; "can't" and "cannot" as two words. Twice is as once."""
    text = unicodedata.normalize("NFC", text).translate(_SAME)
    if "n't" in text.lower() or "cannot" in text.lower():
        text = _CONTRACTED.sub(lambda m: f"{_WHOLE.get(m[1].lower(), m[1])} {m[2] or 'not'}", text)
    return text


@lru_cache(maxsize=16)
def light_stems(language: str) -> frozenset[str]:
    """Stems of the light words."""
    return frozenset(stem(word, language) for word in LIGHT.get(language, "").split())


@lru_cache(maxsize=16384)
def words(text: str, language: str) -> tuple[Word, ...]:
    """The words of a text, in order; numbers among them, table bars as `|`."""
    text = plain(text)
    found = []
    for match in _TOKEN.finditer(text):
        said, start = match.group(), match.start()
        if UNSPACED.match(said):
            pieces = [said[i : i + 2] for i in range(max(1, len(said) - 1))]
            found += [Word(piece, piece.lower(), piece, start + i, True, True, False) for i, piece in enumerate(pieces)]
            continue
        low = said.lower().removesuffix("'s")
        first = bool(_BREAK.search(text[max(0, start - 4) : start])) or start == 0
        known = _IRREGULAR.get(low, low) if language == "english" else low
        stemmed = low if low[0].isdigit() or low == "|" or language == "none" else stem(known, language)
        weighty = _weighs(low, language)
        content = weighty and stemmed not in light_stems(language)
        found.append(Word(said, said.lower(), "not" if low == "n't" else stemmed, start, content, weighty, first))
    return tuple(found)


def _weighs(low: str, language: str) -> bool:
    if not low[0].isalpha():
        return False
    stop = STOP_WORDS.get(language)
    if stop is None:
        return len(low) > _SHORT
    return low not in stop and len(low) > 1 and not low.endswith("n't")


def contents(text: str, language: str) -> frozenset[str]:
    """Stems of the words of a text that carry meaning."""
    return frozenset(word.stem for word in words(text, language) if word.content)


def alike(left: str, right: str) -> bool:
    """Whether two stems are forms of one word: a long beginning in common, or a part of a compound."""
    short, long = sorted((left, right), key=len)
    if len(short) < 4:
        return left == right
    if long.startswith(short) and (len(long) - len(short) <= 4 or len(short) >= 6):
        return True
    if len(short) >= 6 and short[1:] in long and long.endswith(short):
        return True
    shared = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    return shared >= 5 and shared >= len(long) - 3 and shared >= 0.65 * len(long)


_IRREGULAR = dict(
    pair.split(">")
    for pair in re.split(
        r"\s+",
        """bought>buy brought>bring built>build chose>choose chosen>choose did>do drawn>draw drew>draw fallen>fall
        fed>feed felt>feel fought>fight found>find gave>give given>give gone>go grew>grow grown>grow held>hold kept>keep
        knew>know known>know laid>lay led>lead left>leave lent>lend lost>lose made>make meant>mean met>meet paid>pay
        ran>run rose>rise said>say sang>sing sung>sing sat>sit saw>see seen>see sent>send shown>show sold>sell
        spent>spend spoke>speak spoken>speak stood>stand taken>take taught>teach thought>think told>tell took>take
        went>go won>win wore>wear worn>wear written>write wrote>write children>child
        people>person men>man women>woman""",
    )
)
"""English forms that the stemmer does not join."""
