"""Names and places: what a claim names must stand in its source, and what a question names must not be another place.

Names are capitalised words inside a sentence. In German, where every noun has a capital, only a word behind a
preposition without an article, or one of the table of countries. No table of people, firms or cities.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from raftops.answer.claims.tables import MONTHS, SHORT_MONTHS, WEEKDAYS, kind_of, number_words
from raftops.answer.claims.words import Word, alike, words

COUNTRIES = """
    Australia:Australian,Australien,Australie,Austria:Austrian,Österreich,Autriche,Oostenrijk,Áustria
    Belgium:Belgian,Belgien,Belgique,Bélgica,Belgio,België Brazil:Brazilian,Brasilien,Brésil,Brasil,Brasile
    Bulgaria:Bulgarian,Bulgarien Canada:Canadian,Kanada,Canadá Chile:Chilean China:Chinese,Chine,Cina
    Colombia:Colombian Croatia:Croatian,Kroatien Cyprus:Cypriot,Zypern Czechia:Czech,Tschechien
    Denmark:Danish,Dänemark,Danemark,Dinamarca,Danimarca,Denemarken Egypt:Egyptian,Ägypten England:English
    Estonia:Estonian,Estland Finland:Finnish,Finnland,Finlande,Finlandia
    France:French,Frankreich,Francia,Frankrijk,França
    Germany:German,Deutschland,Allemagne,Alemania,Germania,Duitsland,Alemanha,Deutsche Greece:Greek,Griechenland,Grèce
    Hungary:Hungarian,Ungarn Iceland:Icelandic,Island India:Indian,Indien,Inde Indonesia:Indonesian Iran:Iranian
    Iraq:Iraqi
    Ireland:Irish,Irland,Irlande,Irlanda,Ierland Israel:Israeli Italy:Italian,Italien,Italie,Italia,Itália,Italië
    Japan:Japanese,Japon,Japón,Giappone Kenya:Kenyan Korea:Korean Latvia:Latvian,Lettland Lithuania:Lithuanian,Litauen
    Luxembourg:Luxemburg,Luxemburgo Malaysia:Malaysian Malta:Maltese Mexico:Mexican,Mexiko,México,Mexique
    Morocco:Moroccan,Marokko Netherlands:Dutch,Niederlande,Niederlanden,Nederland,Holanda,Olanda,Países
    Nigeria:Nigerian Norway:Norwegian,Norwegen,Norvège,Noruega,Norvegia,Noorwegen Pakistan:Pakistani Peru:Peruvian
    Philippines:Filipino Poland:Polish,Polen,Pologne,Polonia,Polônia Portugal:Portuguese,Portogallo,Portugiesisch
    Romania:Romanian,Rumänien Russia:Russian,Russland,Russie,Rusia Scotland:Scottish Serbia:Serbian,Serbien
    Singapore:Singaporean,Singapur Slovakia:Slovak,Slowakei Slovenia:Slovenian,Slowenien
    Spain:Spanish,Spanien,Espagne,España,Spagna,Spanje,Espanha Sweden:Swedish,Schweden,Suède,Suecia,Svezia,Zweden
    Switzerland:Swiss,Schweiz,Suisse,Suiza,Svizzera,Zwitserland,Suíça Thailand:Thai Turkey:Turkish,Türkei,Turquie
    Ukraine:Ukrainian Vietnam:Vietnamese Wales:Welsh Africa:African Asia:Asian Europe:European,Europa
"""
"""Countries (and continents) with the words for who is from there, in the languages with tables."""
PRONOUNS = {
    "english": frozenset(["he", "she", "it", "they", "his", "her", "its", "their", "this", "these", "him", "them"]),
    "german": frozenset(["er", "sie", "es", "dieser", "diese", "dieses", "ihr", "ihre", "sein", "seine", "ihn", "ihm"]),
    "french": frozenset(["il", "elle", "ils", "elles", "ce", "cette", "ces", "son", "sa", "ses", "leur", "leurs"]),
    "spanish": frozenset(["él", "ella", "ellos", "ellas", "este", "esta", "estos", "su", "sus"]),
    "italian": frozenset(["lui", "lei", "loro", "questo", "questa", "questi", "suo", "sua", "suoi"]),
    "dutch": frozenset(["hij", "zij", "ze", "het", "deze", "dit", "zijn", "haar", "hun"]),
    "portuguese": frozenset(["ele", "ela", "eles", "elas", "este", "esta", "estes", "seu", "sua", "seus"]),
}
_CONTINENTS = frozenset({"Africa", "Asia", "Europe"})
_PLACE = {"german": "in nach aus bei"}


@lru_cache(maxsize=1)
def _countries() -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in re.split(r"[\s]+", re.sub(r",Austria:", " Austria:", COUNTRIES).strip()):
        country, _, forms = entry.partition(":")
        for form in (country, *forms.split(",")):
            if form:
                found[form.lower()] = country
    return found


@lru_cache(maxsize=16)
def _common(language: str) -> frozenset[str]:
    """Capitalised words that are no names: days, months, units, number words."""
    days = " ".join(f"{WEEKDAYS['english']} {WEEKDAYS.get(language, '')} {MONTHS['english']} {SHORT_MONTHS}".split())
    more = f"{days} {MONTHS.get(language, '')} i i'm i'll ok yes no mr mrs ms dr".split()
    return frozenset([*more, *kind_of(), *number_words(language)])


def countries(said: Sequence[Word]) -> frozenset[str]:
    """The countries that a text is about."""
    known = _countries()
    return frozenset(known[w.low] for w in said if w.text[0].isupper() and w.low in known)


def names(said: Sequence[Word], language: str) -> list[Word]:
    """The names in a text."""
    found = []
    for before, word in zip((None, *said), said, strict=False):
        if not word.text[0].isupper() or word.low in _common(language) or not word.content:
            continue
        if word.low in _countries():
            found.append(word)
        elif language == "german":
            if before and before.low in _PLACE["german"].split():
                found.append(word)
        elif not word.first:
            found.append(word)
    return found


def strange(claim: str, source: str, language: str, beside: str = "") -> str:
    """A name of a claim that its source does not have; empty if there is none.

    `beside` is what a pronoun of the source may stand for: people and things, never a country.
    """
    shown = words(source, language)
    stems, lows = {w.stem for w in shown}, [w.low for w in shown]
    places, known = countries(shown), _countries()
    stems |= {w.stem for w in words(beside, language)}
    initials = "".join(low[0] for low in lows)
    for name in names(words(claim, language), language):
        if name.low in known:
            if known[name.low] not in places:
                return name.text
            continue
        short = name.text.isupper() and len(name.text) > 1 and name.low in initials
        if name.stem in stems or name.low in lows or short:
            continue
        if not any(alike(name.stem, stem) for stem in stems):
            return name.text
    return ""


def elsewhere(question: str, source: str, language: str) -> str:
    """Another country that a source speaks of, where a question asks about one that it does not name."""
    asked, shown = countries(words(question, language)), countries(words(source, language))
    if asked & _CONTINENTS:
        return ""
    return ", ".join(sorted(shown)) if asked and shown and not asked & shown else ""
