#!/usr/bin/env python3
"""Makes the recordings of a language from its text file: prompts/en.toml -> prompts/en/<id>.wav.

    python3 -m venv VENV && VENV/bin/pip install hibari-tts==0.2.1 numpy==2.4.6
    VENV/bin/python prompts/make.py [id ...]

Each recording is 16 kHz, mono, 16 bit. It is cut to 80 ms of silence before the speech and 150 ms after
it (a piece of a number: 40 ms and 70 ms, since pieces follow each other), with 300 ms between sentences,
and levelled to -20 dBFS: the RMS of its active speech, which is every 20 ms window within 15 dB of the
loudest one (fewer, and a word with a long "s" would come out louder than its neighbours). A look-ahead
limiter holds samples below -4 dBFS, and so the true peak below -3 dBFS: nothing clips in a resampler or
an encoder.

The same text makes the same file: the voice's noise has a fixed seed. Recordings whose text is gone are
removed. It is not part of the build: the recordings are committed.
"""

import sys
import tomllib
import wave
from pathlib import Path

import numpy as np
from hibari import Hibari

RATE = 16_000
SEED = 1
WINDOW = RATE // 50
LEVEL_DBFS = -20.0
CEILING_DBFS = -4.0
ACTIVE_BELOW_LOUDEST_DB = 15.0
SILENCE_BELOW_LOUDEST_DB = 45.0
HIGH_PASS_HZ = 70.0
PAUSES_S = {"pieces": (0.040, 0.070)}
PAUSES_DEFAULT_S = (0.080, 0.150)
BETWEEN_SENTENCES_S = 0.300
FADE_S = 0.005


def db(ratio):
    return 10.0 ** (ratio / 20.0)


def resample(audio):
    """24 kHz to 16 kHz: two thirds, through one windowed-sinc low-pass at 7.6 kHz."""
    taps = 16 * 3 * 2 + 1
    at = np.arange(taps) - taps // 2
    cutoff = 7_600 / 48_000
    kernel = 2 * 2 * cutoff * np.sinc(2 * cutoff * at) * np.kaiser(taps, 9.0)
    doubled = np.zeros(2 * len(audio))
    doubled[::2] = audio
    return np.convolve(doubled, kernel, "same")[::3]


def high_pass(audio):
    """Takes away what is below any voice, without moving anything in time."""
    padded = np.concatenate([audio, np.zeros(RATE // 4)])
    spectrum = np.fft.rfft(padded)
    frequency = np.fft.rfftfreq(len(padded), 1 / RATE)
    spectrum *= np.clip((frequency - HIGH_PASS_HZ / 2) / (HIGH_PASS_HZ / 2), 0.0, 1.0)
    return np.fft.irfft(spectrum, len(padded))[: len(audio)]


def windows_rms(audio):
    """RMS of each whole 20 ms window, stepping by 5 ms."""
    starts = np.arange(0, len(audio) - WINDOW + 1, WINDOW // 4)
    return starts, np.array([np.sqrt(np.mean(audio[at : at + WINDOW] ** 2)) for at in starts])


def active_rms(audio):
    _, rms = windows_rms(audio)
    active = rms[rms > rms.max() * db(-ACTIVE_BELOW_LOUDEST_DB)]
    return np.sqrt(np.mean(active**2))


def cut(audio):
    """The speech without the silence around it, and without a click at either edge."""
    starts, rms = windows_rms(audio)
    heard = starts[rms > rms.max() * db(-SILENCE_BELOW_LOUDEST_DB)]
    speech = audio[heard[0] : heard[-1] + WINDOW].copy()
    fade = np.linspace(0.0, 1.0, int(FADE_S * RATE))
    speech[: len(fade)] *= fade
    speech[-len(fade) :] *= fade[::-1]
    return speech


def silence(seconds):
    return np.zeros(round(seconds * RATE))


def join(sentences, pauses_s):
    before, after = pauses_s
    parts = [silence(before)]
    for sentence in sentences:
        parts += [cut(sentence), silence(BETWEEN_SENTENCES_S)]
    return np.concatenate(parts[:-1] + [silence(after)])


def limit(audio):
    """Holds peaks below the ceiling with a gain that has already come down when they arrive."""
    ceiling = db(CEILING_DBFS)
    reach = RATE // 200
    needed = np.minimum(1.0, ceiling / np.maximum(np.abs(audio), 1e-9))
    padded = np.pad(needed, 2 * reach, constant_values=1.0)
    lowest = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1).min(axis=1)
    smooth = np.hanning(2 * reach + 3)[1:-1]
    return audio * np.convolve(lowest, smooth / smooth.sum(), "valid")


def level(audio):
    # Limiting lowers the RMS a little, so the gain is found in a few rounds.
    gain = 1.0
    for _ in range(8):
        gain *= db(LEVEL_DBFS) / active_rms(limit(audio * gain))
    return limit(audio * gain)


def speak(voice, text, pauses_s):
    sentences = [high_pass(resample(audio)) for audio in voice.stream(text, seed=SEED)]
    return level(join(sentences, pauses_s))


def write(path, audio):
    samples = np.round(audio * 32_767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())


def main(wanted):
    here = Path(__file__).resolve().parent
    for texts in sorted(here.glob("*.toml")):
        sections = tomllib.loads(texts.read_text(encoding="utf-8"))
        folder = texts.with_suffix("")
        folder.mkdir(exist_ok=True)
        voice = Hibari()
        for section, prompts in sections.items():
            for name, text in prompts.items():
                if not wanted or name in wanted:
                    audio = speak(voice, text, PAUSES_S.get(section, PAUSES_DEFAULT_S))
                    write(folder / f"{name}.wav", audio)
                    print(f"{len(audio) / RATE:5.2f} s  {name}")
        known = {name for prompts in sections.values() for name in prompts}
        for orphan in folder.glob("*.wav"):
            if orphan.stem not in known:
                orphan.unlink()


if __name__ == "__main__":
    main(set(sys.argv[1:]))
