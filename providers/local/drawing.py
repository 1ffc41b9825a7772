"""Pictures by Pillow: the words on a ground of colours that are theirs, the same each time."""

from __future__ import annotations

import hashlib
import io
import textwrap
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from providers.demo import tones
from providers.demo.media import Engines
from providers.errors import RequestRejected
from providers.local.programs import EngineMissing
from providers.uploads import Upload

PACKAGE = "PIL"
MOST_SHOWN = 400
LINE = 24


def drawn(words: str, width: int, height: int, number: int) -> bytes:
    """Return a PNG. Raises ``EngineMissing``."""
    if find_spec(PACKAGE) is None:
        raise EngineMissing("The package 'pillow' is not installed: pip install 'tollgate[local]'.")
    image_of, draw_of, font_of = (import_module(f"{PACKAGE}.{name}") for name in ("Image", "ImageDraw", "ImageFont"))
    digest = hashlib.sha256(f"{number}\n{words}".encode(errors="replace")).digest()
    one, other, ink = tuple(digest[:3]), tuple(digest[3:6]), (255, 255, 255)
    picture = image_of.composite(
        image_of.new("RGB", (width, height), one),
        image_of.new("RGB", (width, height), other),
        image_of.linear_gradient("L").rotate(90 * (digest[6] % 4)).resize((width, height)),
    )
    text = "\n".join(textwrap.wrap(words[:MOST_SHOWN], LINE))
    size = max(8, min(width, height) // 14)
    pen = draw_of.Draw(picture)
    place = (width / 2, height / 2)
    pen.multiline_text(place, text, ink, _font(font_of, size), anchor="mm", align="center", stroke_width=size // 12,
                       stroke_fill=(0, 0, 0))  # fmt: skip
    written = io.BytesIO()
    picture.save(written, "PNG")
    return written.getvalue()


def _font(fonts: Any, size: int) -> Any:
    return fonts.load_default(size=size)


def _deaf(upload: Upload, milliseconds: int | None) -> str:
    raise RequestRejected("This engine draws: it hears nothing.", param="file")


ENGINES = Engines(drawn, tones.spoken, tones.length, _deaf)
