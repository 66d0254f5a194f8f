"""A valid spec, and wrong ones: what is changed in it, where the report must point, and what it must say there."""

from __future__ import annotations

from typing import NamedTuple

VALID = """\
apiVersion: raftops/v1
kind: Assistant
metadata: {name: demo}
spec:
  data:
    documents: {path: docs}
    access: access.yaml
    examples: [examples.jsonl]
  train:
    audience: [staff]
"""
ACCESS = """\
groups: {staff: Everyone, managers: Managers}
policies:
  open: {groups: [staff, managers]}
  closed: {groups: [managers]}
documents:
  - {match: "closed/**", policy: closed}
  - {match: "**", policy: open}
"""


class Wrong(NamedTuple):
    """One mistake. `old` empty: `new` is the whole file."""

    name: str
    old: str
    new: str | bytes
    place: str
    """`line:column`, or empty where the whole file is meant."""
    says: str


END = "    audience: [staff]\n"
LDAP = "url: 'ldaps://dc.example', users: 'ou=p,dc=x', groups: 'ou=g,dc=x'"
SCIM = "scim: {token: {secret: s, key: k, env: SCIM_TOKEN}}"
TOKEN = "kubernetes: {smoke_token: {secret: s, key: k, env: T}}"
KEYS = 'identity: {jwks: "https://id.example/k", issuer: i, audience: a}'
SERVER = '  platform: {workspace: store, milvus: {uri: "http://milvus:19530"}}\n'


def directory(name: str, text: str, place: str, says: str) -> Wrong:
    """A mistake in the directory, whose settings are on line 15."""
    head = "  deploy:\n    host: 127.0.0.1\n"
    keys = "{jwks: 'https://id.example/k', issuer: i, audience: a, directory: {"
    return more(name, f"{head}    identity:\n      {keys}\n        {text}}}}}\n", place, says)


def more(name: str, text: str, place: str, says: str) -> Wrong:
    """A mistake in lines added at the end of `train`, or after it (the added lines start at line 11)."""
    return Wrong(name, END, END + text, place, says)


TEXT = [
    Wrong("an empty file", "", "", "", "the file is empty"),
    Wrong("only comments", "", "# nothing\n\n# yet\n", "", "the file has only comments"),
    Wrong("an empty document", "", "---\n", "", "must hold a spec (apiVersion, kind, metadata, spec), found nothing"),
    Wrong("a list on top", "", "- a\n- b\n", "1:1", "found a list"),
    Wrong("a word on top", "", "hello\n", "1:1", "found a single value"),
    Wrong("two documents", END, END + "---\nkind: x\n", "11:1", "a second document starts here"),
    Wrong(
        "a key twice",
        END,
        END + "    audience: [managers]\n",
        "11:5",
        "spec.train.audience: is given twice, first on line 10",
    ),
    Wrong("a section twice", "  train:", "  data: {}\n  train:", "9:3", "spec.data: is given twice, first on line 5"),
    Wrong("a tab", "    access", "\taccess", "7:1", "a tab stands in the indentation"),
    Wrong("an open list", "[examples.jsonl]", "[examples.jsonl", "8:15", "this list is not closed by ]"),
    Wrong("an open mapping", "{path: docs}", "{path: docs", "6:16", "this mapping is not closed by }"),
    Wrong("an open quote", "access.yaml", "'access.yaml", "7:13", "this quoted text is never closed"),
    Wrong("a colon too many", "access.yaml", "a: b", "7:14", "a colon is not expected here"),
    Wrong("an at sign", "access.yaml", "@access", "7:13", "the character '@' cannot start a value"),
    Wrong("a wrong indentation", "  train:", " train:", "9:2", "mend its indentation"),
    Wrong(
        "a missing colon", "    access: access.yaml", "    access\n    x: y", "7:5", "a colon is missing after this key"
    ),
    Wrong(
        "an anchor",
        "access: access.yaml",
        "access: &a access.yaml",
        "7:13",
        "spec.data.access: anchors (&a) are not allowed",
    ),
    Wrong("an alias", "[staff]", "*who", "10:15", "spec.train.audience: aliases (*who) are not allowed"),
    more("a merge key", "    <<: {rank: 3}\n", "11:5", "merge keys (<<) are not allowed"),
    Wrong("a Python tag", "[staff]", '!!python/object/apply:os.system ["true"]', "10:15", 'the tag "!!python/object'),
    Wrong("a custom tag", "access.yaml", "!file access.yaml", "7:13", 'the tag "!file" is not allowed'),
    Wrong("a standard tag", "access.yaml", "!!binary YQ==", "7:13", 'the tag "!!binary" is not allowed'),
    Wrong("Latin-1", "", "# caf\xe9\nkind: x\n".encode("latin-1"), "1:6", "the byte 0xe9 is not UTF-8"),
    Wrong("UTF-16", "", "kind: x".encode("utf-16"), "", "is UTF-16; save it as UTF-8"),
    Wrong("a control character", "access.yaml", "a\x07b", "7:14", "the control character U+0007"),
    Wrong("a huge file", "", "# " + "x" * (1 << 20), "", "is larger than 1 MiB"),
    Wrong("deep nesting", "[staff]", "[" * 40 + "]" * 40, "10:45", "is nested more than 32 levels deep"),
    Wrong("very deep nesting", "", "[" * 300_000, "1:34", "is nested more than 32 levels deep"),
    Wrong("a number as a key", END, END + "    5: x\n", "11:5", "a key must be text, and YAML reads this one as 5"),
    Wrong("on as a key", END, END + "    on: x\n", "11:5", "a key must be text, and YAML reads this one as true"),
    Wrong(
        "nothing as a key", END, END + "    ~: x\n", "11:5", "a key must be text, and YAML reads this one as nothing"
    ),
    Wrong("a list as a key", END, END + "    ? [a, b]\n    : x\n", "11:7", "spec.train: a key must be text"),
    Wrong("a YAML directive", "apiVersion", "%YAML 3.0\n---\napiVersion", "1:1", "the %YAML version is not known"),
    Wrong("text after the end", END, END + "...\nkind: x\n", "12:1", "stands"),
]

TYPES = [
    Wrong(
        "an unknown key",
        END,
        END + "    lora_rnak: 8\n",
        "11:5",
        "spec.train.lora_rnak: unknown key, did you mean rank?",
    ),
    Wrong("a misspelt section", "  train:", "  trian:", "9:3", "spec.trian: unknown key, did you mean train?"),
    Wrong("a key that lives elsewhere", "spec:", "rank: 8\nspec:", "4:1", "did you mean spec.train.rank?"),
    more("a key like no other", "    zzz: 8\n", "11:5", "unknown key; known here: method, audience"),
    Wrong("no train", "  train:\n" + END, "", "4:1", "spec.train: is missing"),
    Wrong(
        "no audience",
        "    audience: [staff]",
        "    rank: 8",
        "9:3",
        "spec.train.audience: is missing: Groups that will",
    ),
    Wrong("no metadata", "metadata: {name: demo}\n", "", "1:1", "metadata: is missing: Name and description"),
    Wrong("no path", "{path: docs}", "{uri: x}", "6:5", "spec.data.documents.path: is missing"),
    Wrong("another apiVersion", "raftops/v1", "raftops/v2", "1:13", 'must be raftops/v1; found the text "raftops/v2"'),
    Wrong("another kind", "kind: Assistant", "kind: Asistant", "2:7", "did you mean Assistant?"),
    Wrong("a name with capitals", "name: demo", "name: My_Demo", "3:18", "metadata.name: must be an RFC 1123 label"),
    Wrong(
        "a date as a name",
        "name: demo",
        "name: 2024-05-01",
        "3:18",
        'YAML reads "2024-05-01" as a date; put it in quotes',
    ),
    Wrong(
        "a number as a name",
        "name: demo",
        "name: 2024",
        "3:18",
        "must be text, found the number 2024; put it in quotes",
    ),
    Wrong(
        "an exponent as a name",
        "name: demo",
        "name: 1e5",
        "3:18",
        "must be text, found the number 1e5; put it in quotes",
    ),
    more("Norway", "  validate: {language: no}\n", "11:24", "YAML reads no as false; put it in quotes"),
    more(
        "a long language",
        "  validate: {language: english}\n",
        "11:24",
        "must be two lower-case letters such as en, or any",
    ),
    more("an octal number", "    seed: 010\n", "11:11", 'YAML reads "010" as an octal'),
    more(
        "a base-60 number", "    rank: 1:30\n", "11:11", 'YAML reads "1:30" as an octal, hexadecimal, binary, base-60'
    ),
    more("an infinite number", "    epochs: .inf\n", "11:13", "is not a finite number"),
    more("no number at all", "    epochs: .nan\n", "11:13", "is not a finite number"),
    more("a number of 400 digits", f"    seed: {'9' * 400}\n", "11:11", "is too large a number"),
    more("text for a number", "    rank: many\n", "11:11", 'must be a whole number, found the text "many"'),
    more("a quoted number", '    rank: "8"\n', "11:11", "must be a whole number"),
    more("yes for a number", "    rank: yes\n", "11:11", "must be a whole number, found yes"),
    more("half a rank", "    rank: 8.5\n", "11:11", "must be a whole number, found the number 8.5"),
    more("text for truth", "    plain: 'yes'\n", "11:12", 'must be true or false, found the text "yes"'),
    more("a number too small", "    rank: 0\n", "11:11", "spec.train.rank: must be at least 1, found the number 0"),
    more("a number too large", "    dropout: 1.5\n", "11:14", "must be at most 1, found the number 1.5"),
    more("nothing learnt", "    learning_rate: 0\n", "11:20", "must be more than 0, found the number 0"),
    more(
        "a bad choice",
        "    method: qlra\n",
        "11:13",
        'must be one of qlora, lora; found the text "qlra", did you mean qlora?',
    ),
    more("an empty section", "  augment:\n", "11:3", "spec.augment: is empty; put keys under it, or remove it"),
    more("text for a section", "  augment: none\n", "11:12", "must be a mapping (keys: max_examples"),
    more("a list for a section", "  augment: [a]\n", "11:3", "found a list"),
    Wrong(
        "text for a list", "[staff]", "staff", "10:15", 'must be a list, found the text "staff"; put it in [brackets]'
    ),
    Wrong("an empty list", "[staff]", "[]", "10:5", "spec.train.audience: needs at least 1 item(s)"),
    Wrong("an empty text", "access.yaml", '""', "7:13", "spec.data.access: is empty"),
    Wrong("no value", "access: access.yaml", "access:", "7:5", "spec.data.access: must be text, found nothing"),
    Wrong("a mapping for text", "access: access.yaml", "access: {a: b}", "7:5", "must be text, found a mapping"),
    Wrong("a wrong item", "[staff]", "[staff, 3]", "10:23", "spec.train.audience[1]: must be text, found the number 3"),
    more("a bad model source", "  models: {base: gpt2}\n", "11:18", "must be hf://org/name@revision"),
    more(
        "an unknown arm",
        "  evaluate: {arms: [raft, rafts]}\n",
        "11:27",
        "spec.evaluate.arms[1]: must be one of extract, base",
    ),
    more("an unknown step", "  platform: {resources: {trian: {}}}\n", "11:26", "unknown key, did you mean train?"),
    more(
        "a bad memory",
        "  platform: {resources: {train: {memory: 8 GB}}}\n",
        "11:42",
        "must be a memory quantity such as 512Mi",
    ),
    more("a bad cpu", "  platform: {resources: {train: {cpu: lots}}}\n", "11:39", "must be a CPU quantity such as 2"),
    more("a bad Milvus address", "  platform: {milvus: {uri: here}}\n", "11:28", "must be embedded, or an address"),
    more("a long prompt", f"  prompt: {{abstain: {'x' * 301}}}\n", "11:21", "is longer than 300 characters"),
    more("a list of labels", "  platform: {resources: [a]}\n", "11:14", "found a list"),
    more(
        "too many candidates",
        f"    candidates: [{', '.join(f'{{name: c{n}, seed: {n}}}' for n in range(17))}]\n",
        "11:5",
        "spec.train.candidates: has more than 16 items",
    ),
    more(
        "a candidate with a value that no candidate has",
        "    candidates: [{name: a, audience: [managers]}]\n",
        "11:28",
        "spec.train.candidates[0].audience: unknown key",
    ),
    more(
        "a candidate that is no label",
        "    candidates: [{name: Slow and steady}]\n",
        "11:25",
        "RFC 1123",
    ),
]

RELATIONS = [
    Wrong("shares over one", "  train:", "    splits: {train: 0.9}\n  train:", "9:5", "must sum to 1, they sum to 1.2"),
    Wrong(
        "no share for training",
        "  train:",
        "    splits: {train: 0, dev: 0.5, test: 0.5}\n  train:",
        "9:21",
        "nothing would be trained on",
    ),
    Wrong(
        "no share for tests",
        "  train:",
        "    splits: {train: 0.9, dev: 0.1, test: 0}\n  train:",
        "9:42",
        "nothing would be left to evaluate on",
    ),
    Wrong("no documents", "path: docs", "path: dox", "6:23", "no such folder: dox"),
    Wrong("a file for a folder", "path: docs", "path: access.yaml", "6:23", "is a file, not a folder: access.yaml"),
    Wrong(
        "no file that matches",
        "path: docs}",
        "path: docs, include: ['*.pdf']}",
        "6:29",
        "no file in docs matches *.pdf",
    ),
    Wrong(
        "a pattern that climbs",
        "path: docs}",
        "path: docs, include: ['../*']}",
        "6:39",
        "is in no document's path",
    ),
    Wrong("no access file", "access.yaml", "acess.yaml", "7:13", "no such file: acess.yaml"),
    Wrong(
        "no examples",
        "[examples.jsonl]",
        "[examples.jsonl, more/*.jsonl]",
        "8:32",
        "spec.data.examples[1]: no file matches more/*.jsonl",
    ),
    Wrong("absolute examples", "[examples.jsonl]", "[/x.jsonl]", "8:16", "relative to the project"),
    Wrong("no pointer file", "  train:", "    dvc: data.dvc\n  train:", "9:10", "no such file: data.dvc"),
    Wrong("an unknown audience", "[staff]", "[staf]", "10:16", "access.yaml has no group staf, did you mean staff?"),
    more("no starter", "    init_from: starter\n", "11:16", "no such folder: starter"),
    more("half a starter", "    init_from: docs\n", "11:16", "docs holds no folder raft or plain"),
    more("no local model", "  models: {base: file://m.gguf}\n", "11:18", "no such file or folder: m.gguf"),
    more("many units, little room", "  prompt: {units: 50}\n", "11:19", "50 units need about 600 tokens"),
    more(
        "passages that do not fit",
        "  prompt: {evidence: passages, evidence_tokens: 100}\n",
        "11:49",
        "is less than one whole passage",
    ),
    more(
        "a sequence too short",
        "    sequence_tokens: 400\n",
        "11:22",
        "400 tokens are too few: 260 (evidence) + 200 (question of 600",
    ),
    more(
        "evidence too long", "  prompt: {evidence_tokens: 2000}\n", "11:29", "640 tokens are too few: 2000 (evidence)"
    ),
    more(
        "half a router",
        "  router: {behaviour: {questions: [a]}}\n",
        "11:3",
        "spec.router.knowledge.questions: has no example questions",
    ),
    more(
        "one question, two classes",
        "  router:\n    behaviour: {questions: [a]}\n    knowledge: {questions: [b]}\n    both: {questions: [c, A]}\n",
        "14:27",
        "spec.router.both.questions[1]: stands in the class behaviour too",
    ),
    more(
        "shares of more than all",
        "  augment: {abstain_fraction: 0.7, memorise_fraction: 0.7}\n",
        "11:55",
        "together are 1.4",
    ),
    more(
        "arms without adapter",
        "    plain: false\n",
        "11:12",
        "the arms fine-tuned and fine-tuned+rag need the plain adapter",
    ),
    more("no arms", "  evaluate: {arms: []}\n", "11:14", "name at least one of extract, base"),
    more("an arm twice", "  evaluate: {arms: [raft, raft]}\n", "11:27", "raft stands here twice"),
    more(
        "an unknown metric",
        "  evaluate: {gates: [{metric: speed.mean, min: 1}]}\n",
        "11:31",
        '"speed.mean" is no metric of the report',
    ),
    more(
        "a metric that is nearly one",
        "  evaluate: {gates: [{metric: raft.citation_precison, min: 1}]}\n",
        "11:31",
        "did you mean raft.citation_precision?",
    ),
    more(
        "a gate on no arm",
        "  evaluate: {arms: [raft], gates: [{metric: base.f1, min: 1}]}\n",
        "11:45",
        "the arm base is not among",
    ),
    more("a gate without bound", "  evaluate: {gates: [{metric: raft.f1}]}\n", "11:22", "needs min, max or both"),
    more(
        "a gate that cannot pass",
        "  evaluate: {gates: [{metric: raft.f1, min: 2, max: 1}]}\n",
        "11:22",
        "min 2 is above max 1",
    ),
    more("nobody can call", "  deploy: {identity: {groups_claim: g}}\n", "11:12", "nobody could prove who they are"),
    more(
        "development tokens for all",
        "  deploy: {host: 0.0.0.0}\n",
        "11:18",
        "refused unless the service listens on loopback",
    ),
    more(
        "a key set by http",
        '  deploy: {identity: {jwks: "http://id.example/k", issuer: i, audience: a}}\n',
        "11:29",
        "must be an https address or a file",
    ),
    more(
        "a key set of no file",
        "  deploy: {identity: {jwks: keys.json, issuer: i, audience: a}}\n",
        "11:29",
        "no such file: keys.json",
    ),
    more(
        "a key set for any application",
        '  deploy: {identity: {jwks: "https://id.example/k", issuer: i}}\n',
        "11:29",
        "needs audience beside it",
    ),
    more(
        "an issuer of plain http",
        '  deploy: {identity: {jwks: "https://id.example/k", issuer: "http://id.example/", audience: a}}\n',
        "11:61",
        "must begin with https://",
    ),
    more(
        "an audience with a line break",
        '  deploy: {identity: {jwks: "https://id.example/k", issuer: i, audience: "a b"}}\n',
        "11:74",
        "has a space or line break",
    ),
    more(
        "keys that serve for ever",
        '  deploy: {identity: {jwks: "https://id.example/k", issuer: i, audience: a, keys_max_age_seconds: 1000000}}\n',
        "11:99",
        "must be at most 86400",
    ),
    more(
        "nobody says the groups",
        '  deploy: {identity: {jwks: "https://id.example/k", issuer: i, audience: a, groups_claim: ""}}\n',
        "11:91",
        "nobody would be in a group",
    ),
    more(
        "a file that is no key set",
        "  deploy: {identity: {jwks: access.yaml, issuer: i, audience: a}}\n",
        "11:29",
        "access.yaml is no key set",
    ),
    more(
        "a directory of people whom no token names",
        f"  deploy: {{identity: {{dev_tokens: t, directory: {{ldap: {{{LDAP}}}}}}}}}\n",
        "11:38",
        "needs jwks",
    ),
    directory("a directory of nothing", "cache_seconds: 60", "14:62", "needs ldap or scim"),
    directory("two directories", f"{SCIM}, ldap: {{{LDAP}}}", "15:9", "stands beside ldap"),
    directory("an answer kept of SCIM", f"{SCIM}, cache_seconds: 60", "15:77", "is of ldap"),
    directory("a setting of no directory", f"ldap: {{{LDAP}, filter: x}}", "15:84", "unknown key"),
    directory("a directory without TLS", f"ldap: {{{LDAP.replace('ldaps', 'ldap')}}}", "15:21", "is without TLS"),
    directory("TLS twice", f"ldap: {{{LDAP}, start_tls: true}}", "15:95", "is for ldap://"),
    directory("no authorities", f"ldap: {{{LDAP}, ca_file: none.pem}}", "15:93", "no such file: none.pem"),
    directory("half a login", f"ldap: {{{LDAP}, bind_dn: 'cn=x'}}", "15:93", "needs bind_password beside it"),
    directory("no entry", f"ldap: {{{LDAP.replace('ou=g,dc=x', 'groups')}}}", "15:71", "is no name of an entry"),
    directory("everybody", f"ldap: {{{LDAP}, user_filter: '(uid=*)'}}", "15:97", "has no {principal}"),
    directory("half a filter", f"ldap: {{{LDAP}, user_filter: '(&(uid={{principal}})'}}", "15:97", "do not match"),
    directory("names of no entries", f"ldap: {{{LDAP}, members: [memberUid]}}", "15:84", "holds no names of entries"),
    more(
        "a file of many pods",
        f"  deploy: {{target: kubernetes, {TOKEN},\n    {KEYS[:-1]}, directory: {{\n    {SCIM}}}}}}}\n{SERVER}",
        "13:5",
        "each pod would know another half",
    ),
    more("an empty smoke question", "  deploy: {smoke_questions: [' ']}\n", "11:30", "is empty"),
    more("no cpu", "  platform: {resources: {train: {cpu: 0}}}\n", "11:39", "must be more than 0"),
    more(
        "an idle accelerator",
        "  platform: {resources: {ingest: {accelerator: {}}}}\n",
        "11:35",
        "the step ingest cannot use an accelerator",
    ),
    more(
        "qlora on a TPU",
        "  platform: {resources: {train: {accelerator: {type: google.com/tpu}}}}\n",
        "11:54",
        "cannot train with spec.train.method qlora",
    ),
    more(
        "a nameless accelerator",
        "  platform: {resources: {evaluate: {accelerator: {type: gpu}}}}\n",
        "11:57",
        "must be a resource name with its domain",
    ),
    more(
        "a value for Exists",
        "  platform: {resources: {train: {tolerations: [{key: a, value: b}]}}}\n",
        "11:48",
        "operator Exists does not take",
    ),
    more("a budget without prices", "  platform: {budget: 20}\n", "11:22", "needs spec.platform.prices"),
    more(
        "a price that is missing",
        "  platform:\n    prices: {cpu_hour: 0.04}\n    resources: {train: {accelerator: {count: 1}}}\n",
        "12:5",
        "has no price of nvidia.com/gpu, which step train asks for",
    ),
    more(
        "a cluster without a key set",
        f"  deploy: {{target: kubernetes, {TOKEN}}}\n{SERVER}",
        "11:20",
        "must be an https address where spec.deploy.target is kubernetes",
    ),
    more(
        "a smoke test without token",
        f"  deploy: {{target: kubernetes, {KEYS}}}\n{SERVER}",
        "11:20",
        "nobody else could ask the new pods",
    ),
    more(
        "many pods, one process",
        f"  deploy: {{target: kubernetes, {KEYS}, {TOKEN}}}\n  platform: {{workspace: store}}\n",
        "11:20",
        "must be a Milvus server",
    ),
    more(
        "pods without the release",
        f"  deploy: {{target: kubernetes, {KEYS}, {TOKEN}}}\n{SERVER}".replace("workspace: store, ", ""),
        "11:20",
        "pods read the release from that claim",
    ),
    more("signatures by nobody", "  deploy: {signing: {required: true}}\n", "11:32", "nothing could be verified"),
    more("no such key", "  deploy: {signing: {public_key: k.pem}}\n", "11:34", "no such file: k.pem"),
    more(
        "a private key in the spec",
        '  deploy: {signing: {public_key: "-----BEGIN EC PRIVATE KEY-----"}}\n',
        "11:34",
        "is not a public key",
    ),
    more(
        "nodes without work",
        "    nodes: 3\n  platform: {workspace: store}\n",
        "11:12",
        "8 does not divide among 3 nodes of 1",
    ),
    more("nodes that share nothing", "    nodes: 2\n", "11:12", "nodes share adapters and checkpoints on that claim"),
    more(
        "a candidate twice",
        "    candidates: [{name: a}, {name: a, rank: 8}]\n",
        "11:36",
        '"a" stands here twice; name each candidate differently',
    ),
    more(
        "candidates that are alike",
        "    candidates: [{name: a}, {name: b, rank: 16}]\n",
        "11:29",
        "has the same settings as the candidate a: one of them is enough",
    ),
    Wrong(
        "candidates that nothing chooses",
        "  train:\n" + END,
        "    splits: {train: 0.8, dev: 0.0, test: 0.2}\n  train:\n" + END + "    candidates: [{name: a}]\n",
        "9:31",
        "spec.train.candidates are chosen by their loss on the dev split",
    ),
    more(
        "candidates on nodes",
        "    candidates: [{name: a}]\n    nodes: 2\n  platform: {workspace: store}\n",
        "11:5",
        "cannot be trained on 2 nodes each",
    ),
    more(
        "nothing beside",
        "    plain: false\n    plain_beside: true\n  evaluate: {arms: [raft]}\n",
        "12:19",
        "has nothing to train",
    ),
    more(
        "settings that nobody knows yet",
        "    candidates: [{name: a}]\n    plain_beside: true\n",
        "12:19",
        "takes the settings of the candidate that is chosen",
    ),
    more(
        "one pod beside nodes",
        "    nodes: 2\n    plain_beside: true\n  platform: {workspace: store}\n",
        "12:19",
        "means one pod, and spec.train.nodes is 2",
    ),
    more("an unknown stemmer", "  index: {bm25: {language: klingon}}\n", "11:28", "has no stemmer"),
]

WRONG = [*TEXT, *TYPES, *RELATIONS]
