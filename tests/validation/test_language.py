"""Language: clear cases of another language are named; everything in doubt passes."""

import pytest

from raftops.validation.language import foreign_language

ENGLISH = (
    "Employees in Germany receive thirty working days of annual leave per calendar year. The manager approves "
    "the leave in the system, and the employee is told by e-mail when it has been booked."
)
OTHERS = {
    "de": "Die Mitarbeiterinnen und Mitarbeiter in Deutschland erhalten dreißig Arbeitstage Urlaub im Kalenderjahr. "
    "Der Urlaub wird von der Führungskraft im System genehmigt, und die Person wird per E-Mail informiert.",
    "fr": "Les salariés en France reçoivent vingt-cinq jours de congé par an. Le responsable approuve la demande "
    "dans le système et la personne est informée par courriel lorsque les jours sont réservés pour elle.",
    "pt": "Os trabalhadores em Portugal têm direito a vinte e dois dias de férias por ano. O gestor aprova o pedido "
    "no sistema e a pessoa é informada por correio quando os dias são marcados para as férias.",
    "es": "Los empleados en España tienen derecho a veintidós días de vacaciones por año. El responsable aprueba la "
    "solicitud en el sistema y la persona es informada por correo cuando los días se reservan para ella.",
}
MIXED = "The Betriebsrat (works council) of the Leipzig site must agree to the Gleitzeit rules of the Abteilung. "


@pytest.mark.parametrize("code", sorted(OTHERS))
def test_another_language_is_named(code: str) -> None:
    assert foreign_language(OTHERS[code], "en") == code
    assert foreign_language(OTHERS[code], code) is None
    assert foreign_language(ENGLISH, code) == "en"


def test_english_is_english() -> None:
    assert foreign_language(ENGLISH, "en") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "30 days.",
        "Wie viele Tage?",
        "PTO carry-over Q3?",
        "SELECT id, name FROM staff WHERE country = 'DE' ORDER BY id; " * 10,
        "Germany | 30 | 28\nPortugal | 22 | 20\nCanada | 15 | 15\n" * 10,
        "Name Date Amount Owner Form Team Status Code " * 10,
        MIXED * 3,
    ],
)
def test_short_texts_code_tables_and_borrowed_words_pass(text: str) -> None:
    assert foreign_language(text, "en") is None


def test_another_script_is_named() -> None:
    assert foreign_language("Сотрудники получают отпуск " * 5, "en") == "Cyrillic script"


def test_a_language_without_a_list_and_any_reject_nothing() -> None:
    assert foreign_language(OTHERS["de"], "ga") is None
    assert foreign_language(OTHERS["de"], "any") is None
