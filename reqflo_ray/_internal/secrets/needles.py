"""Searches for many byte strings at the same time, ignoring case. It must not know what they mean.

A few needles are searched one by one, which is fastest. For many, samples of the data are looked up in a set of their
words: data that contains a needle of n bytes contains one of its first words at a multiple of any stride up to n - 3.
(An Aho-Corasick automaton, which reads every byte, took six to ten times as long, and a millisecond to build.)
"""

from __future__ import annotations

import sys
from typing import Final

from reqflo_ray._internal.secrets.forms import Form

_WORD: Final = 4
_SHORTEST_SAMPLED: Final = 2 * _WORD - 1  # shorter ones would need a lookup at every offset
_LONG: Final = 5 * _WORD - 1  # longer strides cost little, so these are never searched one by one
_LONGEST_STRIDE: Final = 16 * _WORD
_FEW: Final = 24


class Needles:
    """A set of forms to search in the same bytes. `sampled`: it lives long enough to be worth a set of words."""

    __slots__ = ("_few", "_forms", "_samples")

    def __init__(self, *, sampled: bool) -> None:
        self._forms: dict[bytes, list[Form]] = {}  # by their needles in lower case
        self._few: list[bytes] = []
        self._samples = (_Samples(_LONGEST_STRIDE), _Samples(_WORD)) if sampled else ()

    @property
    def longest(self) -> int:
        """The length of the longest needle in bytes; 0 if there is none."""
        return max(map(len, self._forms), default=0)

    def add(self, form: Form) -> None:
        """Search for `form` from now on, unless another has the same needle."""
        needle = form.needle.lower()
        known = self._forms.get(needle)
        if known is not None:
            if all(other.needle != form.needle for other in known):
                known.append(form)
            return
        self._forms[needle] = [form]
        if self._samples and len(needle) >= _LONG:
            self._samples[0].add(needle)
        else:
            self._few.append(needle)
            if len(self._few) > _FEW:
                self._sample_few()

    def _sample_few(self) -> None:
        """Move needles to the samples, because there are too many to search one by one."""
        long, medium = self._samples = self._samples or (_Samples(_LONGEST_STRIDE), _Samples(_WORD))
        for needle in self._few:
            if len(needle) >= _SHORTEST_SAMPLED:
                (long if len(needle) >= _LONG else medium).add(needle)
        self._few = [needle for needle in self._few if len(needle) < _SHORTEST_SAMPLED]

    def found_in(self, small: bytes) -> list[Form]:
        """Return the forms that data, given in lower case as `small`, may contain: all that it does contain, and hardly
        any others."""
        found = [needle for needle in self._few if needle in small]
        for samples in self._samples:
            found += samples.found_in(small)
        return [form for needle in found for form in self._forms[needle]] if found else []


class _Samples:
    """The first words of needles, as many as the shortest one allows."""

    __slots__ = ("_stride", "_words")

    def __init__(self, stride: int) -> None:
        self._stride = stride
        self._words: dict[int, list[bytes]] = {}

    def add(self, needle: bytes) -> None:
        # The stride only shrinks, so the words of earlier needles remain sufficient.
        self._stride = min(self._stride, (len(needle) - _WORD + 1) // _WORD * _WORD)
        for at in range(self._stride):
            word = int.from_bytes(needle[at : at + _WORD], sys.byteorder)
            self._words.setdefault(word, []).append(needle)

    def found_in(self, small: bytes) -> list[bytes]:
        if not self._words or len(small) < _WORD:
            return []
        sampled = memoryview(small)[: len(small) & -_WORD].cast("I")[:: self._stride // _WORD]
        hits = self._words.keys() & sampled
        return list(dict.fromkeys(needle for word in hits for needle in self._words[word])) if hits else []
