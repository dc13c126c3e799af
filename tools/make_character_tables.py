"""Generate the character tables of the server and the pages: the same tables, in two languages.

    .venv/bin/python tools/make_character_tables.py

The sources are the Unicode data of three modules, ``unicodedata`` (NFKD, names, digits), ``regex``
(properties) and ``confusable_homoglyphs`` (UTS 39), and the list of look-alikes below, which is
maintained by hand. A test generates the tables again and compares them.
"""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

import regex
from confusable_homoglyphs.confusables import confusables_data

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from chat.core import character_tables

ROOT = Path(__file__).resolve().parents[1]
PYTHON_FILE = ROOT / "chat" / "core" / "character_tables.py"
# The pages need the folding tables only when a word is hidden.
JAVASCRIPT_FILES = {
    ROOT / "static" / "js" / "room" / "grapheme-tables.js": ("GRAPHEME_CLASSES",),
    ROOT / "static" / "js" / "room" / "folding-tables.js": ("INVISIBLE", "SPACES", "FOLDS"),
}

ALL = "".join(map(chr, range(0x110000)))
HANGUL_SYLLABLES = range(0xAC00, 0xD7A4)
SURROGATES = range(0xD800, 0xE000)

# Letters of other scripts that look like a Latin letter. They come from UTS 39 (confusables.txt),
# limited to the alphabets in which people imitate Latin words. If only the capital looks Latin, the
# letter is listed too, because folding ignores case. If capital and small letter look like
# different Latin letters, as with Greek nu, the small one decides. Other scripts (Arabic, Hebrew,
# Indic) are left out: their words would become equal to other words of the same script.
LOOK_ALIKES = {
    "Cyrillic": (
        "а a, в b, с c, ԁ d, е e, ԍ g, һ h, н h, і i, ј j, к k, ӏ l, м m, о o, р p, ԛ q, г r, "
        "ѕ s, т t, ѵ v, ԝ w, ѡ w, х x, у y, ү y, ь b"
    ),
    "Greek": (
        "α a, β b, ϲ c, ε e, ϝ f, η h, ι i, ϳ j, κ k, μ m, ν v, ο o, ρ p, τ t, υ u, ω w, χ x, "
        "γ y, ζ z"
    ),
    "Armenian": "ց g, հ h, ո n, օ o, զ q, ս u, ա w, ք f, տ s",
    "Coptic": ("ⲁ a, ⲃ b, ⲥ c, ⲉ e, ⲏ h, ⲓ i, ⲕ k, ⳑ l, ⲙ m, ⲛ n, ⲟ o, ⲣ p, ⲅ r, ⲧ t, ⲩ y, ⲭ x"),
    "Cherokee": (
        "Ꭺ a, Ᏼ b, Ꮟ b, Ꮯ c, Ꭰ d, Ꮷ d, Ꭼ e, Ꮐ g, Ᏻ g, Ꮋ h, Ꮒ h, Ꭵ i, Ꭻ j, Ꮶ k, Ꮮ l, Ꮇ m, Ꮲ p, "
        "Ꭱ r, Ꮢ r, Ꮥ s, Ꮪ s, Ꭲ t, Ꮩ v, Ꮃ w, Ꮤ w, Ꭹ y, Ꮍ y, Ꮓ z"
    ),
    "Lisu": (
        "ꓮ a, ꓐ b, ꓚ c, ꓓ d, ꓒ d, ꓰ e, ꓝ f, ꓖ g, ꓧ h, ꓲ i, ꓙ j, ꓗ k, ꓡ l, ꓟ m, ꓠ n, ꓳ o, ꓑ p, "
        "ꓣ r, ꓢ s, ꓔ t, ꓴ u, ꓦ v, ꓪ w, ꓫ x, ꓬ y, ꓜ z"
    ),
    # Latin letters that Unicode neither decomposes nor names after the letter they look like.
    "Latin": "æ ae, œ oe, ɑ a, ɛ e, ɡ g, ı i, ɩ i, ȷ j, ĸ k, ǀ l, ɵ o, ɣ y, ℮ e",
    # The same letter on the keyboards of different languages.
    "Arabic": "ک ك, ی ي, ى ي",
    # Typographic variants of the apostrophe, the quotation mark and the hyphen.
    "punctuation": "’ ', ‘ ', ʼ ', ′ ', “ \", ” \", ‐ -, ‒ -, – -, — -, ― -, − -",
}

# Latin letters with a stroke, hook or tail, small capitals and negative circled or squared letters
# have no decomposition, but Unicode names them after the letter.
_NAMED_AFTER = re.compile(
    r"LATIN (?:(?:SMALL|CAPITAL) LETTER|LETTER SMALL CAPITAL) ([A-Z])(?: WITH .*)?"
    r"|(?:CROSSED )?NEGATIVE (?:CIRCLED|SQUARED) LATIN CAPITAL LETTER ([A-Z])"
)

# Marks that can be removed without making another word. Marks of other scripts are vowels, and the
# voicing marks of kana make other syllables.
_DECORATION = regex.compile(
    r"[[\p{Mn}\p{Me}]&&[\p{Script=Inherited}\p{Latin}\p{Greek}\p{Cyrillic}\p{Hebrew}\p{Arabic}]"
    r"--[\u3099\u309a]]",
    regex.VERSION1,
)
# With the Arabic tatweel (U+0640), which only stretches a word.
_INVISIBLE = regex.compile(
    r"[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}\u0640]"
)
_JAMO = re.compile(r"[\u1100-\u11ff]+")
_SPACE = regex.compile(r"[\s\u2800]")
# Stands for a space inside a target, because spaces separate the targets.
SPACE_SIGN = "␣"


def fold_of_each() -> dict[int, str]:
    """Return what each code point is folded to, for those that are not folded to themselves.

    A code point that NFC replaces is left out: what is folded is in NFC.
    """
    similar = dict(_look_alikes())
    once = dict.fromkeys(_find_all(_INVISIBLE) | _find_all(_DECORATION), "")
    once |= dict.fromkeys(_find_all(_SPACE), " ")
    folds: dict[int, str] = {}
    for code, char in enumerate(ALL):
        if code in HANGUL_SYLLABLES or not unicodedata.is_normalized("NFC", char):
            continue
        # Text in NFC has Hangul syllables composed.
        folded = _JAMO.sub(
            lambda jamo: unicodedata.normalize("NFC", jamo[0]), _fold(char, once, similar)
        )
        if folded != char:
            folds[code] = folded
    return folds


def _find_all(pattern: regex.Pattern[str]) -> set[str]:
    return set(pattern.findall(ALL))


def _look_alikes() -> Iterator[tuple[str, str]]:
    for char in ALL:
        # Not if it has a decomposition, which may contain more letters than the name's first: ǅ.
        if unicodedata.is_normalized("NFKD", char) and (
            match := _NAMED_AFTER.fullmatch(unicodedata.name(char, ""))
        ):
            yield char, (match[1] or match[2]).lower()
    for pairs in LOOK_ALIKES.values():
        for pair in pairs.split(", "):
            char, latin = pair.split(" ")
            yield char.casefold(), latin


def _fold(char: str, once: dict[str, str], similar: dict[str, str]) -> str:
    """Fold one character until nothing changes, so that what is folded stays as it is."""
    folded = once.get(char)
    if folded is None:
        folded = _fold_letter(char, similar)
    if folded == char:
        return folded
    return "".join(_fold(part, once, similar) for part in folded)


def _fold_letter(char: str, similar: dict[str, str]) -> str:
    digit = unicodedata.decimal(char, None)
    if digit is not None:
        return str(digit)
    # Before the decomposition: the lunate sigma looks like a c, and is decomposed to a sigma.
    cased = char.casefold()
    return similar.get(cased) or similar.get(char) or unicodedata.normalize("NFKD", cased)


def confusables(folds: dict[int, str]) -> dict[int, str]:
    """Return what each code point looks like, for those that are not folded to Latin letters.

    The prototypes of UTS 39 (section 4), folded. Folding alone finds what imitates a Latin letter.
    """

    def fold(text: str) -> str:
        return text.translate(folds)

    prototypes = dict(_prototypes())
    found: dict[int, str] = {}
    for char, prototype in prototypes.items():
        folded = fold(unicodedata.normalize("NFC", prototype))
        while (again := "".join(fold(prototypes.get(one, one)) for one in folded)) != folded:
            folded = again
        if folded.strip() == folded != fold(char) and folded and not fold(char).isascii():
            found[ord(char)] = folded
    return dict(sorted(found.items()))


def _prototypes() -> Iterator[tuple[str, str]]:
    """Return the prototype of each character; the data has every pair in both directions."""
    for char, alike in confusables_data.items():
        # A prototype has several look-alikes, or is the first of a pair.
        if len(char) == len(alike) == 1 and unicodedata.is_normalized("NFC", char):
            prototype = alike[0]["c"]
            others = confusables_data.get(prototype, [])
            if (len(others) > 1 or prototype < char) and " " not in prototype:
                yield char, prototype


# The Grapheme_Cluster_Break values of UAX 29 and what its rules GB9c and GB11 need beside them,
# one letter each; the first that fits counts. All other code points are "x".
GRAPHEME_CLASSES = {
    "C": r"[\p{GCB=Control}\p{GCB=CR}\p{GCB=LF}]",
    "Z": r"\p{GCB=ZWJ}",
    "J": r"\u200c",
    "N": r"[\p{InCB=Linker}&&\p{GCB=Extend}]",
    # marks of no particular script, which can be put on any letter in any number
    "G": r"[\p{GCB=Extend}&&\p{Script=Inherited}&&\p{M}--\p{Default_Ignorable_Code_Point}]",
    "E": r"\p{GCB=Extend}",
    "S": r"\p{GCB=SpacingMark}",
    "P": r"\p{GCB=Prepend}",
    "L": r"\p{GCB=L}",
    "V": r"\p{GCB=V}",
    "T": r"\p{GCB=T}",
    "R": r"\p{GCB=Regional_Indicator}",
    "K": r"\p{InCB=Consonant}",
    "X": r"\p{Extended_Pictographic}",
}


def grapheme_classes() -> dict[str, list[range]]:
    """Return the code points of each class, in ranges."""
    classes: dict[str, list[range]] = {}
    seen: set[str] = set()
    for letter, pattern in GRAPHEME_CLASSES.items():
        found = _find_all(regex.compile(pattern, regex.VERSION1)) - seen
        seen |= found
        codes = sorted(map(ord, found))
        # A surrogate is removed before anything is counted.
        classes[letter] = list(_ranges(code for code in codes if code not in SURROGATES))
    return classes


def _ranges(codes: Iterable[int], gap: int = 0) -> Iterator[range]:
    """Join ascending numbers to ranges, over gaps of so many numbers too."""
    start = stop = -1
    for code in codes:
        if start >= 0 and code > stop + gap:
            yield range(start, stop)
            start = code
        elif start < 0:
            start = code
        stop = code + 1
    if start >= 0:
        yield range(start, stop)


def _write_ranges(ranges: Iterable[range]) -> str:
    return " ".join(
        f"{one.start:x}" if len(one) == 1 else f"{one.start:x}-{one.stop - 1:x}" for one in ranges
    )


def _write_folds(folds: dict[int, str]) -> list[str]:
    """Write the folds as lines: the first code point, then what it and those after it become."""
    lines: list[str] = []
    # Listing a few unchanged code points takes fewer bytes than starting another line.
    for codes in _ranges((code for code, to in folds.items() if to not in ("", " ")), gap=4):
        targets = [folds.get(code, chr(code)).replace(" ", SPACE_SIGN) or None for code in codes]
        if None in targets:
            lines += _write_parts(codes, targets)
        else:
            lines.append(" ".join([f"{codes.start:x}", *map(str, targets)]))
    return lines


def _write_parts(codes: range, targets: list[str | None]) -> Iterator[str]:
    """Write a line for each part between code points that fold to nothing."""
    line: list[str] = []
    for code, target in zip(codes, targets, strict=True):
        if target is None:
            if line:
                yield " ".join(line)
            line = []
        else:
            line = [*(line or [f"{code:x}"]), target]
    if line:
        yield " ".join(line)


Tables = dict[str, str | list[str] | dict[str, str]]

ABOUT = (
    "Tables of characters, the same for the server and the pages.",
    "Generated by tools/make_character_tables.py; do not edit.",
)
NAMES = {
    "GRAPHEME_CLASSES": "The classes of the grapheme rule, with their code points.",
    "INVISIBLE": "Code points that are removed.",
    "SPACES": "Code points that become a space.",
    "FOLDS": "The other folds: a code point, then what it and the following code points become.",
    "CONFUSABLES": "What else looks alike in a name: a code point, what it becomes, and so on.",
}


def tables() -> Tables:
    """Return the tables by name, as JSON has them."""
    folds = fold_of_each()

    def folding_to(wanted: str) -> str:
        return _write_ranges(_ranges(code for code, folded in folds.items() if folded == wanted))

    return {
        "GRAPHEME_CLASSES": {
            letter: _write_ranges(ranges) for letter, ranges in grapheme_classes().items()
        },
        "INVISIBLE": folding_to(""),
        "SPACES": folding_to(" "),
        "FOLDS": _write_folds(folds),
        "CONFUSABLES": " ".join(f"{code:x} {to}" for code, to in confusables(folds).items()),
    }


def read_tables() -> Tables:
    """Return the tables as the server has them."""
    return {name: getattr(character_tables, name) for name in NAMES}


def in_python(content: Tables) -> str:
    """Return the module that the server reads."""
    parts = [f'"""{ABOUT[0]}\n\n{ABOUT[1]}\n"""']
    parts += [f"# {NAMES[name]}\n{name} = {_encode(value)}" for name, value in content.items()]
    return "# ruff: noqa: E501\n" + "\n\n".join(parts) + "\n"


def in_javascript(content: Tables, names: Iterable[str]) -> str:
    """Return the module of the pages that has the tables of these names."""
    parts = [f"/** {ABOUT[0]} {ABOUT[1]} */"]
    parts += [
        f"/** {NAMES[name]} */\nexport const {name} = {_encode(content[name])};" for name in names
    ]
    return "\n\n".join(parts) + "\n"


def _encode(value: str | list[str] | dict[str, str]) -> str:
    if isinstance(value, str):
        return _quote(value)
    if isinstance(value, dict):
        lines = [f"    {_quote(key)}: {_quote(one)},\n" for key, one in value.items()]
        return "{\n" + "".join(lines) + "}"
    return "[\n" + "".join(f"    {_quote(one)},\n" for one in value) + "]"


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


if __name__ == "__main__":
    made = tables()
    PYTHON_FILE.write_text(in_python(made), encoding="utf-8")
    for file, names in JAVASCRIPT_FILES.items():
        file.write_text(in_javascript(made, names), encoding="utf-8")
