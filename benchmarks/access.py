"""Does anybody see what they may not? Generated access files, folders and callers, against the rules said once more.

    python -m benchmarks.access [--cases 100000] [--mistakes 3000] [--seed 7]

A case is one search by one caller: the access file is written and read as a project's is, each document gets its
policy, the caller's groups become policies, and the retriever in memory is asked for everything. What it shows is held
against an oracle that shares no code with the product (`Oracle`). Beside it: the same cases by the standard library's
fnmatch, and with no access rules. The second part mistypes one rule or folder of a project and counts what opens in
silence; beside it what opens when nobody looks. Prints one JSON line a figure.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from zlib import crc32

import numpy as np

from raftops.access import AccessPolicies
from raftops.data.records import Locator, Passage
from raftops.errors import AccessError
from raftops.files import write_text
from raftops.globs import invisible
from raftops.retrieval.memory import MemoryRetriever
from raftops.retrieval.protocols import Vectors
from raftops.spec.access_file import read_access
from raftops.spec.rules import rule_doubts

CALLERS, DOCUMENTS = 20, 12
GROUPS = ("staff", "managers", "Büro", "it-admins", "finance", "works council")
STRANGERS = ("Staff", "everyone", "", "staff ", "*")
FOLDERS = ("managers", "Managers", "hr", "Büro", "team a", "finance", "it")
HIDING = ("mana\u200bgers", "hr\u202e")
NAMES = ("pay.md", "Pay.md", "leave.pdf", "plan 2024.md", "übersicht.md", "a.b.html")
PATTERNS = (
    "{f}/**", "{f}/*", "{f}/**/*.md", "**/{f}/**", "**/{n}", "{f}/{n}", "*", "**", "**/*.md", "{f}*/**", "{f}/?ay.md",
    "*/*", "{f}/{f}/**", "**/?*.pdf", "**/**/*a*", "{f}/*a*.md", "h?/**",
)  # fmt: skip
UNSEEN = frozenset("\u200b\u202e")
MISTAKES = {
    "typo": "mangers/**", "case": "Managers/**", "slash": "managers/", "root": "/managers/**", "dot": "./managers/**",
    "braces": "{managers,board}/**", "set": "[m]anagers/**", "backslash": "managers\\**", "space": "managers /**",
    "look-alike": "m\u0430nagers/**", "zero width": "managers\u200b/**", "folder alone": "managers", "not": "!board/**",
    "plural": "manager/**", "other format": "managers/**/*.docx", "width": "ｍanagers/**", "dots": "managers/...",
}  # fmt: skip
"""Patterns that somebody wrote for the documents of managers/, and that take none of them."""
NAMED = {
    "folder in capitals": "MANAGERS/x.md", "folder with a capital": "Managers/x.md",
    "folder, look-alike": "m\u0430nagers/x.md", "folder, zero width": "managers\u200b/x.md",
    "folder, width": "ｍanagers/x.md", "folder, space": "managers /x.md", "folder, letters turned": "mangaers/x.md",
}  # fmt: skip
"""Documents that somebody meant to put behind the rule for managers/**."""
DRAWN = ("one random letter of the rule", "one random letter of the folder", "two random letters of the folder")
"""Mistakes that nobody chose: a letter is left out, doubled or another one."""


class Oracle:
    """The rules said once more: by recursion over letters, plain lists and no code of the product."""

    def __init__(self, groups: Sequence[str], policies: dict[str, list[str]], rules: Sequence[tuple[str, str]]) -> None:
        self._groups = {self._same(group) for group in groups}
        self._policies = {name: {self._same(group) for group in members} for name, members in policies.items()}
        self._rules = [(self._same(match), policy) for match, policy in rules]

    @staticmethod
    def _same(name: str) -> str:
        return unicodedata.normalize("NFC", name)

    def reads(self, caller: Sequence[str], doc_id: str) -> bool:
        """Whether a caller may read a document."""
        if UNSEEN & set(doc_id):
            return False
        name = self._same(doc_id)
        policy = next((policy for match, policy in self._rules if taken(match, name, True)), None)
        known = {self._same(group) for group in caller} & self._groups
        return bool(known & self._policies.get(policy, set())) if policy else False


@lru_cache(maxsize=500_000)
def taken(glob: str, name: str, begins: bool) -> bool:
    """Whether a pattern takes a name; `begins`: what is left of the pattern begins a part."""
    if not glob:
        return not name
    if begins and glob.startswith("**/"):
        return any(taken(glob[3:], name[at:], True) for at in range(len(name) + 1) if at == 0 or name[at - 1] == "/")
    if glob.startswith("**"):
        return any(taken(glob[2:], name[at:], False) for at in range(len(name) + 1))
    if glob[0] == "*":
        slash = name.find("/") if "/" in name else len(name)
        return any(taken(glob[1:], name[at:], False) for at in range(slash + 1))
    alike = bool(name) and (name[0] != "/" if glob[0] == "?" else name[0] == glob[0])
    return alike and taken(glob[1:], name[1:], glob[0] == "/")


class Words:
    """An embedder by hashed words: which vectors are near is of no matter where everything is asked for."""

    name = "words"

    def tokens(self, text: str) -> int:
        """Words of a text."""
        return len(text.split())

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors."""
        vectors = np.full((len(texts), 16), 1e-6, dtype=np.float32)
        for row, text in enumerate(texts):
            for word in text.split():
                vectors[row, crc32(word.encode()) % 16] += 1
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


@dataclass(frozen=True)
class World:
    """An access file and a folder."""

    groups: list[str]
    policies: dict[str, list[str]]
    rules: list[tuple[str, str]]
    documents: list[str]


def world(draw: random.Random) -> World:
    """Names in either Unicode form, rules in any order, policies that list nobody or a group that is not declared."""

    def form(name: str) -> str:
        return unicodedata.normalize(draw.choice(("NFC", "NFD")), name)

    groups = [form(group) for group in draw.sample(GROUPS, draw.randint(1, len(GROUPS)))]
    policies = {f"p{n}": [form(g) for g in draw.sample(GROUPS, draw.randint(0, 5))] for n in range(4)}
    rules = []
    for _ in range(draw.randint(1, 6)):
        pattern = draw.choice(PATTERNS).format(f=draw.choice(FOLDERS), n=draw.choice(NAMES))
        rules.append((form(pattern), draw.choice([*policies, *policies, "not-there"])))
    rules += [("**", draw.choice([*policies]))] if draw.random() < 0.6 else []
    paths: dict[str, None] = {}
    while len(paths) < DOCUMENTS:
        folders = FOLDERS if draw.random() < 0.9 else HIDING
        parts = [draw.choice(folders) for _ in range(draw.choice((0, 1, 1, 1, 2, 3)))]
        paths[unicodedata.normalize("NFC", "/".join([*parts, draw.choice(NAMES)]))] = None
    return World(groups, policies, rules, [form(path) for path in paths])


def read(made: World, folder: Path) -> AccessPolicies:
    """The access file of a world, written and read as a project's is."""
    lines = ["groups:", *(f"  {json.dumps(group)}: a group" for group in made.groups), "policies:"]
    lines += [f"  {name}: {{groups: {json.dumps(members)}}}" for name, members in made.policies.items()]
    lines += ["documents:", *(f"  - {{match: {json.dumps(m)}, policy: {json.dumps(p)}}}" for m, p in made.rules)]
    write_text(folder / "access.yaml", "\n".join(lines) + "\n")
    return read_access(folder / "access.yaml").sound()


def searched(cases: int, seed: int) -> Counter[str]:
    """Leaks and over-denials of so many searches, by us and by others."""
    draw, counts = random.Random(seed), Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        while counts["cases"] < cases:
            made = world(draw)
            access, oracle = read(made, Path(folder)), Oracle(made.groups, made.policies, made.rules)
            index = MemoryRetriever(
                [_passage(n, d, access.policy_of(d) or "") for n, d in enumerate(made.documents)], Words()
            )
            for _ in range(min(CALLERS, cases - counts["cases"])):
                caller = draw.sample([*made.groups, *STRANGERS], draw.randint(0, 3))
                may = {doc_id for doc_id in made.documents if oracle.reads(caller, doc_id)}
                hits = index.search("what is the rule about canary", access.readable(caller), 50)
                counts.update(cases=1, readable=len(may), hidden=DOCUMENTS - len(may))
                _count(counts, "ours", {hit.passage.doc_id for hit in hits}, may)
                _count(counts, "fnmatch", {d for d in made.documents if _by_fnmatch(made, caller, d)}, may)
                _count(counts, "no rules", set(made.documents), may)
    return counts


def _count(counts: Counter[str], who: str, shown: set[str], may: set[str]) -> None:
    counts.update({
        f"{who} leaks": len(shown - may), f"{who} leaking cases": bool(shown - may),
        f"{who} over-denials": len(may - shown),
    })  # fmt: skip


def _passage(number: int, doc_id: str, policy_id: str) -> Passage:
    text = f"canary{number} is the rule of {doc_id}"
    return Passage(f"p{number:03}", doc_id, f"v{number}", "", text, 0, len(text), Locator(), policy_id, "", 7)


def _by_fnmatch(made: World, caller: Sequence[str], doc_id: str) -> bool:
    """What twenty lines of anybody's would do: the first rule by fnmatch, groups compared as they are."""
    policy = next((policy for match, policy in made.rules if fnmatchcase(doc_id, match)), "")
    return bool(set(caller) & set(made.policies.get(policy, [])) & set(made.groups))


def mistaken(number: int, seed: int) -> Counter[str]:
    """What opens where somebody mistypes a rule or a folder: told as a mistake, told as a note, or in silence."""
    draw, counts = random.Random(seed), Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(number):
            pattern, secret, kind = _mistake(draw)
            files = [secret, *draw.sample(["leave.md", "office/returns.md", "people/leave.md", "it/vpn.md"], 3)]
            files += ["managers/pay.md"] if pattern == "managers/**" and "managers/pay.md" not in files else []
            between = [("it/**", "all")] if "it/vpn.md" in files and draw.random() < 0.5 else []
            rules = [(pattern, "closed"), *between, ("**", "all")]
            made = World(["staff", "managers"], {"all": ["staff", "managers"], "closed": ["managers"]}, rules, files)
            told = _told(made, Path(folder))
            opened = Oracle(made.groups, made.policies, rules).reads(["staff"], secret)
            counts.update({"mistakes": 1, "opened if nobody looks": opened, told if opened else "closed anyway": 1})
            counts.update({f"silent: {kind}": opened and told == "silent"})
    return counts


def _mistake(draw: random.Random) -> tuple[str, str, str]:
    """A pattern, the document that was meant, and the kind of the mistake."""
    kind = draw.choice([*MISTAKES, *NAMED, *DRAWN])
    if kind == DRAWN[0]:
        return _mistyped(draw, "managers/**", 11), "managers/pay.md", kind
    if kind in DRAWN:
        folder = _mistyped(draw, "managers", 8)
        return "managers/**", f"{folder if kind == DRAWN[1] else _mistyped(draw, folder, 7)}/x.md", kind
    return MISTAKES.get(kind, "managers/**"), NAMED.get(kind, "managers/pay.md"), kind


def _mistyped(draw: random.Random, text: str, letters: int) -> str:
    """A text with one of its first letters left out, doubled or another one."""
    at = draw.randrange(letters)
    return text[:at] + draw.choice(("", text[at] * 2, draw.choice("abcdefghijklmnopqrstuvwxyz"))) + text[at + 1 :]


def _told(made: World, folder: Path) -> str:
    """How `raftops validate` tells of a project's rules."""
    try:
        access = read(made, folder)
    except AccessError:
        return "told as a mistake"
    doubts = list(rule_doubts(access, made.documents, "docs"))
    if any(doubt.mistake for doubt in doubts) or any(map(invisible, made.documents)):
        return "told as a mistake"
    return "told as a note" if doubts else "silent"


def figures(cases: int, mistakes: int, seed: int) -> Iterator[dict[str, object]]:
    """Each figure with what it is held against."""
    counts = searched(cases, seed)
    for name in ("leaks", "leaking cases", "over-denials"):
        beside = {who: counts[f"{who} {name}"] for who in ("fnmatch", "no rules")}
        of = {"cases": counts["cases"], "hidden": counts["hidden"], "readable": counts["readable"]}
        yield {"figure": f"access.{name}", "value": counts[f"ours {name}"], "baseline": beside, **of}
    counts = mistaken(mistakes, seed)
    silent = {
        name.removeprefix("silent: "): n for name, n in sorted(counts.items()) if name.startswith("silent: ") and n
    }
    yield {
        "figure": "access.mistakes that open in silence", "value": counts["silent"],
        "baseline": {"nobody looks": counts["opened if nobody looks"]}, "mistakes": counts["mistakes"],
        "told as a mistake": counts["told as a mistake"], "told as a note": counts["told as a note"], "silent": silent,
    }  # fmt: skip


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--mistakes", type=int, default=3_000)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    for figure in figures(given.cases, given.mistakes, given.seed):
        print(json.dumps(figure, ensure_ascii=False))  # noqa: T201  the figures are the output


if __name__ == "__main__":
    main()
