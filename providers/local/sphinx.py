"""The program that hears: a wave file comes in, what pocketsphinx understands goes out as JSON.

It is a process of its own, as the package works without letting other threads of its process go on.
"""

from __future__ import annotations

import json
import resource
import sys
from typing import Any

from providers.local import waves

RATE = 16_000
FRAMES_A_SECOND = 100
MOST_MEMORY = 2 * 2**30
# what the model calls no word: silence, breath, noise
SILENT = ("<", "[", "+")


def main() -> None:
    """Raises ``ImportError`` where the package is not there."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    from pocketsphinx import Decoder  # noqa: PLC0415 after the limit, and in this process alone

    sound = waves.at_rate(waves.read(sys.stdin.buffer.read()), RATE)
    decoder = Decoder(samprate=RATE, loglevel="FATAL")
    decoder.start_utt()
    decoder.process_raw(waves.raw(sound), full_utt=True)
    decoder.end_utt()
    json.dump({"words": [_word(each) for each in decoder.seg() or () if not each.word.startswith(SILENT)]}, sys.stdout)


def _word(segment: Any) -> dict[str, Any]:
    """Return a word without the number of its pronunciation, and when it is said, in seconds."""
    return {
        "word": segment.word.partition("(")[0],
        "start": segment.start_frame / FRAMES_A_SECOND,
        "end": (segment.end_frame + 1) / FRAMES_A_SECOND,
    }


if __name__ == "__main__":
    main()
