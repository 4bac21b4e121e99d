"""One secret value, which shows itself to nobody who does not ask for it by `reveal`.

It knows neither where it was read nor where it goes. Whoever calls `reveal` is answerable for the text that he gets.
"""

from __future__ import annotations

from typing import NoReturn, Self

from reqflo_ray._internal.errors import SecretError
from reqflo_ray._internal.secrets.forms import likeness, need_maskable


class SecretValue:
    """The text of a secret. Whatever would put it into other text, copy it or write it down raises `TypeError`; its
    `repr` tells the name only, since errors and debuggers show that."""

    __slots__ = ("_name", "_text")

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._text = text

    @classmethod
    def of(cls, name: str, data: bytes) -> Self:
        """The value that a source has read for the secret `name`.

        Raises:
            SecretError: `secret_not_text` (not UTF-8), `secret_empty`.
        """
        # Decoded leniently and compared, since a UnicodeDecodeError would carry the value along.
        text = data.decode("utf-8", "replace")
        if "\ufffd" in text and text.encode() != data:
            raise SecretError(
                f"the value of secret `{name}` is not UTF-8 text",
                code="secret_not_text",
                hint="store it as text, for example in base64",
            )
        if not text:
            raise SecretError(f"the value of secret `{name}` is empty", code="secret_empty", hint="set it to a value")
        return cls(name, text)

    def reveal(self) -> str:
        """The text itself: for the redactor, which must know it, and for the request that it is sent with."""
        return self._text

    def need_maskable(self) -> None:
        """Refuse a value that could not be masked. Raises SecretError `secret_too_short`."""
        need_maskable(self._name, self._text)

    def likeness(self) -> str:
        """What else the value looks like, as `forms.likeness`."""
        return likeness(self._text)

    def __repr__(self) -> str:
        return f"<SecretValue {self._name}>"

    def __str__(self) -> NoReturn:
        raise TypeError(f"secret `{self._name}` becomes text only through `reveal`")

    def __format__(self, _: str) -> NoReturn:
        raise TypeError(f"secret `{self._name}` becomes text only through `reveal`")

    def __reduce_ex__(self, _: object) -> NoReturn:
        raise TypeError(f"secret `{self._name}` cannot be pickled or copied")

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"secret `{self._name}` cannot be pickled or copied")

    def __getstate__(self) -> NoReturn:
        raise TypeError(f"secret `{self._name}` cannot be pickled or copied")
