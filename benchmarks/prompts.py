"""Prompts that share no beginning, so that no prompt cache blurs a measurement.

Knows words only: token counts depend on the tokenizer (the benchmark model has about one token per word).
"""

import random

TEXT = """
able above across act add after again age air all almost along also always among animal answer any apple
area arm army around arrive art ask away baby back ball bank base bear beat beauty bed before begin behind
believe below best better between big bird black blood blow blue board boat body bone book both bottom box
boy branch bread break bright bring brother brown build burn busy buy call came camp capital car card care
carry case cat catch cause cell center chair chance change charge chart check chief child choose circle city
claim class clean clear climb clock close cloth cloud coast coat cold color come common company compare
complete condition connect contain control cook cool copper corn corner correct cost cotton could count
country course cover cow create cross crowd cry current cut dance danger dark day dead deal dear death
decide deep degree depend desert design develop differ direct divide doctor dollar door double down draw
dream dress drink drive drop dry each early earth ease east eat edge effect egg eight electric element end
enemy energy engine enough enter equal evening event ever every exact example except excite exercise expect
eye face fact fair fall family famous farm fast father favor fear feed feel feet field fight figure fill
final find fine finger finish fire first fish five flat floor flow flower fly follow food foot force forest
form forward found four fraction free fresh friend front fruit full fun game garden gas gather general
gentle girl give glad glass gold good govern grand grass gray great green ground group grow guess guide hair
half hand happen happy hard hat head hear heart heat heavy
"""
WORDS = TEXT.split()


def prompt(words: int, seed: str) -> str:
    """`words` words drawn by `seed`; two seeds differ from the first word on, but for 1 pair in 900."""
    rng = random.Random(seed)
    return f"{rng.randrange(100, 1000)} " + " ".join(rng.choices(WORDS, k=words - 1))
