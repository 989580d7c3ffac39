#!/usr/bin/env python3
"""Makes the recordings of each language from its text file: prompts/de.toml -> prompts/de/<id>.flac.

    python3 -m venv VENV
    VENV/bin/pip install hibari-tts==0.2.1 numpy==2.4.6 py-nanotts==0.1.1 soundfile==0.13.1
    VENV/bin/python prompts/make.py [language] [id ...]

Each recording is 16 kHz, mono, 16 bit: WAV in English, which came first, and FLAC, at half the size, since. It
is cut to 80 ms of silence before the speech and 150 ms after it (a piece of a sentence: 40 ms and 70 ms, since
pieces follow each other), with 300 ms between sentences, and levelled to -20 dBFS (German: -18 dBFS): the RMS of
its active speech, which is every 20 ms window within 15 dB of the loudest one (fewer, and a word with a long "s"
would come out louder than its neighbours). A look-ahead limiter holds samples below -4 dBFS, and so the true peak
below -3 dBFS: nothing clips in a resampler or an encoder.

The same text makes the same file: the English voice's noise has a fixed seed, and the German voice begins anew each time.
Recordings whose text is gone are removed. It is not part of the build: the recordings are committed.
"""

import re
import subprocess
import sys
import tomllib
import wave
from pathlib import Path

import numpy as np
import soundfile
from hibari import Hibari

RATE = 16_000
SEED = 1
WINDOW = RATE // 50
# A voice that is softer by loudness (EBU R 128) at the same RMS is made up for.
LEVELS_DBFS = {"de": -18.0, "en": -20.0}
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


def english():
    voice = Hibari()
    return lambda text: [resample(audio) for audio in voice.stream(text, seed=SEED)]


PICO = """
import sys
from py_nanotts import NanoTTS
sys.stdout.buffer.write(NanoTTS().speak(sys.argv[1], voice="de-DE", volume=0.4, speed=1.05))
"""


def german():
    """At its own volume this voice clips. Its engine reads memory that it never wrote, so each sentence has a process
    of its own, where that is zero; and sentences are told apart here, so that the pauses between them are ours."""

    def sentence(text):
        spoken = subprocess.run([sys.executable, "-c", PICO, text], check=True, capture_output=True).stdout
        return np.frombuffer(spoken, dtype="<i2") / 32_768

    return lambda text: [sentence(part) for part in re.findall(r"[^.?!]+[.?!]?", text)]


VOICES = {"de": german, "en": english}
ENDINGS = {"en": "wav"}
ENDING_DEFAULT = "flac"


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


def level(audio, level_dbfs):
    # Limiting lowers the RMS a little, so the gain is found in a few rounds.
    gain = 1.0
    for _ in range(8):
        gain *= db(level_dbfs) / active_rms(limit(audio * gain))
    return limit(audio * gain)


def speak(voice, text, pauses_s, level_dbfs):
    sentences = [high_pass(audio) for audio in voice(text)]
    return level(join(sentences, pauses_s), level_dbfs)


def write(path, audio):
    samples = np.round(audio * 32_767).astype("<i2")
    if path.suffix == ".flac":
        return soundfile.write(path, samples, RATE, subtype="PCM_16", compression_level=1.0)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())


def make(language, texts, wanted):
    sections = tomllib.loads(texts.read_text(encoding="utf-8"))
    folder = texts.with_suffix("")
    folder.mkdir(exist_ok=True)
    voice, ending = VOICES[language](), ENDINGS.get(language, ENDING_DEFAULT)
    for section, prompts in sections.items():
        for name, text in prompts.items():
            if not wanted or name in wanted:
                pauses_s = PAUSES_S.get(section, PAUSES_DEFAULT_S)
                audio = speak(voice, text, pauses_s, LEVELS_DBFS[language])
                write(folder / f"{name}.{ending}", audio)
                print(f"{len(audio) / RATE:5.2f} s  {language}/{name}")
    known = {name for prompts in sections.values() for name in prompts}
    for orphan in folder.glob(f"*.{ending}"):
        if orphan.stem not in known:
            orphan.unlink()


def main(wanted):
    here = Path(__file__).resolve().parent
    languages = {texts.stem: texts for texts in sorted(here.glob("*.toml"))}
    chosen = wanted & languages.keys() or languages.keys()
    for language in sorted(chosen):
        make(language, languages[language], wanted - languages.keys())


if __name__ == "__main__":
    main(set(sys.argv[1:]))
