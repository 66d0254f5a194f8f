"""Words that deny, limit, bind or say the opposite, by language: data, read by `polarity.py` and `verdicts.py`."""

from __future__ import annotations

from functools import lru_cache

NEGATORS = {
    "english": """
        not no never cannot none nobody nothing neither nor without n't nowhere non except unless excluding
        forbidden prohibited banned forbid forbids prohibit prohibits disallowed barred excluded ineligible refused
        denied unavailable impossible exempt
    """,
    "german": """
        nicht kein keine keinen keinem keiner keines nie niemals niemand nichts ohne weder außer nirgends
        ausgenommen ausgeschlossen verboten untersagt unzulässig
    """,
    "french": """
        pas ne n jamais aucun aucune rien personne sans ni sauf excepté interdit interdite interdits interdites
    """,
    "spanish": "no nunca jamás ningún ninguno ninguna nadie nada sin ni tampoco salvo excepto prohibido prohibida",
    "italian": "non mai nessun nessuno nessuna niente nulla senza né neanche tranne eccetto salvo vietato vietata no",
    "dutch": "niet geen nooit niemand niets zonder noch behalve nergens verboden",
    "portuguese": "não nunca jamais nenhum nenhuma ninguém nada sem nem exceto salvo proibido proibida",
}
APART = {
    "english": "without except unless excluding nor",
    "german": "ohne außer ausgenommen",
    "french": "sans sauf excepté",
    "spanish": "sin salvo excepto",
    "italian": "senza tranne salvo eccetto",
    "dutch": "zonder behalve",
    "portuguese": "sem salvo exceto",
}
"""Negators of a thing, not of what is said."""
DOUBLED = {
    "french": ("ne", "n"),
}
"""Negators that stand beside another one; they count only where no other does."""
IDIOMS = {
    "english": (
        "no more than",
        "not more than",
        "no less than",
        "not less than",
        "no later than",
        "not later than",
        "no fewer than",
        "not fewer than",
        "no longer than",
        "no earlier than",
        "not earlier than",
        "not only",
        "or not",
        "no matter",
        "without exception",
        "without fail",
        "not exceed",
        "not exceeding",
        "no one other than",
        "whether or not",
        "not just",
        "no greater than",
        "non disclosure",
        "non profit",
        "not limited to",
        "not necessarily limited to",
        "not before",
        "not after",
    ),
    "german": (
        "nicht mehr als",
        "nicht weniger als",
        "nicht nur",
        "oder nicht",
        "ohne ausnahme",
        "nicht länger als",
        "nicht vor",
        "nicht nach",
        "nichts anderes als",
    ),
    "french": ("pas plus de", "pas moins de", "non seulement", "sans exception"),
    "spanish": ("no más de", "no menos de", "no solo", "no sólo", "sin excepción"),
    "italian": ("non più di", "non meno di", "non solo", "senza eccezioni"),
    "dutch": ("niet meer dan", "niet minder dan", "niet alleen", "zonder uitzondering"),
    "portuguese": ("não mais de", "não menos de", "não só", "sem exceção"),
}
"""Phrases whose negator denies nothing; bounds are compared with their number."""
LIMITING = {
    "english": "only instead solely exclusively rather just",
    "german": "nur ausschließlich lediglich stattdessen sondern",
    "french": "seulement uniquement plutôt",
    "spanish": "solo sólo únicamente solamente",
    "italian": "solo soltanto solamente",
    "dutch": "alleen slechts uitsluitend",
    "portuguese": "só somente apenas",
}
"""Words that limit what is said, so that a "no" may rest on them though they deny nothing."""
BREAKS = {
    "english": """
        if when because who which that where while whereas but unless except although though since as so until
    """,
    "german": "wenn falls weil der die das welche welcher wo während aber obwohl sofern damit dass sondern",
    "french": "si quand parce qui que où mais bien lorsque",
    "spanish": "si cuando porque que donde pero aunque mientras",
    "italian": "se quando perché che dove ma mentre",
    "dutch": "als wanneer omdat die dat waar maar hoewel terwijl",
    "portuguese": "se quando porque que onde mas embora enquanto",
}
"""Words that begin another clause."""
TURNS = {
    "english": "but unless except if although though however",
    "german": "aber außer wenn falls sofern obwohl jedoch",
    "french": "mais sauf si",
    "spanish": "pero salvo si",
    "italian": "ma salvo se",
    "dutch": "maar behalve als",
    "portuguese": "mas salvo se",
}
"""Words behind which an answer says what else holds."""
YES = {
    "english": "yes yeah yep",
    "german": "ja",
    "french": "oui si",
    "spanish": "sí",
    "italian": "sì",
    "dutch": "ja",
    "portuguese": "sim",
}
NO = {
    "english": "no nope",
    "german": "nein",
    "french": "non",
    "spanish": "no",
    "italian": "no",
    "dutch": "nee",
    "portuguese": "não",
}
STRONG = {
    "english": "must shall",
    "german": "muss müssen",
    "french": "doit doivent",
    "spanish": "debe deben",
    "italian": "deve devono",
    "dutch": "moet moeten",
    "portuguese": "deve devem",
}
WEAK = {
    "english": "may can could might",
    "german": "darf dürfen kann können",
    "french": "peut peuvent",
    "spanish": "puede pueden",
    "italian": "può possono",
    "dutch": "mag mogen kan kunnen",
    "portuguese": "pode podem",
}
ALL = {
    "english": "all every each always everyone everybody entire",
    "german": "alle allen aller alles jeder jede jedes jeden immer",
    "french": "tous toutes tout toute chaque toujours",
    "spanish": "todos todas todo toda cada siempre",
    "italian": "tutti tutte tutto tutta ogni sempre",
    "dutch": "alle alles iedere elke altijd iedereen",
    "portuguese": "todos todas todo toda cada sempre",
}
SOME = {
    "english": "some few several sometimes often usually rarely seldom most many occasionally half partly",
    "german": "einige manche wenige mehrere manchmal oft selten meist meistens viele teilweise",
    "french": "quelques certains certaines plusieurs parfois souvent rarement",
    "spanish": "algunos algunas pocos varios veces muchos raramente",
    "italian": "alcuni alcune pochi spesso talvolta molti",
    "dutch": "sommige enkele weinig soms vaak zelden meeste",
    "portuguese": "alguns algumas poucos vários vezes muitos",
}
OPPOSITES = {
    "english": """
        allowed|permitted|authorised|authorized:forbidden|prohibited|banned
        include|included|includes|including:exclude|excluded|excludes|excluding|except
        before|prior:after|following
        increase|increased|increases|rise|raised:decrease|decreased|decreases|reduce|reduced|fall
        minimum:maximum least:most open|opens:closed|closes|close|shut
        accept|accepted|accepts:reject|rejected|rejects|refuse|refused
        approve|approved|approves:reject|rejected|rejects|deny|denied
        required|mandatory|compulsory|obligatory:optional|voluntary         internal|internally:external|externally
        always:never|sometimes|rarely more:less|fewer higher|high|highest:lower|low|lowest         first:last
        earlier|early|earliest:later|late|latest start|starts|begin|begins|beginning:end|ends|finish
        with:without above|over:below|under inside|within:outside|beyond public|publicly:private|privately|secret
        permanent|permanently:temporary|temporarily same:different possible:impossible
        add|added|adds:remove|removed|removes         buy|buys|purchase:sell|sells sold|sell:bought|buy
        arrival|arrive|arrives:departure|depart|departs         send|sends:receive|receives
        employer|employers:employee|employees north|northern:south|southern east|eastern:west|western
        left:right male|men|man:female|women|woman mother|mothers:father|fathers gross:net upper:lower
        long|longer|longest:short|shorter|shortest         domestic:international|foreign
        manual|manually:automatic|automatically many|most:few both:neither|either
        enable|enabled|enables:disable|disabled|disables win|won|wins:lose|lost|loses
        weekday|weekdays:weekend|weekends         morning:evening|afternoon everyone|everybody:nobody|none
        agree|agrees|agreed:disagree|disagrees|refuse if:unless         single:multiple
        major|majority:minor|minority safe:dangerous|unsafe full:partial|empty new|newer:old|older
        oldest:newest|youngest largest|biggest:smallest up:down into:from enter|enters:leave|leaves
    """,
    "german": """
        erlaubt|gestattet|zulässig:verboten|untersagt|unzulässig vor:nach mindestens:höchstens mehr:weniger mit:ohne
        immer:nie|selten über:unter früher|frühestens:später|spätestens intern|interne:extern|externe
        freiwillig:verpflichtend         bezahlt|bezahlter|bezahlten:unbezahlt|unbezahlter|unbezahlten
        befristet:unbefristet höher|hoch:niedriger|niedrig         vorher:nachher beginn|anfang:ende minimum:maximum
        öffnet|offen:schließt|geschlossen innerhalb:außerhalb brutto:netto         alle:keine|einige
        angenommen:abgelehnt genehmigt:abgelehnt einschließlich:ausschließlich|ausgenommen zuzüglich:abzüglich
        arbeitgeber:arbeitnehmer|mitarbeiter möglich:unmöglich öffentlich:privat erste|ersten:letzte|letzten
    """,
    "french": """
        autorisé|permis:interdit avant:après plus:moins avec:sans toujours:jamais minimum:maximum inclus:exclu
        interne:externe obligatoire:facultatif ouvert:fermé payé:impayé début:fin public:privé augmenter:diminuer
    """,
    "spanish": """
        permitido:prohibido antes:después más:menos con:sin siempre:nunca mínimo:máximo incluido:excluido
        interno:externo obligatorio:voluntario|opcional abierto:cerrado inicio:fin público:privado
        aumentar:disminuir
    """,
    "italian": """
        permesso|consentito:vietato prima:dopo più:meno con:senza sempre:mai minimo:massimo incluso:escluso
        interno:esterno obbligatorio:facoltativo aperto:chiuso inizio:fine pubblico:privato aumentare:diminuire
    """,
    "dutch": """
        toegestaan:verboden voor:na meer:minder met:zonder altijd:nooit minimaal|minstens:maximaal|hoogstens
        intern:extern verplicht:vrijwillig|optioneel open:gesloten begin:einde betaald:onbetaald
    """,
    "portuguese": """
        permitido:proibido antes:depois mais:menos com:sem sempre:nunca mínimo:máximo incluído:excluído
        interno:externo obrigatório:opcional|voluntário aberto:fechado início:fim público:privado
    """,
}
PREFIXES = ("un", "in", "im", "il", "ir", "non", "dis", "dé", "des", "mis", "on", "não")
"""Beginnings that make a word its opposite."""


@lru_cache(maxsize=128)
def table(name: str, language: str) -> frozenset[str]:
    """The words of one table in a language; none where it has no such list."""
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
