"""Writes unicode-forms.txt: what the normalisation forms need to know of Unicode, from Python's own database.

Lines: 'u VERSION'; 'c FIRST LAST CLASS' combining classes; 'd CODE PARTS' canonical decompositions that compose again;
'x CODE PARTS' those that do not; 'k CODE PARTS' full compatibility decompositions. Hangul syllables are arithmetic.
Usage: python3 unicode_forms.py > unicode-forms.txt
"""
import unicodedata as u

CODES = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF and not 0xAC00 <= c <= 0xD7A3]
print(f"u {u.unidata_version}")

start = None
for c in CODES + [0x110000]:
    ccc = u.combining(chr(c)) if c < 0x110000 else 0
    if start and (ccc != start[2] or c != start[1] + 1):
        print("c %04X %04X %d" % start)
        start = None
    if ccc:
        start = (start[0] if start else c, c, ccc)

for c in CODES:
    parts = u.decomposition(chr(c))
    if parts and not parts.startswith("<"):
        composes = u.normalize("NFC", chr(c)) == chr(c)
        print("d" if composes else "x", "%04X" % c, parts)

for c in CODES:
    full = u.normalize("NFKD", chr(c))
    if full != u.normalize("NFD", chr(c)):
        print("k", "%04X" % c, " ".join("%04X" % ord(p) for p in full))
