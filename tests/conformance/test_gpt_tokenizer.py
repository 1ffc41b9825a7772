"""Token counts equal those of npm's gpt-tokenizer, text by text: ``make tokens``, which fetches it."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import unicodedata
from pathlib import Path

import pytest

from providers import tokens

PACKAGE = "gpt-tokenizer@4.0.0"
FOLDER = os.environ.get("GPT_TOKENIZER", "")
TEXTS = 1000
# No byte order mark: JavaScript's decoder drops it, so that package lacks its token.
SAID = (
    "The quick brown fox jumps over the lazy dog, doesn't it?",
    "Zwölf Boxkämpfer jagen Viktor quer über den Sylter Deich.",
    "Portez ce vieux whisky au juge blond qui fume, s’il vous plaît !",
    "El pingüino Wenceslao hizo kilómetros bajo exhaustiva lluvia.",
    "Съешь же ещё этих мягких французских булок, да выпей чаю.",
    "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία.",
    "נו, בהיעדר פגישה – ‏שלום לכם!",
    "نص حكيم له سر قاطع وذو شأن عظيم مكتوب على ثوب أخضر.",
    "ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण।",
    "いろはにほへと ちりぬるを、カタカナも漢字も。",
    "视野无限广，窗外有蓝天。2026年11月21日。",
    "키스의 고유조건은 입술끼리 만나야 하고.",
    "เป็นมนุษย์สุดประเสริฐเลิศคุณค่า",
    "Příliš žluťoučký kůň úpěl ďábelské ódy.",
    "Pijamalı hasta yağız şoföre çabucak güvendi.",
    "Do bạch kim rất quý nên sẽ dùng để lắp vô xương.",
    "ქართული ენა და ანბანი.",
    "ይህ የአማርኛ ጽሑፍ ነው።",
    "for (let i = 0; i < 10; i++) {\n\treturn a[i] ?? null; // ok\n}\n",
    "SELECT count(*) FROM t WHERE x >= 3.14e-10 AND y <> 'it''s';",
    '{"key": [1, 2.5, true, null], "url": "https://example.com/a?b=c&d=%20"}',
    "| a | b |\n|---|---|\n| **1** | `2` |\n\n",
    "I'LL WE'VE DON'T He'S they'Re",
    "👩‍👩‍👧‍👦 🇺🇳 🏳️‍🌈 ✅ 🤷🏽‍♀️",
    "   leading, trailing   \t\t and\r\n\r\n  lines \n",
    "ａｂｃ ½ ² Ⅷ ٣٤٥ ①",
    "e\u0301 n\u0303 o\u0308 \u200b\u00ad",
    "camelCaseAndHTTPServer_snake_case-kebab",
)
ASKS = """
import { readFileSync } from 'node:fs';
const texts = JSON.parse(readFileSync(0, 'utf8'));
const told = {};
for (const name of ['o200k_base', 'cl100k_base']) {
  const { encode } = await import(`gpt-tokenizer/encoding/${name}`);
  told[name] = texts.map((text) => encode(text, { disallowedSpecial: new Set() }));
}
console.log(JSON.stringify(told));
"""

pytestmark = pytest.mark.skipif(
    not FOLDER or shutil.which("node") is None,
    reason=f"GPT_TOKENIZER names no folder with npm's {PACKAGE}: `make tokens` fetches it",
)


def texts() -> list[str]:
    """Return texts of several languages, whole and cut anywhere, joined in all ways; the same each time."""
    chance = random.Random(20261121)
    return [*SAID, *(_mixed(chance) for _ in range(TEXTS - len(SAID)))]


def _mixed(chance: random.Random) -> str:
    pieces = []
    for _ in range(chance.randint(1, 6)):
        said = chance.choice(SAID)
        begin = chance.randint(0, len(said) // 2) if chance.random() < 0.5 else 0
        end = chance.randint(begin, len(said)) if chance.random() < 0.3 else len(said)
        pieces.append(chance.choice([str, str, str.upper, str.title])(said[begin:end]))
    mixed = chance.choice([" ", "", "\n", "\n\n", "  ", "\t"]).join(pieces)
    return unicodedata.normalize("NFD", mixed) if chance.random() < 0.1 else mixed


def test_ids_equal_those_of_the_oracle():
    given = texts()
    assert len(given) == TEXTS
    asked = subprocess.run(
        ["node", "--input-type=module", "-e", ASKS],
        input=json.dumps(given), capture_output=True, text=True, cwd=Path(FOLDER), timeout=300, check=False,
    )  # fmt: skip
    assert asked.returncode == 0, asked.stderr
    told = json.loads(asked.stdout)
    differ = [
        (vocabulary, text)
        for vocabulary in tokens.VOCABULARIES
        for text, ids in zip(given, told[vocabulary], strict=True)
        if tokens.encode(text, vocabulary) != ids
    ]
    assert differ == []
