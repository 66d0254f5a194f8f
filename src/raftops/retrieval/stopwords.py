"""Words that carry no topic, by Snowball language. A language without a list keeps all (idf weighs them down)."""

from __future__ import annotations

_LISTS = {
    "english": """
        a about above after again against all am an and any are as at be because been before being below between
        both but by can could did do does doing down during each few for from further had has have having he her
        here hers herself him himself his how i if in into is it its itself just me more most my myself no nor not
        of off on once only or other our ours ourselves out over own same she should so some such than that the
        their theirs them themselves then there these they this those through to too under until up very was we were
        what when where which while who whom why will with would you your yours yourself yourselves
    """,
    "german": """
        aber alle als also am an auch auf aus bei bin bis bist da damit dann das dass dein dem den der des die dies
        diese dieser dieses du durch ein eine einem einen einer eines er es euch für hat hatte ich ihr im in ist ja
        jede jeder kann kein keine können man mein mit muss nach nicht noch nur ob oder ohne sein sich sie sind so
        über um und uns unter vom von vor war was weil wenn wer werden wie wir wird wo zu zum zur
    """,
    "french": """
        à au aux avec c ce ces cet cette d dans de des du elle elles en est et eux il ils j je l la le les leur
        leurs lui m ma mais me mes moi mon n ne nos notre nous on ont ou où par pas pour qu que quel quelle qui s sa
        se ses son sont sur t ta te tes toi ton tu un une vos votre vous y
    """,
    "spanish": """
        a al algo como con cual cuando de del desde donde el ella ellas ellos en entre era es esa ese eso esta este
        esto están está fue ha han hasta hay la las le les lo los me mi muy más ni no nos o os para pero por porque
        que qué quien se ser si sin sobre son su sus también te tiene tu un una uno y ya yo
    """,
    "italian": """
        a ad ai al alla alle anche che chi ci come con cui da dal dalla dei del della delle di dove e ed è gli ha
        hanno i il in io la le lei li lo loro lui ma mi ne nei nel nella noi non o per perché più quale quando
        quello questa questo se si sia sono su sul sulla tra tu un una uno vi voi
    """,
    "dutch": """
        aan al als bij dat de den der des deze die dit door dus een en er had heb hebben het hij hoe hun ik in is ja
        je kan met mijn naar niet nog nu of om onder ons ook op over te tot u uit van veel voor want was wat we wel
        werd wie wij wordt zal ze zich zijn zo
    """,
    "portuguese": """
        a ao aos as até com como da das de dela dele do dos e é ela elas ele eles em entre era essa esse esta este
        eu foi há isso isto já lhe mais mas me meu minha na nas não no nos nós o os ou para pela pelo por qual
        quando que quem se sem ser seu sua são também te tem um uma você
    """,
}

STOP_WORDS: dict[str, frozenset[str]] = {language: frozenset(words.split()) for language, words in _LISTS.items()}
