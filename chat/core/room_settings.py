"""A room's settings: title, video, delay of the stream, and the rules for posts.

A patch names the fields to change; its result, the complete settings, is an entry of the room's
journal. Who may change them is checked elsewhere.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
import regex
from msgspec import UNSET, Meta, UnsetType

from chat.core.comment import MAX_TEXT_GRAPHEMES, clean_line
from chat.core.reject import Code, Rejection, reject

MAX_TITLE_GRAPHEMES = 80
MAX_TITLE_BYTES = 400
MAX_URL_LENGTH = 2_000
MAX_DELAY_SECONDS = 600
MAX_SLOW_MODE_SECONDS = 3_600
MAX_UNIQUE_SECONDS = 3_600
MAX_REPORT_THRESHOLD = 1_000

# An http or https URL without a password, which every viewer could read; or a path on this origin.
# Browsers read `//` and `/\` as the beginning of a host name.
_URL = regex.compile(
    r"""(?: (?i:https?)://[^\s\p{C}/?\#@\\]+ (?: [/?\#][^\s\p{C}\\]* )?
          | /(?!/) [^\s\p{C}\\]* )""",
    regex.VERBOSE,
)


_WITH_PASSWORD = regex.compile(r"(?i:https?)://[^/?\#\\]*@")


class WhoMayPost(StrEnum):
    """Whose posts are accepted; ``signed_in`` are users with a token, ``moderators`` all staff."""

    EVERYONE = "everyone"
    SIGNED_IN = "signed_in"
    MODERATORS = "moderators"


class Links(StrEnum):
    """What happens to comments with links."""

    ALLOW = "allow"
    HOLD = "hold"
    REJECT = "reject"


SlowMode = Annotated[int, Meta(ge=0, le=MAX_SLOW_MODE_SECONDS)]
UniqueSeconds = Annotated[int, Meta(ge=0, le=MAX_UNIQUE_SECONDS)]
ReportThreshold = Annotated[int, Meta(ge=0, le=MAX_REPORT_THRESHOLD)]
MaxLength = Annotated[int, Meta(ge=1, le=MAX_TEXT_GRAPHEMES)]


class Shield(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Strict rules for a while; of each, and the room's own, the stricter is in force."""

    who_may_post: WhoMayPost = WhoMayPost.SIGNED_IN
    slow_mode: SlowMode = 30
    unique_seconds: UniqueSeconds = 60
    links: Links = Links.REJECT
    max_length: MaxLength = MAX_TEXT_GRAPHEMES
    hold_all: bool = False


class RoomSettings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The settings of a room; defaults are omitted from the JSON.

    ``delay``: seconds by which comments are shown later, to match a delayed stream.
    ``slow_mode``: seconds between two comments of one user, 0 for no such wait.
    ``unique_seconds``: seconds in which no text may be posted twice, 0 for no such rule.
    ``max_length``: characters in a comment. ``hold_all``: each comment waits for a moderator.
    ``report_threshold``: reports after which a comment is removed and held, 0 for no such rule.
    ``shield``: stricter rules, while there is one.
    """

    title: str = ""
    video_url: str = ""
    delay: float = 0
    slow_mode: int = 0
    who_may_post: WhoMayPost = WhoMayPost.EVERYONE
    unique_seconds: int = 0
    links: Links = Links.ALLOW
    max_length: int = MAX_TEXT_GRAPHEMES
    hold_all: bool = False
    report_threshold: int = 0
    shield: Shield | None = None


class SettingsPatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A change of settings; null resets a field, and an absent field stays as it is."""

    title: str | UnsetType | None = UNSET
    video_url: Annotated[str, Meta(max_length=MAX_URL_LENGTH)] | UnsetType | None = UNSET
    delay: Annotated[float, Meta(ge=0, le=MAX_DELAY_SECONDS)] | UnsetType | None = UNSET
    slow_mode: SlowMode | UnsetType | None = UNSET
    who_may_post: WhoMayPost | UnsetType | None = UNSET
    unique_seconds: UniqueSeconds | UnsetType | None = UNSET
    links: Links | UnsetType | None = UNSET
    max_length: MaxLength | UnsetType | None = UNSET
    hold_all: bool | UnsetType | None = UNSET
    report_threshold: ReportThreshold | UnsetType | None = UNSET


class SettingsChange(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="settings"):
    """An entry: the room's settings from here on; ``at`` in Unix milliseconds.

    ``seq`` is 0 until the journal has numbered it.
    """

    seq: int
    settings: RoomSettings
    at: int


def change(
    settings: RoomSettings, patch: SettingsPatch | Shield | None
) -> RoomSettings | Rejection:
    """Return the settings after a change, or why it is rejected.

    A shield is put over the settings, and None removes it; neither changes the other fields.
    """
    if not isinstance(patch, SettingsPatch):
        return msgspec.structs.replace(settings, shield=patch)
    title, url, delay = patch.title, patch.video_url, patch.delay
    if isinstance(title, str):
        title = clean_line(title, MAX_TITLE_GRAPHEMES, MAX_TITLE_BYTES)
        if title is None:
            most = f"{MAX_TITLE_GRAPHEMES} characters and {MAX_TITLE_BYTES} bytes"
            return reject(Code.BAD_FIELD, detail=f"title is longer than {most}")
    if isinstance(url, str):
        url = url.strip()
        if _WITH_PASSWORD.match(url):
            detail = "video_url must not contain a user name or password: all viewers would see it"
            return reject(Code.BAD_FIELD, detail=detail)
        if url and not _is_playable(url):
            detail = "video_url must be an http or https address, or a path that begins with /"
            return reject(Code.BAD_FIELD, detail=detail)
    if isinstance(delay, float) and delay.is_integer():
        delay = int(delay)
    chosen = msgspec.structs.asdict(patch) | {"title": title, "video_url": url, "delay": delay}
    # The default object itself for null and empty values: msgspec omits defaults by identity.
    changed = {
        name: _DEFAULTS[name] if not value or value == _DEFAULTS[name] else value
        for name, value in chosen.items()
        if value is not UNSET
    }
    return msgspec.structs.replace(settings, **changed)


_DEFAULTS = {name: getattr(RoomSettings(), name) for name in RoomSettings.__struct_fields__}


def _is_playable(url: str) -> bool:
    if not _URL.fullmatch(url):
        return False
    try:
        parts = urlsplit(url)
        return url.startswith("/") or (bool(parts.hostname) and parts.port != 0)
    except ValueError:
        return False
