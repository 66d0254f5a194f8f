"""Does a claim say yes where its source says no? Negation, opposites, quantifiers, modals, and answers of yes and no.

Works on words and their order, not on grammar: negation is compared where claim and source are nearly the same words,
or within the clause that shares most of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import takewhile

from raftops.answer.claims.words import Word, alike, words

NEGATORS = {
    "english": """not no never cannot none nobody nothing neither nor without n't nowhere non except unless excluding
        forbidden prohibited banned forbid forbids prohibit prohibits disallowed barred excluded ineligible refused denied
        unavailable impossible exempt""",
    "german": """nicht kein keine keinen keinem keiner keines nie niemals niemand nichts ohne weder außer nirgends
        ausgenommen ausgeschlossen verboten untersagt unzulässig""",
    "french": """pas ne n jamais aucun aucune rien personne sans ni sauf excepté interdit interdite interdits interdites""",
    "spanish": "no nunca jamás ningún ninguno ninguna nadie nada sin ni tampoco salvo excepto prohibido prohibida",
    "italian": "non mai nessun nessuno nessuna niente nulla senza né neanche tranne eccetto salvo vietato vietata no",
    "dutch": "niet geen nooit niemand niets zonder noch behalve nergens verboden",
    "portuguese": "não nunca jamais nenhum nenhuma ninguém nada sem nem exceto salvo proibido proibida",
}
APART = {
    "english": "without except unless excluding nor", "german": "ohne außer ausgenommen", "french": "sans sauf excepté",
    "spanish": "sin salvo excepto", "italian": "senza tranne salvo eccetto", "dutch": "zonder behalve",
    "portuguese": "sem salvo exceto",
}  # fmt: skip
"""Negators of a thing, not of what is said."""
DOUBLED = {"french": ("ne", "n")}
"""Negators that stand beside another one; they count only where no other does."""
IDIOMS = {
    "english": (
        "no more than", "not more than", "no less than", "not less than", "no later than", "not later than",
        "no fewer than", "not fewer than", "no longer than", "no earlier than", "not earlier than", "not only", "or not",
        "no matter", "without exception", "without fail", "not exceed", "not exceeding", "no one other than",
        "whether or not", "not just", "no greater than", "non disclosure", "non profit", "not limited to",
        "not necessarily limited to", "not before", "not after",
    ),
    "german": ("nicht mehr als", "nicht weniger als", "nicht nur", "oder nicht", "ohne ausnahme", "nicht länger als",
               "nicht vor", "nicht nach", "nichts anderes als"),
    "french": ("pas plus de", "pas moins de", "non seulement", "sans exception"),
    "spanish": ("no más de", "no menos de", "no solo", "no sólo", "sin excepción"),
    "italian": ("non più di", "non meno di", "non solo", "senza eccezioni"),
    "dutch": ("niet meer dan", "niet minder dan", "niet alleen", "zonder uitzondering"),
    "portuguese": ("não mais de", "não menos de", "não só", "sem exceção"),
}  # fmt: skip
"""Phrases whose negator denies nothing; bounds are compared with their number."""
LIMITING = {
    "english": "only instead solely exclusively rather just", "german": "nur ausschließlich lediglich stattdessen sondern",
    "french": "seulement uniquement plutôt", "spanish": "solo sólo únicamente solamente", "italian": "solo soltanto solamente",
    "dutch": "alleen slechts uitsluitend", "portuguese": "só somente apenas",
}  # fmt: skip
"""Words that limit what is said, so that a "no" may rest on them though they deny nothing."""
BREAKS = {
    "english": """if when because who which that where while whereas but unless except although though since as so
        until""",
    "german": "wenn falls weil der die das welche welcher wo während aber obwohl sofern damit dass sondern",
    "french": "si quand parce qui que où mais bien lorsque",
    "spanish": "si cuando porque que donde pero aunque mientras",
    "italian": "se quando perché che dove ma mentre",
    "dutch": "als wanneer omdat die dat waar maar hoewel terwijl",
    "portuguese": "se quando porque que onde mas embora enquanto",
}
"""Words that begin another clause."""
TURNS = {
    "english": "but unless except if although though however", "german": "aber außer wenn falls sofern obwohl jedoch",
    "french": "mais sauf si", "spanish": "pero salvo si", "italian": "ma salvo se", "dutch": "maar behalve als",
    "portuguese": "mas salvo se",
}  # fmt: skip
"""Words behind which an answer says what else holds."""
YES = {"english": "yes yeah yep", "german": "ja", "french": "oui si", "spanish": "sí", "italian": "sì", "dutch": "ja",
       "portuguese": "sim"}  # fmt: skip
NO = {"english": "no nope", "german": "nein", "french": "non", "spanish": "no", "italian": "no", "dutch": "nee",
      "portuguese": "não"}  # fmt: skip
STRONG = {
    "english": "must shall", "german": "muss müssen", "french": "doit doivent", "spanish": "debe deben",
    "italian": "deve devono", "dutch": "moet moeten", "portuguese": "deve devem",
}  # fmt: skip
WEAK = {
    "english": "may can could might", "german": "darf dürfen kann können", "french": "peut peuvent",
    "spanish": "puede pueden", "italian": "può possono", "dutch": "mag mogen kan kunnen", "portuguese": "pode podem",
}  # fmt: skip
ALL = {
    "english": "all every each always everyone everybody entire", "german": "alle allen aller alles jeder jede jedes jeden immer",
    "french": "tous toutes tout toute chaque toujours", "spanish": "todos todas todo toda cada siempre",
    "italian": "tutti tutte tutto tutta ogni sempre", "dutch": "alle alles iedere elke altijd iedereen",
    "portuguese": "todos todas todo toda cada sempre",
}  # fmt: skip
SOME = {
    "english": "some few several sometimes often usually rarely seldom most many occasionally half partly",
    "german": "einige manche wenige mehrere manchmal oft selten meist meistens viele teilweise",
    "french": "quelques certains certaines plusieurs parfois souvent rarement",
    "spanish": "algunos algunas pocos varios veces muchos raramente", "italian": "alcuni alcune pochi spesso talvolta molti",
    "dutch": "sommige enkele weinig soms vaak zelden meeste", "portuguese": "alguns algumas poucos vários vezes muitos",
}  # fmt: skip
OPPOSITES = {
    "english": """allowed|permitted|authorised|authorized:forbidden|prohibited|banned include|included|includes|including:exclude|excluded|excludes|excluding|except
        before|prior:after|following increase|increased|increases|rise|raised:decrease|decreased|decreases|reduce|reduced|fall
        minimum:maximum least:most open|opens:closed|closes|close|shut accept|accepted|accepts:reject|rejected|rejects|refuse|refused
        approve|approved|approves:reject|rejected|rejects|deny|denied required|mandatory|compulsory|obligatory:optional|voluntary
        internal|internally:external|externally always:never|sometimes|rarely more:less|fewer higher|high|highest:lower|low|lowest
        first:last earlier|early|earliest:later|late|latest start|starts|begin|begins|beginning:end|ends|finish
        with:without above|over:below|under inside|within:outside|beyond public|publicly:private|privately|secret
        permanent|permanently:temporary|temporarily same:different possible:impossible add|added|adds:remove|removed|removes
        buy|buys|purchase:sell|sells sold|sell:bought|buy arrival|arrive|arrives:departure|depart|departs
        send|sends:receive|receives employer|employers:employee|employees north|northern:south|southern east|eastern:west|western
        left:right male|men|man:female|women|woman mother|mothers:father|fathers gross:net upper:lower long|longer|longest:short|shorter|shortest
        domestic:international|foreign manual|manually:automatic|automatically many|most:few both:neither|either
        enable|enabled|enables:disable|disabled|disables win|won|wins:lose|lost|loses weekday|weekdays:weekend|weekends
        morning:evening|afternoon everyone|everybody:nobody|none agree|agrees|agreed:disagree|disagrees|refuse if:unless
        single:multiple major|majority:minor|minority safe:dangerous|unsafe full:partial|empty new|newer:old|older
        oldest:newest|youngest largest|biggest:smallest up:down into:from enter|enters:leave|leaves""",
    "german": """erlaubt|gestattet|zulässig:verboten|untersagt|unzulässig vor:nach mindestens:höchstens mehr:weniger mit:ohne
        immer:nie|selten über:unter früher|frühestens:später|spätestens intern|interne:extern|externe freiwillig:verpflichtend
        bezahlt|bezahlter|bezahlten:unbezahlt|unbezahlter|unbezahlten befristet:unbefristet höher|hoch:niedriger|niedrig
        vorher:nachher beginn|anfang:ende minimum:maximum öffnet|offen:schließt|geschlossen innerhalb:außerhalb brutto:netto
        alle:keine|einige angenommen:abgelehnt genehmigt:abgelehnt einschließlich:ausschließlich|ausgenommen zuzüglich:abzüglich
        arbeitgeber:arbeitnehmer|mitarbeiter möglich:unmöglich öffentlich:privat erste|ersten:letzte|letzten""",
    "french": """autorisé|permis:interdit avant:après plus:moins avec:sans toujours:jamais minimum:maximum inclus:exclu
        interne:externe obligatoire:facultatif ouvert:fermé payé:impayé début:fin public:privé augmenter:diminuer""",
    "spanish": """permitido:prohibido antes:después más:menos con:sin siempre:nunca mínimo:máximo incluido:excluido
        interno:externo obligatorio:voluntario|opcional abierto:cerrado inicio:fin público:privado aumentar:disminuir""",
    "italian": """permesso|consentito:vietato prima:dopo più:meno con:senza sempre:mai minimo:massimo incluso:escluso
        interno:esterno obbligatorio:facoltativo aperto:chiuso inizio:fine pubblico:privato aumentare:diminuire""",
    "dutch": """toegestaan:verboden voor:na meer:minder met:zonder altijd:nooit minimaal|minstens:maximaal|hoogstens
        intern:extern verplicht:vrijwillig|optioneel open:gesloten begin:einde betaald:onbetaald""",
    "portuguese": """permitido:proibido antes:depois mais:menos com:sem sempre:nunca mínimo:máximo incluído:excluído
        interno:externo obrigatório:opcional|voluntário aberto:fechado início:fim público:privado""",
}
NEAR = 0.5
"""Share of a claim's words that stand in its source in a row, from which the gaps between them are compared."""
PREFIXES = ("un", "in", "im", "il", "ir", "non", "dis", "dé", "des", "mis", "on", "não")
"""Beginnings that make a word its opposite."""


@lru_cache(maxsize=128)
def _table(name: str, language: str) -> frozenset[str]:
    tables = {"neg": NEGATORS, "yes": YES, "no": NO, "strong": STRONG, "weak": WEAK, "all": ALL, "some": SOME,
              "breaks": BREAKS, "limiting": LIMITING, "apart": APART, "turns": TURNS}  # fmt: skip
    return frozenset(tables[name].get(language, "").split())


@lru_cache(maxsize=16)
def opposites(language: str) -> dict[str, frozenset[str]]:
    """For each word the words that say the opposite."""
    found: dict[str, set[str]] = {}
    for pair in OPPOSITES.get(language, "").split():
        left, right = (side.split("|") for side in pair.split(":"))
        for side, other in ((left, right), (right, left)):
            for word in side:
                found.setdefault(word, set()).update(other)
    return {word: frozenset(other) for word, other in found.items()}


def negators(said: Sequence[Word], language: str) -> list[int]:
    """Places of the words that deny."""
    table, lows = _table("neg", language), [word.low for word in said]
    idle: set[int] = set()
    for idiom in IDIOMS.get(language, ()):
        parts = idiom.split()
        for n in range(len(lows) - len(parts) + 1):
            if lows[n : n + len(parts)] == parts:
                idle.update(range(n, n + len(parts)))
    found = [n for n, low in enumerate(lows) if n not in idle and (low in table or low.endswith("n't") or low == "cannot")]
    # "no. 5" and "No" in front of a number are no denial
    found = [n for n in found if not (lows[n] == "no" and n + 1 < len(lows) and lows[n + 1][0].isdigit())]
    doubled = DOUBLED.get(language, ())
    return [n for n in found if lows[n] not in doubled] or found[:1]


def clauses(said: Sequence[Word], text: str, language: str) -> list[list[Word]]:
    """A text's words by clause: cut at full stops, semicolons, bars, commas and words that begin a clause."""
    breaks, parts = _table("breaks", language), [[]]  # type: tuple[frozenset[str], list[list[Word]]]
    for before, word in zip((None, *said), said, strict=False):
        between = text[before.start + len(before.text) : word.start] if before else ""
        cut = any(c in between for c in ".;:|()\n,") or word.low in breaks or word.low == "|"
        if cut and any(w.content for w in parts[-1]):
            parts.append([])
        parts[-1].append(word)
    return [part for part in parts if part]


def aligned(claim: Sequence[Word], source: Sequence[Word]) -> tuple[float, list[tuple[list[Word], list[Word]]]]:
    """How much of a claim stands in a row in its source, and what each gap has in their places: (source's, claim's)."""
    matcher = SequenceMatcher(None, [w.stem for w in source], [w.stem for w in claim], autojunk=False)
    blocks = [b for b in matcher.get_matching_blocks()]
    gaps, matched = [], sum(b.size for b in blocks)
    for left, right in zip(blocks, blocks[1:], strict=False):
        gap = (list(source[left.a + left.size : right.a]), list(claim[left.b + left.size : right.b]))
        if right.size and (gap[0] or gap[1]):
            gaps.append(gap)
    if matched:
        head, tail = blocks[0], blocks[-2] if len(blocks) > 1 else blocks[0]
        size = max(1, head.b)
        gaps.insert(0, (list(source[max(0, head.a - size) : head.a]), list(claim[: head.b])))
        rest = list(claim[tail.b + tail.size :])
        gaps.append((list(source[tail.a + tail.size : tail.a + tail.size + len(rest)]), rest))
    return (matched / len(claim) if claim else 0.0), [gap for gap in gaps if gap[0] or gap[1]]


def substituted(said: Sequence[Word], shown: Sequence[Word], new: Sequence[int]) -> list[int]:
    """Which of the new words stand where the source has another: between the same words, or behind or before two."""
    there = [w.stem for w in shown]
    found = []
    for n in new:
        first, last = n, n
        while first - 1 in new:
            first -= 1
        while last + 1 in new:
            last += 1
        left, right = ([w.stem for w in side] for side in (said[max(0, first - 2) : first], said[last + 1 : last + 3]))
        for i in range(len(there)):
            behind = i + 1 < len(there) and shown[i + 1].weighty and there[max(0, i - 1) : i + 1] == left and len(left) == 2
            ahead = i > 0 and shown[i - 1].weighty and there[i : i + 2] == right and len(right) == 2
            within = left[-1:] == there[i : i + 1] and any(
                there[j] == right[0] and any(w.weighty for w in shown[i + 1 : j])
                for j in range(i + 2, min(len(there), i + 5))
            ) if left and right else False
            last_word = not right and left[-1:] == there[i : i + 1] and shown[i].content and shown[i + 1 : i + 2]
            if behind or ahead or within or (last_word and shown[i + 1].weighty):
                found.append(n)
                break
    return found


def flipped(claim: str, source: str, language: str) -> str:
    """Where a claim denies what its source says, affirms what it denies, or says the opposite; empty if nowhere."""
    said, shown = words(claim, language), words(source, language)
    share, gaps = aligned(said, shown)
    limited = any(w.low in _table("limiting", language) for w in said)  # "only with" is "never without"
    if share >= NEAR:
        for there, here in gaps:
            reason = _gap(there, here, language)
            if reason:
                return reason
        lost, added = ([w for gap in gaps for w in _deniers(gap[side], language)] for side in (0, 1))
        if len(lost) % 2 != len(added) % 2 and not limited:
            return f'drops "{lost[0].low}"' if len(lost) > len(added) else f'adds "{added[0].low}"'
    reason = _turned_at(said, shown, language, 'adds "{}"') or _turned_at(shown, said, language, 'drops "{}"')
    if reason:
        return reason
    return ("" if limited else _opposite(said, shown, language)) or _parity(said, shown, claim, source, language)


def _turned_at(said: Sequence[Word], other: Sequence[Word], language: str, reason: str) -> str:
    """A negation of one text between two words that the other has side by side, and never with one between."""
    apart = _table("apart", language) | {"do", "does", "did"}
    pairs, denied = ({}, set())  # type: tuple[dict[tuple[str, str], int], set[tuple[str, str]]]
    for text, into in ((other, None), (said, denied)):
        places = set(negators(text, language))
        kept = [n for n, w in enumerate(text) if n not in places and w.low not in apart]
        for left, right in zip(kept, kept[1:], strict=False):
            pair = (text[left].stem, text[right].stem)
            between = [n for n in range(left + 1, right) if n in places]
            if into is None:
                pairs[pair] = max(pairs.get(pair, 0), len(between))
            elif between and pairs.get(pair) == 0:
                return reason.format(text[between[0]].low)
    return ""


def _deniers(gap: Sequence[Word], language: str) -> list[Word]:
    """The negations of a gap that stand alone: without words of their own that another wording may express."""
    places = negators(gap, language)
    return [gap[n] for n in places] if not any(w.content and n not in places for n, w in enumerate(gap)) else []


def _gap(there: Sequence[Word], here: Sequence[Word], language: str) -> str:
    """What stands in a gap of two nearly equal texts, if it turns the meaning."""
    denied = negators(there, language) or negators(here, language)
    for one, other in (("strong", "weak"), ("weak", "strong"), ("all", "some"), ("some", "all")):
        old = next((w.low for w in there if w.low in _table(one, language)), "")
        new = next((w.low for w in here if w.low in _table(other, language)), "")
        if old and new and not denied:
            return f'says "{new}" for "{old}"'
    for word in here:
        turned = next((w.low for w in there if w.low in opposites(language).get(word.low, ())), "")
        if turned and not (denied and {word.low, turned} & {"with", "ohne", "mit", "without"}):
            return f'says "{word.low}" for "{turned}"'
    return ""


def _opposite(said: Sequence[Word], shown: Sequence[Word], language: str) -> str:
    """A word that the source has only as its opposite."""
    lows, stems = {w.low for w in shown}, {w.stem for w in shown}
    for word in said:
        if word.stem in stems or not word.content:
            continue
        for other in opposites(language).get(word.low, ()):
            if other in lows:
                return f'says "{word.low}" for "{other}"'
        for prefix in PREFIXES:
            bare, made = word.low.removeprefix(prefix).lstrip("-"), prefix + word.low
            if (bare != word.low and len(bare) > 3 and bare in lows) or made in lows:
                return f'says "{word.low}" for "{bare if bare in lows else made}"'
    return ""


def _parity(said: Sequence[Word], shown: Sequence[Word], claim: str, source: str, language: str) -> str:
    """Whether the clause of the source that shares most of a clause's words denies where that one does not."""
    pieces = [(piece, _governed(piece, language)) for piece in clauses(shown, source, language)]
    for clause in clauses(said, claim, language):
        own, governed = {w.stem for w in clause if w.content}, _governed(clause, language)
        if len(own) < 3:
            continue
        shares = [len(own & {w.stem for w in piece}) for piece, _ in pieces]
        best = max(shares, default=0)
        if best < max(3, 0.6 * len(own)):
            continue
        near = [(piece, there) for share, (piece, there) in zip(shares, pieces, strict=True) if share >= best]
        if governed and not any(there or any(w.low in _table("neg", language) for w in piece) for piece, there in near):
            if any(governed in {w.stem for w in piece} for piece, _ in near):
                return "denies what is said"
        if not governed and all(there in own for _, there in near):
            return "affirms what is denied"
    return ""


def _governed(clause: Sequence[Word], language: str) -> str:
    """The stem that a clause's one negation governs; empty where it denies nothing, or denies a denial."""
    core = [n for n in negators(clause, language) if clause[n].low not in _table("apart", language)]
    if len(core) % 2 == 0:
        return ""
    return next((w.stem for w in clause[core[0] + 1 :] if w.content), "")


def yes_or_no(claim: str, language: str) -> tuple[str, str]:
    """`yes`, `no` or nothing, and the rest of a claim."""
    head = claim.lstrip(" \"'*").split(maxsplit=1)
    if not head:
        return "", claim
    first, rest = head[0].strip(",.:;!—–-*").lower(), head[1] if len(head) > 1 else ""
    # "No employee may": a comma or a full stop makes it an answer
    marked = head[0][-1] in ",.:;!—–-" or not rest or rest[:1] in "—–-"
    for name in ("yes", "no"):
        if first in _table(name, language) and (marked or (name == "yes" and language != "french")):
            return name, rest.lstrip("—–- ")
    return "", claim


def misanswered(verdict: str, rest: str, source: str, question: str, language: str) -> str:
    """Whether a yes or a no to a question goes against its source; empty where it does not, or nothing tells."""
    asked, shown, said = words(question, language), words(source, language), words(rest, language)
    topic = {w.stem for w in asked if w.content}
    denied = len(negators(asked, language)) % 2
    head = list(takewhile(lambda w: w.low not in _table("turns", language), said))
    own = any(w.content or w.low[0].isdigit() for w in said)
    if verdict == "yes" and not denied and len(negators(head, language)) % 2:
        return "says yes and then denies it"
    near = _about(shown, source, topic, language, 1 - denied)
    same = _about(shown, source, topic, language, denied)
    if verdict == "yes":
        return f'says yes where "{" ".join(w.text for w in near[:8])}" is said' if near and not same else ""
    if negators(said, language) or any(w.low in _table("limiting", language) for w in said):
        return ""
    turned = near or _turned(asked, shown, language)
    if not turned and not (same and not own):
        turned = negators(shown, language) or (not own and any(w.low in _table("limiting", language) for w in shown))
    return "" if turned else "says no where nothing is denied"


def _about(said: Sequence[Word], text: str, topic: set[str], language: str, parity: int) -> list[Word]:
    """The clause about a topic whose negation is so, if there is one."""
    for clause in clauses(said, text, language):
        own = {w.stem for w in clause if w.content}
        met = sum(any(stem == t or alike(stem, t) for t in topic) for stem in own)
        if own and met >= max(1, min(2, len(topic)), 0.5 * min(len(topic), len(own))):
            if len(negators(clause, language)) % 2 == parity:
                return clause
    return []


def _turned(asked: Sequence[Word], shown: Sequence[Word], language: str) -> bool:
    """Whether a source answers a question with an opposite, or with another number."""
    lows, table = {w.low for w in shown}, opposites(language)
    numbers = {w.low for w in asked if w.low[0].isdigit()}
    if numbers and not numbers & lows and any(w.low[0].isdigit() for w in shown):
        return True
    given = {w.low for w in asked}
    return any(other in lows - given for w in asked if w.low not in lows for other in table.get(w.low, ()))
