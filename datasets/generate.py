"""Generates the seeded datasets of this folder, with any number of rows: the same seed gives the same bytes everywhere.

    python datasets/generate.py orders --rows 100000 --seed 7 > orders.csv
    python datasets/generate.py nasty > nasty.csv
    python datasets/generate.py all

Uses only the standard library. Numbers are derived from the SHA-256 of the seed and the row: they do not depend on the
version of Python, and row 5 is the same in a file with 10 rows and in one with 1,000,000.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ORDERS: Final = 1000
SEED: Final = 7
_COLUMNS: Final = ("order_ref", "customer_id", "total", "sku", "qty")


def orders(rows: int, seed: int) -> Iterator[dict[str, str]]:
    """Yield orders for the example journeys; about one in ten has no SKU, and its `sku` is ""."""
    for row in range(rows):
        draw = hashlib.sha256(f"orders/{seed}/{row}".encode()).digest()
        customer = int.from_bytes(draw[0:4]) % 1000
        cents = 500 + int.from_bytes(draw[4:8]) % 99_500
        sku = int.from_bytes(draw[8:12]) % 40
        yield {
            "order_ref": f"ref-{row:06d}",
            "customer_id": f"cus-{customer:03d}",
            "total": f"{cents // 100}.{cents % 100:02d}",
            "sku": f"SKU-{sku}" if draw[12] >= 26 else "",
            "qty": str(1 + draw[13] % 9),
        }


def orders_csv(rows: int, seed: int) -> Iterator[str]:
    """Yield the orders as CSV; a missing `sku` is an unquoted empty cell, which is "not supplied"."""
    yield ",".join(_COLUMNS) + "\n"
    for order in orders(rows, seed):
        yield ",".join(order.values()) + "\n"


def orders_jsonl(rows: int, seed: int) -> Iterator[str]:
    """Yield the orders as JSON Lines; `total` and `qty` are numbers, and a missing `sku` is omitted."""
    for order in orders(rows, seed):
        members = (
            f'"{name}": {cell if name in ("total", "qty") else json.dumps(cell)}'
            for name, cell in order.items()
            if cell
        )
        yield "{" + ", ".join(members) + "}\n"


def nasty_csv() -> bytes:
    """Return valid CSV with what breaks careless readers, such as mixed line ends and quotes."""
    quoted = [
        ("plain", "abc"),
        ("leading-zeros", "00042"),
        ("beyond-double", "9007199254740993"),
        ("many-digits", "0.1234567890123456789012345678901234567890"),
        ("comma", "a,b"),
        ("quote", 'say "hi"'),
        ("only-quotes", '""'),
        ("line-feed", "first\nsecond"),
        ("crlf", "first\r\nsecond"),
        ("carriage-return", "first\rsecond"),
        ("blank-lines", "\n\n"),
        ("blanks", "  padded  "),
        ("tab", "a\tb"),
        ("control", "\x01\x08\x0b\x0c\x1b[31m\x7f"),
        ("c1-and-separators", "\x85\u2028\u2029"),
        ("latin", "Grüße, naïve façade"),
        ("combining", "e\u0301 ≠ é, Zalgo: Z\u0351\u036b\u0343"),
        ("right-to-left", "שלום \u202eevil\u202c مرحبا"),
        ("astral", "😀👩‍👩‍👧‍👦𝒳"),
        ("zero-width", "a\u200bb\ufeffc\u2060d"),
        ("noncharacter", "\ufffe\uffff\U0010ffff"),
        ("replacement", "\ufffd"),
        ("template", "{{ secrets.TOKEN }} ${{ env.x }}"),
        ("formula", "=1+2"),
        ("formula-dde", "=cmd|' /C calc'!A0"),
        ("formula-plus", "+1"),
        ("formula-minus", "-1"),
        ("formula-at", "@SUM(A1)"),
        ("json", '{"a": [1, null, "x"]}'),
        ("markup", "<script>alert('&')</script>"),
        ("workflow-command", "::error file=x::y"),
        ("null-words", "null"),
        ("very-long", "x" * 100_000),
    ]
    lines = ["key,value,note\r\n"]
    for number, (key, value) in enumerate(quoted):
        end = "\n" if number % 2 else "\r\n"
        lines.append(f'{key},"{value.replace(chr(34), chr(34) * 2)}",quoted{end}')
    lines += [
        "empty,,an unquoted empty cell is not supplied\r\n",
        'quoted-empty,"",a quoted one is the empty text\n',
        "unquoted-blank, ,one blank\n",
        "\n",
        "\r\n",
        '"quoted,key\nof two lines",after blank lines,\n',
        "no-note,,\n",
        "unquoted-odd,=1+2 'x' \t;|#,not a comment\n",
        "last,no line end,here",
    ]
    return b"\xef\xbb\xbf" + "".join(lines).encode()


def nasty_broken() -> dict[str, bytes]:
    """Return small files with one fault each, by name."""
    return {
        "ragged-short.csv": b"id,name\n1,a\n2\n3,c\n",
        "ragged-long.csv": b"id,name\n1,a\n2,b,extra\n",
        "duplicate-key.csv": b"id,name\n1,a\n2,b\n1,c\n",
        "missing-key.csv": b"id,name\n1,a\n,b\n",
        "stray-quote.csv": b'id,name\n1,a\n2,5" pipe\n3,c\n',
        "text-after-quote.csv": b'id,name\n1,"a\nb"x\n2,c\n',
        "unterminated-quote.csv": b'id,name\n1,a\n2,"b\n3,c\n',
        "stray-carriage-return.csv": b"id,name\n1,a\rb\n",
        "bad-utf8.csv": b"id,name\n1,caf\xe9\n",
        "nul.csv": b"id,name\n1,a\0b\n",
        "utf-16.csv": "id,name\n1,a\n".encode("utf-16"),
        "duplicate-column.csv": b"id,name,id\n1,a,2\n",
        "unnamed-column.csv": b"id,,name\n1,x,a\n",
        "padded-column.csv": b"id, name\n1,a\n",
        "semicolons.csv": b"id;name\n1;a\n",
        "tabs.csv": b"id\tname\n1\ta\n",
        "empty.csv": b"",
        "object.json": b'{"id": 1}\n',
        "cut.json": b'[\n  {"id": 1},\n  {"id": 2},\n  {"id":\n',
        "no-comma.json": b'[\n  {"id": 1}\n  {"id": 2}\n]\n',
        "after-the-end.json": b'[\n  {"id": 1}\n]\n[]\n',
        "scalar-row.json": b'[\n  {"id": 1},\n  2\n]\n',
        "bad-line.jsonl": b'{"id": 1}\n{"id": 2\n{"id": 3}\n',
        "array-line.jsonl": b'{"id": 1}\n[2]\n',
        "nan.jsonl": b'{"id": NaN}\n',
        "half-character.jsonl": b'{"id": "\\ud83d"}\n',
        "not-parquet.parquet": b"PAR1 but nothing of the rest PAR1",
        "spreadsheet.csv": b"PK\x03\x04 the beginning of a workbook",
        "cut.csv.gz": bytes.fromhex("1f8b08000000000002ffcb4cd149cc4de532d449e4"),
    }


def all_files() -> dict[str, bytes]:
    """Return all generated files of this folder, by path."""
    files = {
        "orders.csv": "".join(orders_csv(ORDERS, SEED)).encode(),
        "nasty.csv": nasty_csv(),
        **{f"nasty_broken/{name}": data for name, data in nasty_broken().items()},
    }
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(files.items()))
    return {**files, "SHA256SUMS": sums.encode()}


def main() -> None:
    """Write one dataset to standard output, or all files of this folder."""
    parser = argparse.ArgumentParser(description="Make the datasets of this folder.")
    parser.add_argument("what", choices=["orders", "nasty", "all"])
    parser.add_argument("--rows", type=int, default=ORDERS, help=f"number of orders (default: {ORDERS:,})")
    parser.add_argument("--seed", type=int, default=SEED, help=f"seed of the orders (default: {SEED})")
    parser.add_argument("--format", choices=["csv", "jsonl"], default="csv", help="format of the orders (default: csv)")
    options = parser.parse_args()
    output = sys.stdout.buffer
    match options.what:
        case "orders":
            make = orders_jsonl if options.format == "jsonl" else orders_csv
            for line in make(options.rows, options.seed):
                output.write(line.encode())
        case "nasty":
            output.write(nasty_csv())
        case _:
            for name, data in all_files().items():
                path = Path(__file__).parent / name
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(data)


if __name__ == "__main__":
    main()
