"""Text in a document that speaks to the assistant, not to a reader: it is neither shown to the model nor quoted.

A list of forms, in some languages; no list is complete. What an order would gain is taken from it elsewhere: the
model's words are shown only where evidence carries them, and what answers a question differently is a conflict.
"""

from __future__ import annotations

import re

from raftops.globs import LOOKS_LIKE

_ORDERS = re.compile(
    r"""
    (?<!\bnot\s)(?<!\bnever\s)(?<!n't\s)\b(?:ignore|disregard|forget|override|bypass|discard)\b
        (?:(?!\b(?:follow|see|read)\b)[^.!?\n]){0,40}\b(?:instructions?|prompts?|
        previous\s+(?:directives?|guidelines)|system\s+message|(?:every|all|any)\s+other\s+(?:documents?|sources?|pages?)|
        previous\s+(?:rules|messages|context)|(?:the|this)\s+(?:user'?s\s+)?question)\b
    |\b(?:when(?:ever)?|if)\s+(?:you(?:\s+are|'re)?\s+)?asked\b[^\n]{0,300}?["?\u201d]\W{0,3}(?:(?:you\s+)?(?:must|
        should|always|just|only)\s+)*(?:answer|reply|respond|say|state|tell)\b
    |\b(?:when(?:ever)?|if)\s+(?:asked|the\s+user\s+asks)\b[^\n]{0,300}?,\s+(?:(?:you\s+)?(?:must|should|always|just|only)
        \s+)*(?:answer|reply|respond)\b
    |\bwhoever\s+asks\b[^\n]{0,300}?\b(?:told|answer|reply|say)\b
    |\b(?:note|message|instructions?|notice|hint)\s+(?:to|for)\s+(?:the\s+|all\s+|any\s+)?(?:AI\b|LLM|chat\s?bot
        |language\s+model|(?:assistant|model)s?\s?[:,.;!\u2013\u2014-])
    |\b(?:dear|attention|hey),?\s+(?:the\s+|an?\s+)?(?:AI|LLM|assistant|chat\s?bot|language\s+model)\b[\s,:]
    |\bas\s+(?:the\s+|an?\s+)?(?:AI|LLM|assistant|chat\s?bot|language\s+model)(?:\s+(?:assistant|model))?
        (?:[,:]|\s+(?:you|your)\b)
    |(?:^|[\n"'`>|#*])[ \t]{0,8}(?:(?-i:SYSTEM|ASSISTANT|system|assistant)|(?:system|assistant|developer)
        (?=[ \t]{0,8}:\s+(?:you|your|say|answer|reply|respond|ignore|tell|always|never|do|from|the\s+answer)\b)
        )[ \t]{0,8}:\s
    |\b(?:your|the\s+assistant'?s?)\s+(?:reply|answer|response)\s+to\s+(?:every|any|all|the|this|each|["'\u201c])[^\n]{0,300}?\s
        (?:is|must\s+be|should\s+be)\b
    |\b(?:reply|respond)\s+to\s+["'\u201c][^\n]{0,300}?\bwith\b
    |\b(?:answer|reply|respond)(?:\s+(?:to\s+)?(?:the\s+|this\s+|every\s+|all\s+)?questions?)?\s+(?:only|exclusively|exactly|just)\s+with\b
    |\byou\s+(?:must|are\s+to|shall|will)\s+(?:now\s+)?(?:output|(?:reply|respond)\s+(?:with|only)\b|pretend\b|act\s+as\b
        |(?:say|answer)(?:\s+(?:only|with|that|exactly|just|yes|no)\b|\s*["'\u201c:]|\s+(?-i:[A-Z\d])))
    |\byou\s+are\s+(?:now\s+in\s+\w+\s+mode|now\s+an?\s+(?:AI|assistant|admin\w*)|no\s+longer\s+bound)\b
    |\b(?:end|begin|start|finish|close|conclude)\s+(?:your|each|every|the)\s+(?:answer|reply|response)s?\b[^.!?\n]{0,80}?
        \bwith\b[^\n]{0,60}?(?:https?://|www\.|!\[|\]\(|\b(?:the|this)\s+(?:address|link|url)\b)
    |\bfrom\s+now\s+on,?\s+(?:you\s+(?:must|will|should|are\s+to)\s+)?(?:reply|answer|respond)\b
    |\bforget\s+(?:everything|all)\s+(?:above|before|you\s+(?:were|know|have|read))\b
    |\bignorier\w*\b[^.!?\n]{0,40}\b(?:anweisung\w*|vorgaben|frage|regeln)\b
    |\bantworte\w*\b[^\n]{0,300}?\b(?:nur|ausschließlich)\s+mit\b
    |\b(?:ignore[zr]?\s+(?:toute|le|la|ce|vo|tout)s?|ignore[zr]?\s+cette|oublie[zr]?)\b[^.!?\n]{0,40}
        \b(?:instructions?|consignes?)\b|\bréponds\s+(?:seulement|uniquement)\b
    |\b(?:ignor[ae]|olvid[ae]|ignori|dimentica)\b[^.!?\n]{0,40}\b(?:instrucciones|istruzioni)\b
    |忽略[^。\n]{0,20}(?:指示|指令|说明)|игнорируй\w*[^.\n]{0,40}инструкци
    """,
    re.IGNORECASE | re.VERBOSE,
)


_SOFT = re.compile(r"(?<!\n)\n(?!\n)")
"""The end of a line within a paragraph."""


def order_in(text: str) -> int:
    """Where the first order to the assistant begins in a text; -1 where there is none.

    A paragraph is read as one line, too, and with letters of other alphabets as a reader sees them.
    """
    seen = _SOFT.sub(" ", text).translate(LOOKS_LIKE)  # as long as the text: places are the same
    found = [match.start() for form in dict.fromkeys((text, seen)) if (match := _ORDERS.search(form))]
    return min(found, default=-1)
