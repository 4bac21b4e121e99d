"""One secret value, which is shown only by `reveal`.

It knows neither where it was read nor where it goes. The caller of `reveal` is responsible for the text.
"""

from __future__ import annotations

from typing import NoReturn, Self

from reqflo_ray._internal.errors import SecretError
from reqflo_ray._internal.secrets.forms import likeness, need_maskable


class SecretValue:
    """The text of a secret. Formatting, copying, and pickling raise `TypeError`; `repr` shows only the name, because
    errors and debuggers show it."""

    __slots__ = ("_name", "_text")

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._text = text

    @classmethod
    def of(cls, name: str, data: bytes) -> Self:
        """Return the value that a source has read for the secret `name`.

        Raises:
            SecretError: `secret_not_text` (not UTF-8), `secret_empty`.
        """
        # Decoded leniently and compared, because a UnicodeDecodeError would contain the value.
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
        """Return the text: for the redactor, which must know it, and for the request that sends it."""
        return self._text

    def need_maskable(self) -> None:
        """Refuse a value that cannot be masked. Raises SecretError `secret_too_short`."""
        need_maskable(self._name, self._text)

    def likeness(self) -> str:
        """Return what else the value looks like, as `forms.likeness`."""
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
