"""An engine for tests: repeats what it was told, a word a token, at an even pace.

`repeat N word` answers `word1 word2 … wordN`; anything else `You said: …`. Sampling parameters
other than `stop` and `max_tokens` have nothing to act on.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence

from sandbox.models.engines import Message, Piece, Sampling

TOKEN_S = 0.02  # 50 tokens a second, about what one A100 gives one reader of a 14B model
TURN = "\x1e"  # stands before each message; Python counts this separator as white space

_WORD = re.compile(r"\s*\S+|\s+$")
_REPEAT = re.compile(r"repeat (\d+) ?(\S*)")


class Echo:
    name = "echo"

    def __init__(self, *, speed: float = 1.0, slots: int = 256, max_model_len: int = 4096) -> None:
        self.slots = slots
        self.max_model_len = max_model_len
        self._token_s = TOKEN_S / speed
        self._ids: dict[str, int] = {}
        self._words: list[str] = []

    async def start(self) -> None:
        """Nothing to load."""

    async def stop(self) -> None:
        """Nothing to release."""

    async def tokenize(self, text: str) -> list[int]:
        return [self._id(word) for word in _WORD.findall(text)]

    async def detokenize(self, tokens: Sequence[int]) -> str:
        return "".join(self._words[token] for token in tokens if 0 <= token < len(self._words))

    async def render(self, messages: Sequence[Message]) -> str:
        return "".join(TURN + message["content"] for message in messages)

    async def generate(
        self, prompt: Sequence[int], sampling: Sampling
    ) -> AsyncGenerator[Piece, None]:
        said = (await self.detokenize(prompt)).rpartition(TURN)[2]
        text, stop_reason = _until(answer(said), sampling.stop)
        words = _WORD.findall(text)
        kept = words[: sampling.max_tokens]
        loop = asyncio.get_running_loop()
        started = loop.time()
        for count, word in enumerate(kept, start=1):
            # Due times, not pauses: the pace stays even however long the reader takes.
            await asyncio.sleep(max(0, started + count * self._token_s - loop.time()))
            yield Piece(text=word, tokens=count)
        if len(kept) < len(words):
            yield Piece(text="", tokens=len(kept), finish="length")
        else:
            yield Piece(text="", tokens=len(kept), finish="stop", stop_reason=stop_reason)

    def _id(self, word: str) -> int:
        if word not in self._ids:
            self._ids[word] = len(self._words)
            self._words.append(word)
        return self._ids[word]


def answer(said: str) -> str:
    asked = _REPEAT.match(said)
    if asked is None:
        return f"You said: {said}"
    word = asked[2] or "word"
    return " ".join(f"{word}{number}" for number in range(1, int(asked[1]) + 1))


def _until(text: str, stops: Sequence[str]) -> tuple[str, str | None]:
    found = [(text.index(stop), stop) for stop in stops if stop in text]
    if not found:
        return text, None
    at, stop = min(found)
    return text[:at], stop
