"""Text as the engine must see it: other spellings of names, CJK pairs, typed words.

The engine splits text at white space and a few separators only. What that leaves
unfindable (``jesseavatar``, ``ep 1`` for ``ep-01``, words inside a run of Chinese) is
indexed beside the text, and the words that a person types are rewritten to match.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from catalog.errors import InvalidQueryError

MAX_WORDS_LENGTH = 512
"""Longest ``q`` in characters: 20,000 cost the engine 0.17 s (measured)."""

_MAX_PARTS = 24
_MAX_JOINED = 3

_CJK = (
    "\u0e00-\u0e7f"  # Thai
    "\u1100-\u11ff\u3130-\u318f\uac00-\ud7af"  # Hangul
    "\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f"  # kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"  # Han
)
_CJK_RUN = re.compile(f"[{_CJK}]+")
_CJK_SIGN = re.compile(f"[{_CJK}]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u200b\u2028\u2029\ufeff]")
_WORD = re.compile(rf"[^\W_{_CJK}]+")
_PART = re.compile(r"\d+|\D+")
_SEARCHABLE = re.compile(
    r"[^\W_\u02b0-\u02ff]|[+#]|[\u2600-\u27bf\U0001f000-\U0001faff]"
)


def clean(text: str) -> str:
    """Replace control characters, line ends and lone surrogates by spaces.

    The sentinels that mark highlights (U+0001, U+0002) can so never be in a text.
    Typographic apostrophes become plain ones, at which the engine splits.
    """
    if not text.isascii():
        text = text.replace("\u2019", "'").replace("\u02bc", "'")
    return text if text.isprintable() else _CONTROL.sub(" ", text)


def cjk_pairs(text: str) -> str:
    """List all pairs of neighbours in runs of Chinese, kana, Hangul and Thai.

    The last character of a run is listed too, so that every single one is found by
    prefix. Empty when there is no such run.
    """
    if text.isascii():
        return ""
    pairs: list[str] = []
    for run in _CJK_RUN.findall(text):
        pairs += [run[i : i + 2] for i in range(len(run))]
    return " ".join(pairs)


@lru_cache(maxsize=8192)
def other_spellings(name: str) -> tuple[str, ...]:
    """List how a name may be typed beside how it is written.

    Its parts (split at capitals and between letters and digits, numbers without
    leading zeros), two and three neighbouring parts joined, and ``cjk_pairs``.
    """
    words = _WORD.findall(name)[:_MAX_PARTS]
    if len(words) == 1 and words[0] == name and (name.islower() or name.istitle()):
        return () if name.isalpha() else _spell([name])
    spelled = _spell(words) if words else ()
    pairs = cjk_pairs(name)
    return (*spelled, pairs) if pairs else spelled


def _spell(words: list[str]) -> tuple[str, ...]:
    parts = [part for word in words for part in _parts(word)][:_MAX_PARTS]
    bare = [part.lstrip("0") or "0" if part.isdecimal() else part for part in parts]
    written = {word.casefold() for word in words}
    joined: dict[str, None] = {}
    for pieces in (parts, bare) if parts != bare else (parts,):
        for length in range(2, _MAX_JOINED + 1):
            for start in range(len(pieces) - length + 1):
                joined["".join(pieces[start : start + length])] = None
    whole = "".join(parts)
    if len(parts) > _MAX_JOINED and len(whole) <= MAX_WORDS_LENGTH // 8:
        joined[whole] = None
    spellings = []
    if [part for part in bare if part not in written]:
        spellings.append(" ".join(bare))
    fresh = [join for join in joined if join not in written]
    if fresh:
        spellings.append(" ".join(fresh))
    return tuple(spellings)


def _parts(word: str) -> list[str]:
    parts: list[str] = []
    for part in _PART.findall(word):
        if part.isdecimal() or part.islower() or part.isupper():
            parts.append(part.casefold())
        else:
            parts += [piece.casefold() for piece in _humps(part)]
    return parts


def _humps(word: str) -> list[str]:
    """Split ``camelCase`` and ``HTMLPage`` where a new word begins."""
    pieces: list[str] = []
    start = 0
    for i in range(1, len(word)):
        after_lower = word[i].isupper() and not word[i - 1].isupper()
        before_lower = (
            word[i].isupper()
            and word[i - 1].isupper()
            and i + 1 < len(word)
            and word[i + 1].islower()
        )
        if after_lower or before_lower:
            pieces.append(word[start:i])
            start = i
    pieces.append(word[start:])
    return pieces


# --- what a person types -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Words:
    """What a person typed, ready for the engine.

    Attributes:
        q: In the engine's syntax; ``*`` for all.
        is_all: Nothing was asked for: everything is found.
        is_nothing: Symbols alone were asked for: nothing can be found (the engine
            would answer with everything).
        has_positive: There is a word or phrase to find (not only to exclude).
        has_cjk: There are ``cjk_pairs`` in ``q``.
        runs: The runs of Chinese, kana, Hangul and Thai to find, as typed.
        typed: What was typed, cleaned and case-folded, for completion.
    """

    q: str
    is_all: bool = False
    is_nothing: bool = False
    has_positive: bool = False
    has_cjk: bool = False
    runs: tuple[str, ...] = ()
    typed: str = ""


_ALL = Words("*", is_all=True)
_NOTHING = Words("", is_nothing=True)
_QUOTES = str.maketrans(dict.fromkeys("\u201c\u201d\u201e\u201f", '"'))
_APOSTROPHE = re.compile(r"[^\W\d_]'[^\W\d_]")
_TERM = re.compile(r'(?P<minus>-?)(?:"(?P<phrase>[^"]*)"|(?P<word>[^\s"]+))')


def parse_words(typed: str) -> Words:
    """Read phrases in quotes and exclusions with ``-``; the rest are words.

    An unclosed quote is a space. Nothing that is left can be taken for syntax by the
    engine but what is built here.

    Raises:
        InvalidQueryError: More than ``MAX_WORDS_LENGTH`` characters.
    """
    if len(typed) > MAX_WORDS_LENGTH:
        raise InvalidQueryError(
            "q", f"Use at most {MAX_WORDS_LENGTH} characters, not {len(typed)}."
        )
    text = _readable(typed)
    if not text:
        return _ALL
    has_cjk = _CJK_SIGN.search(text) is not None
    wanted: list[str] = []
    unwanted: list[str] = []
    found = ""
    for match in _TERM.finditer(text):
        is_phrase = match["phrase"] is not None
        term = _term(match["phrase"] if is_phrase else match["word"])
        if not term:
            continue
        if match["minus"] and _is_start(text, match.start()):
            # A separator inside would make the engine exclude each part by itself.
            unwanted.append(f'-"{term}"' if " " in term or is_phrase else f"-{term}")
        else:
            # ``don't`` is two words to the engine, and ``t`` begins too many.
            is_one = is_phrase or _APOSTROPHE.search(match[0])
            parts = _parts_by_script(match["phrase"]) if is_phrase else [term]
            wanted += [f'"{part}"' if is_one else part for part in parts]
            found += f" {match[0]}"
    if not wanted and not unwanted:
        return _NOTHING
    return Words(
        " ".join([*wanted, *unwanted]),
        has_positive=bool(wanted),
        has_cjk=has_cjk,
        runs=tuple(_CJK_RUN.findall(found)) if has_cjk else (),
        typed=text.casefold(),
    )


def terms_of(typed: str) -> tuple[str, ...]:
    """Take apart what was typed: words and phrases, those with ``-`` too, as typed.

    Each is a question of its own to ``parse_words``; symbols alone are left out.
    """
    found = (match[0] for match in _TERM.finditer(_readable(typed)))
    return tuple(dict.fromkeys(term for term in found if _term(term)))


def _readable(typed: str) -> str:
    text = clean(typed).translate(_QUOTES).strip()
    if text.count('"') % 2:
        head, _, tail = text.rpartition('"')
        text = f"{head} {tail}"
    return text


def _parts_by_script(phrase: str) -> list[str]:
    """Cut a phrase where scripts change: pairs and words lie in different fields."""
    pieces, position = list[str](), 0
    for run in _CJK_RUN.finditer(phrase):
        pieces += [phrase[position : run.start()], run[0]]
        position = run.end()
    return [term for piece in [*pieces, phrase[position:]] if (term := _term(piece))]


def _is_start(text: str, position: int) -> bool:
    return position == 0 or text[position - 1] in ' "'


def completes(typed: str, value: str) -> bool:
    """Tell whether a value goes on from what was typed: the last word may be begun."""
    folded = value.casefold()
    if folded.startswith(typed):
        return True
    *whole, begun = _term(typed).split() or [""]
    words = _term(folded).split()
    return any(w.startswith(begun) for w in words) and set(whole) <= set(words)


_SEPARATORS = str.maketrans(dict.fromkeys("_-./:@()'", " ") | dict.fromkeys("*\\`", ""))


def _term(text: str) -> str:
    """Split as the engine would, so that quotes and exclusions hold for all parts."""
    spread = _CJK_RUN.sub(_spread_run, text) if not text.isascii() else text
    pieces = spread.translate(_SEPARATORS).split()
    return " ".join(piece for piece in pieces if _SEARCHABLE.search(piece))


def _spread_run(match: re.Match[str]) -> str:
    run = match[0]
    if len(run) == 1:
        return f" {run} "
    return f" {' '.join(run[i : i + 2] for i in range(len(run) - 1))} "
