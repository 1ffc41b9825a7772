"""Wave files: what samples one has, at which rate, and the same at another. Pure."""

from __future__ import annotations

import io
import sys
import wave
from array import array
from typing import NamedTuple

# samples are of 16 bits throughout
BYTES = 2
RATES = range(8_000, 96_001)
MOST_CHANNELS = 8


class Wave(NamedTuple):
    """One channel; ``rate`` is samples a second."""

    rate: int
    samples: array[int]

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate


class NoWave(ValueError):
    """These bytes are no wave file that can be read here; the message says why."""


def read(data: bytes) -> Wave:
    """Return the sound of a wave file, its channels mixed into one. Raises ``NoWave``."""
    try:
        with wave.open(io.BytesIO(data)) as file:
            if file.getsampwidth() != BYTES or not 1 <= file.getnchannels() <= MOST_CHANNELS:
                raise NoWave("only samples of 16 bits are read here")
            if file.getframerate() not in RATES:
                raise NoWave("its rate is none of a sound")
            channels, rate = file.getnchannels(), file.getframerate()
            frames = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise NoWave(f"it is no wave file: {error}" if str(error) else "it is no wave file") from error
    samples = array("h", frames[: len(frames) // (BYTES * channels) * BYTES * channels])
    if sys.byteorder == "big":
        samples.byteswap()
    return Wave(rate, _mixed(samples, channels))


def _mixed(samples: array[int], channels: int) -> array[int]:
    if channels == 1:
        return samples
    several = [samples[channel::channels] for channel in range(channels)]
    return array("h", (sum(each) // channels for each in zip(*several, strict=True)))


def at_rate(sound: Wave, rate: int) -> Wave:
    """Return the sound at another rate, in straight lines from sample to sample: good enough for speech."""
    if sound.rate == rate or not sound.samples:
        return Wave(rate, sound.samples)
    last = len(sound.samples) - 1
    count = max(1, len(sound.samples) * rate // sound.rate)
    return Wave(rate, array("h", (_between(sound.samples, at * sound.rate, rate, last) for at in range(count))))


def _between(samples: array[int], at: int, rate: int, last: int) -> int:
    index, rest = divmod(at, rate)
    one = samples[min(index, last)]
    return one + (samples[min(index + 1, last)] - one) * rest // rate


def raw(sound: Wave) -> bytes:
    """Return the samples as they stand in files: little-endian."""
    samples = array("h", sound.samples)
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()
