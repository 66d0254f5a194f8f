"""Number words, months, units of measure and bounds, by language: data, read by `quantities.py` and `dates.py`."""

from __future__ import annotations

from functools import lru_cache

LANGUAGES = ("english", "german", "french", "spanish", "italian", "dutch", "portuguese")
"""The languages with number words; every other one has digits only."""

_BELOW_TWENTY = {
    "english": """
        zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
        seventeen eighteen nineteen
    """,
    "german": """
        null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn
        siebzehn achtzehn neunzehn
    """,
    "french": """
        zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix-sept
        dix-huit dix-neuf
    """,
    "spanish": """
        cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis
        diecisiete dieciocho diecinueve
    """,
    "italian": """
        zero uno due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici quindici sedici
        diciassette diciotto diciannove
    """,
    "dutch": """
        nul één twee drie vier vijf zes zeven acht negen tien elf twaalf dertien veertien vijftien zestien zeventien
        achttien negentien
    """,
    "portuguese": """
        zero um dois três quatro cinco seis sete oito nove dez onze doze treze catorze quinze dezesseis dezessete
        dezoito dezenove
    """,
}
_TENS = {
    "english": "twenty thirty forty fifty sixty seventy eighty ninety",
    "german": "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig",
    "french": "vingt trente quarante cinquante soixante soixante-dix quatre-vingts quatre-vingt-dix",
    "spanish": "veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa",
    "italian": "venti trenta quaranta cinquanta sessanta settanta ottanta novanta",
    "dutch": "twintig dertig veertig vijftig zestig zeventig tachtig negentig",
    "portuguese": "vinte trinta quarenta cinquenta sessenta setenta oitenta noventa",
}
_MORE = {
    "english": "dozen=12 once=1 twice=2 thrice=3",
    "german": "dutzend=12 einmal=1 zweimal=2 dreimal=3 viermal=4 zwo=2",
    "french": "douzaine=12 septante=70 huitante=80 nonante=90 quatre-vingt=80",
    "spanish": "docena=12 dieciseis=16 veintiún=21 veintiuno=21",
    "italian": "dozzina=12 ventuno=21 ventotto=28 trentuno=31",
    "dutch": "dozijn=12 eenmaal=1 tweemaal=2",
    "portuguese": "dúzia=12 duas=2 dezasseis=16 dezassete=17 dezanove=19",
}
SCALES = {
    "english": "hundred=100 thousand=1000 million=1000000 billion=1000000000 m=1000000 bn=1000000000 k=1000",
    "german": """
        hundert=100 tausend=1000 million=1000000 millionen=1000000 mio=1000000 milliarde=1000000000
        milliarden=1000000000 mrd=1000000000
    """,
    "french": """
        cent=100 cents=100 mille=1000 million=1000000 millions=1000000 milliard=1000000000 milliards=1000000000
    """,
    "spanish": "cien=100 ciento=100 mil=1000 millón=1000000 millones=1000000",
    "italian": """
        cento=100 mille=1000 mila=1000 milione=1000000 milioni=1000000 miliardo=1000000000 miliardi=1000000000
    """,
    "dutch": "honderd=100 duizend=1000 miljoen=1000000 miljard=1000000000",
    "portuguese": "cem=100 cento=100 mil=1000 milhão=1000000 milhões=1000000",
}
JOINERS = {
    "english": "and",
    "german": "und",
    "french": "et",
    "spanish": "y",
    "dutch": "en",
    "portuguese": "e",
}
ONES = {
    "english": "one a an",
    "german": "ein eine einem einen einer eines",
    "french": "un une",
    "spanish": "un una uno",
    "italian": "un una uno",
    "dutch": "een",
    "portuguese": "um uma",
}
"""Words that may count one, or be an article: they show a 1, but never claim one alone."""
ORDINALS = {
    "english": "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth",
    "german": "erste zweite dritte vierte fünfte sechste siebte achte neunte zehnte elfte zwölfte",
    "french": "premier deuxième troisième quatrième cinquième sixième septième huitième neuvième dixième",
    "spanish": "primero segundo tercero cuarto quinto sexto séptimo octavo noveno décimo",
    "italian": "primo secondo terzo quarto quinto sesto settimo ottavo nono decimo",
    "dutch": "eerste tweede derde vierde vijfde zesde zevende achtste negende tiende",
    "portuguese": "primeiro segundo terceiro quarto quinto sexto sétimo oitavo nono décimo",
}
FRACTIONS = {
    "english": "half=2 halves=2 third=3 thirds=3 quarter=4 quarters=4 fifth=5 fifths=5 tenth=10 tenths=10",
    "german": "halb=2 halbe=2 halber=2 halben=2 halbes=2 hälfte=2 drittel=3 viertel=4 fünftel=5 zehntel=10",
    "french": "demi=2 demie=2 moitié=2 tiers=3 quart=4 quarts=4 cinquième=5 dixième=10",
    "spanish": "medio=2 media=2 mitad=2 tercio=3 tercios=3 cuartos=4 quintos=5",
    "italian": "mezzo=2 mezza=2 metà=2 terzi=3 quarti=4 quinti=5",
    "dutch": "half=2 halve=2 helft=2 derde=3 kwart=4 vijfde=5",
    "portuguese": "meio=2 meia=2 metade=2 terço=3 terços=3 quartos=4 quintos=5",
}
MONTHS = {
    "english": "january february march april may june july august september october november december",
    "german": "januar februar märz april mai juni juli august september oktober november dezember",
    "french": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "spanish": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "italian": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "dutch": "januari februari maart april mei juni juli augustus september oktober november december",
    "portuguese": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
}
SHORT_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec sept"
WEEKDAYS = {
    "english": "monday tuesday wednesday thursday friday saturday sunday",
    "german": "montag dienstag mittwoch donnerstag freitag samstag sonntag",
    "french": "lundi mardi mercredi jeudi vendredi samedi dimanche",
    "spanish": "lunes martes miércoles jueves viernes sábado domingo",
    "italian": "lunedì martedì mercoledì giovedì venerdì sabato domenica",
    "dutch": "maandag dinsdag woensdag donderdag vrijdag zaterdag zondag",
    "portuguese": "segunda-feira terça-feira quarta-feira quinta-feira sexta-feira sábado domingo",
}
COMMA_DECIMAL = frozenset({
    "german", "french", "spanish", "italian", "dutch", "portuguese", "danish", "swedish", "norwegian", "finnish",
    "russian", "romanian", "turkish", "greek", "hungarian", "catalan", "basque", "estonian", "lithuanian", "serbian",
    "indonesian", "armenian", "dutch_porter", "czech", "polish", "esperanto",
})  # fmt: skip
"""Languages that write 1.500 for fifteen hundred."""

KINDS = {
    "second": ("seconds", 1, "second seconds sec secs sekunde sekunden seconde secondes seconden segundos secondi"),
    "minute": ("seconds", 60, "minute minutes min mins minuten minuto minutos minuti minuut"),
    "hour": ("seconds", 3600, "hour hours hr hrs hourly stunde stunden std heure heures hora horas ora ore uur uren"),
    "day": (
        "days",
        1,
        """day days daily tag tage tagen tags täglich arbeitstag arbeitstage arbeitstagen werktag
        werktage werktagen kalendertag kalendertage kalendertagen urlaubstag urlaubstage urlaubstagen jour
        jours journée journées día días giorno giorni dag dagen dia dias werkdagen""",
    ),
    "week": (
        "days",
        7,
        """week weeks weekly fortnight woche wochen wöchentlich semaine semaines semana semanas
        settimana settimane weken""",
    ),
    "month": (
        "months",
        1,
        """month months monthly monat monate monaten monats monatlich mois mes meses mese mesi maand
        maanden mês""",
    ),
    "quarter": ("months", 3, "quarterly trimester quartal quartale trimestre trimestres kwartaal"),
    "year": (
        "months",
        12,
        """year years yearly annual annually annum yr yrs jahr jahre jahren jahres jährlich
        kalenderjahr ans année années año años anni jaar jaren anos""",
    ),
    "night": ("nights", 1, "night nights overnight nacht nächte nächten nuit nuits noche noches notte notti nachten"),
    "%": ("%", 1, "% percent percentage prozent pourcent procent percento"),
    "per mille": ("%", 0.1, "‰ promille"),
    "euro": ("euro", 1, "€ eur euro euros"),
    "cent": ("euro cent", 1, "cents"),
    "dollar": ("dollar", 1, "$ dollar dollars dólar dólares dollari"),
    "US dollar": ("US dollar", 1, "usd us$"),
    "Canadian dollar": ("Canadian dollar", 1, "cad c$"),
    "Australian dollar": ("Australian dollar", 1, "aud a$"),
    "pound": ("pound", 1, "£ gbp pound pounds pfund lb lbs"),
    "franc": ("franc", 1, "chf franken"),
    "yen": ("yen", 1, "¥ jpy yen"),
    "krona": ("krona", 1, "sek nok dkk krone kroner kronor"),
    "degree": ("degree", 1, "° degree degrees grad degrés grados gradi graden graus"),
    "Celsius": ("Celsius", 1, "°c ℃ celsius centigrade"),
    "Fahrenheit": ("Fahrenheit", 1, "°f fahrenheit"),
    "km": ("m", 1000, "km kilometre kilometres kilometer kilometers kilometern kilomètres kilómetros chilometri"),
    "metre": ("m", 1, "metre metres meter meters metern mètre mètres metro metros metri"),
    "cm": ("m", 0.01, "cm centimetre centimetres centimeter centimeters zentimeter centímetros"),
    "mm": ("m", 0.001, "mm millimetre millimetres millimeter millimeters"),
    "mile": ("miles", 1, "mile miles mi meile meilen"),
    "foot": ("feet", 1, "foot feet ft"),
    "inch": ("inches", 1, "inch inches zoll"),
    "acre": ("acres", 1, "acre acres"),
    "hectare": ("hectares", 1, "hectare hectares hektar"),
    "kg": ("g", 1000, "kg kilo kilos kilogram kilograms kilogramm kilogramo kilogramos"),
    "gram": ("g", 1, "gram grams gramm gramme grammes gramos grammi"),
    "mg": ("g", 0.001, "mg milligram milligrams milligramm"),
    "ton": ("tons", 1, "ton tons tonne tonnes tonnen"),
    "litre": ("litres", 1, "litre litres liter liters litern litro litros litri"),
    "ml": ("litres", 0.001, "ml millilitre millilitres milliliter milliliters"),
    "KB": ("MB", 0.001, "kb kilobyte kilobytes"),
    "MB": ("MB", 1, "mb mib megabyte megabytes"),
    "GB": ("MB", 1000, "gb gib gigabyte gigabytes"),
    "TB": ("MB", 1000000, "tb tib terabyte terabytes"),
    "kWh": ("kWh", 1, "kwh"),
}
"""Unit of measure: what it is counted in, how many of that, and its words in all languages."""
GLUED = {
    "h": "hour",
    "d": "day",
    "g": "gram",
    "m": "metre",
    "s": "second",
    "l": "litre",
    "w": "week",
    "y": "year",
    "c": "Celsius",
    "f": "Fahrenheit",
    "an": "year",
    "ans": "year",
}
"""Short words that are units only right behind a number."""
WIDER = {"dollar": {"US dollar", "Canadian dollar", "Australian dollar"}, "degree": {"Celsius", "Fahrenheit"}}
"""A word that may stand for any of several units."""

LOW, HIGH, EXACT = "at least", "at most", "exactly"
BOUNDS = {
    "english": {
        LOW: """
            at least | no less than | not less than | no fewer than | not fewer than | minimum of | minimum | a
            minimum of | more than | over | above | exceeding | exceeds | exceed | greater than | longer than |
            later than | older than | after | since | from | beginning | starting | effective | no earlier than |
            not earlier than | not before | as early as
        """,
        HIGH: """
            at most | no more than | not more than | up to | maximum of | maximum | a maximum of | less than | fewer
            than | under | below | within | no later than | not later than | no longer than | not exceed | not
            exceeding | limited to | capped at | by | before | until | till | prior to | shorter than | younger than
            | as late as | not after
        """,
        EXACT: "exactly | precisely",
    },
    "german": {
        LOW: """
            mindestens | wenigstens | nicht weniger als | mehr als | über | ab | seit | nach | frühestens | minimum
            | nicht vor | länger als
        """,
        HIGH: """
            höchstens | maximal | nicht mehr als | bis zu | bis | weniger als | unter | innerhalb von | binnen |
            spätestens | vor | maximum | nicht länger als | nicht nach
        """,
        EXACT: "genau",
    },
    "french": {
        LOW: """
            au moins | au minimum | minimum | plus de | supérieur à | à partir de | dès | depuis | après | à compter
            de | pas moins de
        """,
        HIGH: """
            au plus | au maximum | maximum | moins de | jusqu'à | inférieur à | dans les | avant | d'ici | pas plus
            de | ne dépassant pas
        """,
        EXACT: "exactement",
    },
    "spanish": {
        LOW: "al menos | como mínimo | mínimo | más de | a partir de | desde | después de | no menos de | superior a",
        HIGH: "como máximo | máximo | a lo sumo | menos de | hasta | antes de | dentro de | no más de | inferior a",
        EXACT: "exactamente",
    },
    "italian": {
        LOW: "almeno | minimo | più di | a partire da | da | dopo | non meno di | oltre",
        HIGH: "al massimo | massimo | fino a | meno di | entro | prima di | prima del | non più di | sotto",
        EXACT: "esattamente",
    },
    "dutch": {
        LOW: "minstens | ten minste | minimaal | meer dan | vanaf | na | sinds | niet minder dan",
        HIGH: """
            hoogstens | maximaal | ten hoogste | tot | minder dan | binnen | vóór | voor | uiterlijk | niet meer dan
        """,
        EXACT: "precies",
    },
    "portuguese": {
        LOW: "pelo menos | no mínimo | mínimo | mais de | a partir de | desde | depois de | após | não menos de",
        HIGH: "no máximo | máximo | até | menos de | antes de | dentro de | não mais de",
        EXACT: "exatamente",
    },
}
BEHIND = {
    LOW: """
        or more | or longer | or later | or over | or above | or older | and over | and above | onwards | onward |
        upwards | minimum | oder mehr | ou plus | o más | o più | of meer | ou mais
    """,
    HIGH: """
        or less | or fewer | or under | or below | or earlier | or younger | maximum | at most | at the latest |
        oder weniger | ou moins | o menos | o meno | of minder | ou menos
    """,
}
"""Bounds that stand behind their number."""


@lru_cache(maxsize=16)
def number_words(language: str) -> dict[str, int]:
    """Every number word below a hundred, as written in one piece or with a hyphen or blank."""
    if language not in LANGUAGES:
        return {}
    small, tens = _BELOW_TWENTY[language].split(), _TENS[language].split()
    found = {word: value for value, word in enumerate(small)}
    found |= {word: 20 + 10 * place for place, word in enumerate(tens)}
    for place, ten in enumerate(tens):
        for value in range(1, 10):
            for word in _joined(language, ten, small[value], value):
                found.setdefault(word, 20 + 10 * place + value)
    if language == "french":
        for base, ten in ((60, "soixante"), (80, "quatre-vingt")):
            found |= {f"{ten}-{small[v]}": base + v for v in range(1, 20)}
        found |= {"soixante et onze": 71}
    found |= {word: int(value) for word, value in (pair.split("=") for pair in _MORE[language].split())}
    if language in ("german", "dutch"):
        for word, size in (("hundert", 100), ("tausend", 1000), ("honderd", 100), ("duizend", 1000)):
            found |= {f"{small[v]}{word}": v * size for v in range(2, 20)}
            found |= {f"ein{word}": size}
    return {word: value for word, value in found.items() if word not in ONES[language].split()}


def _joined(language: str, ten: str, unit: str, value: int) -> list[str]:
    """A ten and a unit as one number word: fünfundzwanzig, twenty-five, treinta y cinco."""
    if language in ("german", "dutch"):
        unit = {"eins": "ein", "één": "een"}.get(unit, unit)
        return [f"{unit}{joiner}{ten}" for joiner in (("und",) if language == "german" else ("en", "ën"))]
    if language == "spanish":
        return [f"{ten} y {unit}", *([f"veinti{unit}"] if ten == "veinte" else [])]
    if language == "italian":
        return [(ten[:-1] if unit[0] in "uo" else ten) + unit, ten + unit.replace("tre", "tré")]
    if language == "portuguese":
        return [f"{ten} e {unit}"]
    if language == "french":
        return [f"{ten} et un"] if value == 1 else [f"{ten}-{unit}", f"{ten} {unit}"]
    return [f"{ten}-{unit}", f"{ten} {unit}"]


@lru_cache(maxsize=1)
def kind_of() -> dict[str, str]:
    """The unit of measure that a word means."""
    return {word: kind for kind, (_, _, spelled) in KINDS.items() for word in spelled.split()}
