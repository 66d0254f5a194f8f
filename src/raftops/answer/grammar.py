"""The words by which a message shows that it leans on the one before: a table by language, no logic.

English and German are whole; the other languages have what opens an ellipsis ("And in Ireland?") and nothing more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from raftops.retrieval.stopwords import STOP_WORDS

_NONE = re.compile(r"(?!)")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


@dataclass(frozen=True)
class Grammar:
    """Function words of one language, lower-cased."""

    opener: re.Pattern[str]
    """What opens a message that goes on with the one before."""
    closer: re.Pattern[str] = re.compile(r"(?!)")
    """What closes one: "too", "as well"."""
    prepositions: frozenset[str] = frozenset()
    articles: frozenset[str] = frozenset()
    asking: frozenset[str] = frozenset()
    """Words that a whole question begins with."""
    light: frozenset[str] = frozenset()
    """Words without a topic of their own, which part one phrase from the next."""
    singular: frozenset[str] = frozenset()
    """Pronouns for one thing."""
    plural: frozenset[str] = frozenset()
    """Pronouns for several."""
    pointing: frozenset[str] = frozenset()
    """This and that: pronouns only where no noun follows and none stands before."""
    owning: frozenset[str] = frozenset()
    """Possessives: what owns may stand anywhere before them."""
    persons: frozenset[str] = frozenset()
    """Pronouns for people, whom the answer before may have named."""
    empty: re.Pattern[str] = _NONE
    """Pronouns that stand for nothing: "is it possible to"."""
    clause: re.Pattern[str] = _NONE
    """Where a clause ends: a noun before it may be what a pronoun after it stands for."""
    action: re.Pattern[str] = _NONE
    """What stands for a whole action: "do that"."""
    actor: frozenset[str] = frozenset()
    """Those who ask, beside whom a verb stands."""
    verb_last: bool = True
    """Whether the verb follows the actor ("do I report") or comes before ("beantrage ich")."""
    nouns_are_capital: bool = False


_ENGLISH = Grammar(
    opener=re.compile(
        r"(?:(?:ok(?:ay)?|so|well|and|but|or|also|then)\b[,\s]*)*"
        r"(?:(?:what|how)\s+about|(?:the\s+)?same(?:\s+question)?(?=\s+(?:for|in|at)))?\s*",
        re.IGNORECASE,
    ),
    closer=re.compile(r"[,\s]*\b(?:too|as\s+well|also|instead|then)\s*(?=\W*$)", re.IGNORECASE),
    prepositions=_words(
        "in on at for to from of by with within during before after under without about until since between into over"
    ),
    articles=_words("a an the my our your any all this these those that its their no"),
    asking=_words(
        "what who whom whose which when where why how is are was were do does did can could may might must shall should"
        " will would has have had am if isn't aren't don't doesn't can't tell give show list write please explain name"
        " describe find make put turn draft rewrite translate summarise summarize convert thanks thank"
    ),
    light=STOP_WORDS["english"]
    | _words(
        "may might must shall would could cannot can't don't doesn't isn't aren't get gets got need needs many much"
        " long often far else please there it's what's also still us too usually normally exactly apply applies"
        " happen happens last include take takes go does did been one ones way per tell me show give"
        " say says mean means be used use allowed"
    ),
    singular=_words("it"),
    plural=_words("they them"),
    pointing=_words("this that these those"),
    owning=_words("its their"),
    persons=_words("he she him her his"),
    empty=re.compile(
        r"\bit\s+(?:\w+\s+){0,2}(?:to|that)\b|\bit\s+(?:ok|okay|fine|possible|allowed|permitted|legal|enough|safe)\s+if\b"
        r"|\bit\s+(?:rains?|snows?)\b",
        re.IGNORECASE,
    ),
    clause=re.compile(
        r"[,.;:?!]|\b(?:if|but|when|while|because|after|before|and|or|once|unless|although)\b", re.IGNORECASE
    ),
    action=re.compile(r"\bdo(?:ing)?\s+(?:it|this|that|so)\b", re.IGNORECASE),
    actor=_words("i we you one they"),
)
_GERMAN = Grammar(
    opener=re.compile(
        r"(?:(?:ok(?:ay)?|und|aber|oder|auch|dann)\b[,\s]*)*"
        r"(?:was\s+ist\s+mit|wie\s+(?:ist|steht|sieht)\s+es\s+(?:mit|um|bei)|gleiches)?\s*",
        re.IGNORECASE,
    ),
    closer=re.compile(r"[,\s]*\b(?:auch|ebenfalls|aus|stattdessen)\s*(?=\W*$)", re.IGNORECASE),
    prepositions=_words(
        "in im ins für bei beim nach von vom aus an am auf mit zu zum zur während vor ab bis ohne über unter pro"
    ),
    articles=_words("der die das den dem des ein eine einen einem einer eines mein meine meinen unser unsere"),
    asking=_words(
        "was wer wen wem wessen welche welcher welches welchen wann wo woher wohin warum wieso wie wieviel ist sind war"
        " darf dürfen kann können muss müssen soll sollen wird werden hat haben gibt gilt gelten bekomme bekommen"
        " bekommt brauche brauchen braucht wenn bitte schreibe fasse übersetze nenne zeige danke"
    ),
    light=STOP_WORDS["german"]
    | _words(
        "darf dürfen können soll sollen werden wurde welche welcher welches welchen viele viel lange oft hoch bitte"
        " gibt gilt gelten bekomme bekommen bekommt brauche brauchen braucht habe hast haben sind seid mich mir uns"
        " wann warum wieso wem wen dort hier wird werden"
    ),
    singular=_words("es ihn ihm"),
    plural=_words("sie ihnen"),
    pointing=_words("das dies dieses diese diesen dafür davon damit dazu darüber daran darauf dort"),
    persons=_words("er"),
    empty=re.compile(
        r"\b(?:gibt\s+es|es\s+gibt)\b|\bes\s+\w+(?:,|\s+(?:dass|zu|wenn))|\bwie\s+(?:ist|steht|sieht)\s+es\b"
        r"|\bgeht\s+es\b|\bhandelt\s+es\b",
        re.IGNORECASE,
    ),
    clause=re.compile(r"[,.;:?!]|\b(?:wenn|aber|falls|weil|nachdem|bevor|und|oder|sobald)\b", re.IGNORECASE),
    action=re.compile(r"\b(?:das|es)\s+(?:tun|machen)\b", re.IGNORECASE),
    actor=_words("ich wir man"),
    verb_last=False,
    nouns_are_capital=True,
)


def _ellipsis(opener: str, prepositions: str) -> Grammar:
    return Grammar(opener=re.compile(rf"[¿\s]*(?:(?:{opener})\s+)?", re.IGNORECASE), prepositions=_words(prepositions))


GRAMMARS: dict[str, Grammar] = {
    "english": _ENGLISH,
    "german": _GERMAN,
    "french": _ellipsis("et|mais|ou", "en à au aux pour dans chez de du des avec sans"),
    "spanish": _ellipsis("y|pero|o|e|qué tal|y qué pasa con", "en a al para de del con sin por"),
    "italian": _ellipsis("e|ed|ma|o", "in a al alla per da dal di del con senza"),
    "dutch": _ellipsis("en|maar|of|hoe zit het met", "in voor bij naar van met aan op zonder"),
    "portuguese": _ellipsis("e|mas|ou", "em no na nos nas para de do da com sem por"),
}
