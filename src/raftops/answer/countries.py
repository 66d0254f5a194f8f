"""Names of countries as documents and questions write them: code, English and German name, and what comes from there.

So that a claim of `DE`, `Germany` or `Deutschland` is the same place, and a question that names another one is seen.
Cities and sites are the spec's to name (`deploy.identity.boost_claims`).
"""

from __future__ import annotations

_TABLE = """
AE United Arab Emirates|UAE|Emirates|Vereinigte Arabische Emirate|Emirati
AR Argentina|Argentinien|Argentine|Argentinian
AT Austria|Österreich|Austrian|österreichisch
AU Australia|Australien|Australian
BE Belgium|Belgien|Belgian
BG Bulgaria|Bulgarien|Bulgarian
BR Brazil|Brasilien|Brazilian
CA Canada|Kanada|Canadian|kanadisch
CH Switzerland|Schweiz|Swiss|schweizerisch
CL Chile|Chilean
CN China|Chinese
CO Colombia|Kolumbien|Colombian
CY Cyprus|Zypern|Cypriot
CZ Czech Republic|Czechia|Tschechien|Czech
DE Germany|Deutschland|German|deutsch|deutsche|deutschen
DK Denmark|Dänemark|Danish
EE Estonia|Estland|Estonian
EG Egypt|Ägypten|Egyptian
ES Spain|Spanien|Spanish|España
FI Finland|Finnland|Finnish
FR France|Frankreich|French|französisch
GB United Kingdom|UK|Great Britain|Britain|England|Großbritannien|Vereinigtes Königreich|British
GR Greece|Griechenland|Greek
HK Hong Kong|Hongkong
HR Croatia|Kroatien|Croatian
HU Hungary|Ungarn|Hungarian
ID Indonesia|Indonesien|Indonesian
IE Ireland|Irland|Irish|irisch
IL Israel|Israeli
IN India|Indien|Indian
IS Iceland|Icelandic
IT Italy|Italien|Italian|Italia
JP Japan|Japanese
KE Kenya|Kenia|Kenyan
KR South Korea|Korea|Südkorea|Korean
LT Lithuania|Litauen|Lithuanian
LU Luxembourg|Luxemburg|Luxembourgish
LV Latvia|Lettland|Latvian
MA Morocco|Marokko|Moroccan
MT Malta|Maltese
MX Mexico|Mexiko|Mexican
MY Malaysia|Malaysian
NG Nigeria|Nigerian
NL Netherlands|Niederlande|Holland|Dutch
NO Norway|Norwegen|Norwegian
NZ New Zealand|Neuseeland
PH Philippines|Philippinen|Filipino
PL Poland|Polen|Polish
PT Portugal|Portuguese|portugiesisch
RO Romania|Rumänien|Romanian
RS Serbia|Serbien|Serbian
RU Russia|Russland|Russian
SA Saudi Arabia|Saudi-Arabien|Saudi
SE Sweden|Schweden|Swedish
SG Singapore|Singapur|Singaporean
SI Slovenia|Slowenien|Slovenian
SK Slovakia|Slowakei|Slovak
TH Thailand|Thai
TR Turkey|Türkei|Türkiye|Turkish
TW Taiwan|Taiwanese
UA Ukraine|Ukrainian
US United States|USA|United States of America|Vereinigte Staaten|American
VN Vietnam|Vietnamese
ZA South Africa|Südafrika|South African
"""

COUNTRIES: dict[str, tuple[str, ...]] = {line[:2]: tuple(line[3:].split("|")) for line in _TABLE.strip().splitlines()}
"""By ISO 3166 code; the first name is the one that is shown."""
