"""What the redactor masks, what it leaves, and that it never shows what it knows."""

from __future__ import annotations

import base64
import copy
import json
import pickle
import re
from urllib.parse import quote, quote_plus

import pytest

from reqflo_ray._internal.errors import SecretError
from reqflo_ray._internal.model.http.headers import header_text
from reqflo_ray._internal.secrets.redactor import Redactor, mask_credentials

TOKEN = "Kanarienvogel/7+x=&ä!"
PLAIN = "k8Jq2mZx5Lw9"


@pytest.fixture
def redactor() -> Redactor:
    made = Redactor()
    made.register("secret:TOKEN", TOKEN)
    made.register("secret:PLAIN", PLAIN)
    return made


def test_a_value_is_replaced_by_its_label(redactor: Redactor) -> None:
    assert redactor.text(f"Bearer {PLAIN}, again {PLAIN}") == "Bearer [secret:PLAIN], again [secret:PLAIN]"


def test_text_without_values_is_the_same_object(redactor: Redactor) -> None:
    text, data = "nothing to see", b"nothing\xff to see"
    assert redactor.text(text) is text
    assert redactor.bytes(data) is data


@pytest.mark.parametrize(
    "written",
    [
        TOKEN,
        quote(TOKEN),
        quote(TOKEN, safe=""),
        quote(TOKEN, safe="/+=&!"),
        quote_plus(TOKEN),
        re.sub("%..", lambda escape: escape[0].lower(), quote(TOKEN, safe="")),
        "".join(f"%{byte:02x}" for byte in TOKEN.encode()),
        json.dumps(TOKEN)[1:-1],
        json.dumps(TOKEN, ensure_ascii=False)[1:-1],
        json.dumps(TOKEN)[1:-1].replace("/", "\\/"),
        "".join(f"\\u{ord(letter):04x}" for letter in TOKEN),
        "".join(f"\\u{ord(letter):04X}" for letter in TOKEN),
        TOKEN.encode().hex(),
        TOKEN.encode().hex().upper(),
    ],
)
def test_a_value_is_found_however_it_is_written(redactor: Redactor, written: str) -> None:
    assert redactor.text(f'{{"a": "{written}", "b": 1}}') == '{"a": "[secret:TOKEN]", "b": 1}'


def test_a_value_is_found_in_json_inside_json_and_in_a_url_inside_json(redactor: Redactor) -> None:
    inner = json.dumps({"t": TOKEN})
    assert "Kanarien" not in redactor.text(json.dumps({"log": inner}))
    url = json.dumps({"next": f"https://api.example/?t={quote(TOKEN, safe='')}"}).replace("/", "\\/")
    assert redactor.text(url) == '{"next": "https:\\/\\/api.example\\/?t=[secret:TOKEN]"}'
    form = f"filter={quote_plus(json.dumps({'t': TOKEN}))}"
    assert "Kanarien" not in redactor.text(form)


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("before", [b"", b"u", b"u:", b"abc"])
@pytest.mark.parametrize("after", [b"", b"1", b"12", b"123"])
def test_base64_is_found_at_every_alignment(redactor: Redactor, encode: object, before: bytes, after: bytes) -> None:
    assert callable(encode)
    encoded: bytes = encode(before + TOKEN.encode() + after)
    masked = redactor.bytes(b"Basic " + encoded + b" end")
    assert b"[secret:TOKEN]" in masked
    left = masked.replace(b"[secret:TOKEN]", b"").removeprefix(b"Basic ").removesuffix(b" end").rstrip(b"=")
    # At most the groups that hold nothing but neighbours are left.
    assert len(left) <= (len(before) + len(after)) * 8 // 6


@pytest.mark.parametrize(
    "page",
    [
        "no user p&amp;ss&lt;w&gt;&quot;d&#x27;s",
        "no user p&#38;ss&#60;w&#62;&#34;d&#039;s",
        "no user p&amp;ss<w>&quot;d&apos;s",
        '{"error": "no user p\\u0026amp;ss\\u0026lt;w\\u0026gt;\\u0026quot;d\\u0026#39;s"}',
        "no user p&amp;amp;ss&amp;lt;w&amp;gt;&amp;quot;d&amp;#39;s",
    ],
)
def test_a_value_is_found_where_a_page_shows_it_with_entities(page: str) -> None:
    redactor = Redactor()
    redactor.register("secret:WORD", "p&ss<w>\"d's")
    assert redactor.text(page).replace('{"error": "', "").rstrip('"}') == "no user [secret:WORD]"


@pytest.mark.parametrize("text", ["&nosuch; &#99999999; &#x110000; & &; &amp", "a=1&copy=2&amp;b", "x\ny\r\n\r\n z"])
def test_what_is_no_entity_and_no_broken_base64_stays(redactor: Redactor, text: str) -> None:
    assert redactor.text(text) is text


def test_parts_are_masked_in_one_search_and_no_value_reaches_beyond_its_part() -> None:
    redactor = Redactor()
    redactor.register("secret:RS", "abc\x1edef")
    same = (b"abc", b"xyz")
    assert redactor.each(same) is same
    assert redactor.each((b"<abc\x1edef>", b"x", b"")) == [b"<[secret:RS]>", b"x", b""]
    assert redactor.each((b"1abc", b"def2")) == [b"1[secret:RS]", b"[secret:RS]2"]


def test_base64_within_a_url_is_found(redactor: Redactor) -> None:
    encoded = quote(base64.b64encode(b"x" + TOKEN.encode()).decode(), safe="")
    assert "[secret:TOKEN]" in redactor.text(f"https://api.example/?auth={encoded}")


def test_a_character_beyond_the_basic_plane_is_found_as_a_surrogate_pair() -> None:
    redactor = Redactor()
    redactor.register("secret:WORD", "🔑geheim🔑")
    assert redactor.text(json.dumps(["🔑geheim🔑"])) == '["[secret:WORD]"]'


def test_a_header_that_was_read_as_latin_1_is_masked(redactor: Redactor) -> None:
    assert redactor.text("x " + TOKEN.encode().decode("latin-1")) == "x [secret:TOKEN]"
    assert redactor.bytes(b"x " + TOKEN.encode("latin-1")) == b"x [secret:TOKEN]"
    assert redactor.text("x " + header_text(TOKEN.encode("latin-1"))) == "x [secret:TOKEN]"


def test_a_value_that_came_in_a_header_is_masked_in_all_its_readings(redactor: Redactor) -> None:
    value = header_text(b"sess-\xe9\xff-0815")
    redactor.register("sensitive:steps.a.outputs.sid", value)
    for text in (value, "sess-\xe9\xff-0815"):
        assert redactor.text(f"x {text} y") == "x [sensitive:steps.a.outputs.sid] y"
    assert redactor.bytes(b"x sess-\xe9\xff-0815 y") == b"x [sensitive:steps.a.outputs.sid] y"
    redactor.register("sensitive:steps.a.outputs.odd", "half \ud83d and \udce9")
    assert "half" not in redactor.text("half \ud83d and \udce9")


@pytest.mark.parametrize(("value", "text"), [("aaaaaa\u00c3", "<aaaaaa\u00e4>"), ("\u00a4bcdefg", "<\u00e4bcdefg>")])
def test_a_value_that_ends_within_a_character_does_not_break_the_text(value: str, text: str) -> None:
    redactor = Redactor()
    redactor.register("secret:ODD", value)
    masked = redactor.text(text)
    assert "[secret:ODD]" in masked
    assert masked.startswith("<")
    assert masked.endswith(">")


def test_lone_surrogates_pass_through_text(redactor: Redactor) -> None:
    assert redactor.text(f"\ud800 {PLAIN}") == "\ud800 [secret:PLAIN]"


def test_of_values_that_contain_one_another_the_longest_names_the_place() -> None:
    redactor = Redactor()
    redactor.register("secret:SHORT", "abcdef")
    redactor.register("secret:LONG", "abcdef-123456")
    assert redactor.text("abcdef abcdef-123456 abcdef-9") == "[secret:SHORT] [secret:LONG] [secret:SHORT]-9"


def test_overlapping_values_leave_nothing_of_either() -> None:
    redactor = Redactor()
    redactor.register("secret:LEFT", "aaaabbbb")
    redactor.register("secret:RIGHT", "bbbbccccdd")
    assert redactor.text("<aaaabbbbccccdd>") == "<[secret:RIGHT]>"


def test_a_marker_is_not_masked_again() -> None:
    redactor = Redactor()
    redactor.register("secret:FIRST", "value-one")
    redactor.register("secret:SECOND", "secret:FIRST")
    assert redactor.text("value-one") == "[secret:FIRST]"


def test_a_value_that_repeats_itself_leaves_no_rest() -> None:
    redactor = Redactor()
    redactor.register("secret:RUN", "aaaaaa")
    assert redactor.text("xaaaaaaaaay") == "x[secret:RUN]y"


def test_blanks_around_a_value_do_not_hide_it() -> None:
    redactor = Redactor()
    redactor.register("secret:PADDED", "  padded-value\n")
    assert redactor.text("Bearer padded-value.") == "Bearer [secret:PADDED]."


@pytest.mark.parametrize(
    ("value", "text", "masked"),
    [
        ("MyTenant", "http://mytenant.example/", "http://[secret:V].example/"),
        ("https://Hooks.example:443/T0/B0/Xy#a", "GET https://hooks.example/T0/B0/Xy", "GET [secret:V]"),
        ("HTTP://Hooks.example:80/T0", "http://hooks.example/T0?x", "[secret:V]?x"),
        ("https://h.example/T00/B00/Xyz?k=1", '{"path": "/T00/B00/Xyz?k=1"}', '{"path": "[secret:V]"}'),
        ("https://h.example/T00/B00/Xyz", "/T00%2FB00/Xyz", "[secret:V]"),
        ("https://h.example/orders", "http://other.example/orders", "http://other.example/orders"),
        ("b\u00fccher.example", "Host: xn--bcher-kva.example", "Host: [secret:V]"),
        ("https://fa\u00df.example/x", "to https://xn--fa-hia.example/x", "to [secret:V]"),
    ],
)
def test_a_url_or_host_is_found_as_it_is_sent(value: str, text: str, masked: str) -> None:
    redactor = Redactor()
    redactor.register("secret:V", value)
    assert redactor.text(text) == masked


def test_a_secret_of_several_lines_is_found_raw_and_escaped() -> None:
    redactor = Redactor()
    key = "-----BEGIN KEY-----\nMIIabc/123+\n-----END KEY-----"
    redactor.register("secret:KEY", key)
    assert redactor.text(f"[{key}] {json.dumps(key)}") == '[[secret:KEY]] "[secret:KEY]"'


@pytest.mark.parametrize("value", ["", "1", "12345", "äöüß€"])
def test_a_short_secret_is_refused_without_showing_it(value: str) -> None:
    with pytest.raises(SecretError) as caught:
        Redactor().register("secret:PIN", value)
    assert caught.value.code == "secret_too_short"
    assert "PIN" in caught.value.message
    if value:
        assert value not in f"{caught.value.message}{caught.value.cause.replace('6', '')}{caught.value.hint}"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("123", "[sensitive:inputs.cvv]"),
        ('{"cvv": "123", "n": 41234}', '{"cvv": "[sensitive:inputs.cvv]", "n": 41234}'),
        ('{"cvv":123,"t":1.123}', '{"cvv":[sensitive:inputs.cvv],"t":1.123}'),
        ("cvv=123&x=0123", "cvv=[sensitive:inputs.cvv]&x=0123"),
        ("https://a.example/123/x?c=%31%32%33", "https://a.example/[sensitive:inputs.cvv]/x?c=[sensitive:inputs.cvv]"),
        ("-123 12.3 1234 a123", "-123 12.3 1234 a123"),
    ],
)
def test_a_short_sensitive_value_is_masked_where_it_stands_alone(text: str, masked: str) -> None:
    redactor = Redactor()
    redactor.register("sensitive:inputs.cvv", "123")
    assert redactor.text(text) == masked


def test_an_empty_sensitive_value_masks_nothing() -> None:
    redactor = Redactor()
    redactor.register("sensitive:inputs.note", "")
    assert redactor.text('{"note": ""}') == '{"note": ""}'


def test_a_row_masks_its_own_values_and_the_shared_ones(redactor: Redactor) -> None:
    row, other = redactor.child(), redactor.child()
    row.register("sensitive:inputs.card", "4111-1111-1111")
    text = f"{PLAIN} 4111-1111-1111"
    assert row.text(text) == "[secret:PLAIN] [sensitive:inputs.card]"
    assert other.text(text) == "[secret:PLAIN] 4111-1111-1111"
    assert redactor.text(text) == "[secret:PLAIN] 4111-1111-1111"


def test_a_secret_registered_later_is_masked_by_rows_that_began_before(redactor: Redactor) -> None:
    row = redactor.child()
    redactor.register("secret:LATE", "late-value")
    assert row.text("late-value") == "[secret:LATE]"


def test_rows_leave_nothing_behind(redactor: Redactor) -> None:
    for number in range(1000):
        redactor.child().register("sensitive:inputs.card", f"card-number-{number}")
    assert redactor.text("card-number-7") == "card-number-7"


def test_a_value_registered_twice_keeps_its_first_name(redactor: Redactor) -> None:
    redactor.register("sensitive:inputs.token", PLAIN)
    assert redactor.text(PLAIN) == "[secret:PLAIN]"


def test_headers_are_masked_by_value_and_by_name(redactor: Redactor) -> None:
    headers = (
        ("Authorization", f"Bearer {PLAIN}"),
        ("authorization", "Bearer something-else"),
        ("X-Api-Key", "something-else"),
        ("X-Trace", f"for {PLAIN}"),
        ("Cookie", f"a=1; b={PLAIN}; c=x y"),
        ("Set-Cookie", "sid=s3ss10n; Path=/; HttpOnly"),
        ("Set-Cookie", "s3ss10n"),
        ("Accept", "*/*"),
    )
    redacted = tuple((name, redactor.text(value)) for name, value in headers)
    assert mask_credentials(redacted) == (
        ("Authorization", "Bearer [secret:PLAIN]"),
        ("authorization", "Bearer [masked]"),
        ("X-Api-Key", "[masked]"),
        ("X-Trace", "for [secret:PLAIN]"),
        ("Cookie", "a=[masked]; b=[secret:PLAIN]; c=[masked]"),
        ("Set-Cookie", "sid=[masked]; Path=/; HttpOnly"),
        ("Set-Cookie", "[masked]"),
        ("Accept", "*/*"),
    )


@pytest.mark.parametrize(
    "value", ["Bearer a b", "user pass", "Digest username=x, response=s3cr3t", "[secret:x] s3cr3t"]
)
def test_nothing_but_the_scheme_of_an_unknown_credential_is_kept(value: str) -> None:
    ((_, masked),) = mask_credentials((("Authorization", value),))
    assert masked in (f"{value.split()[0]} [masked]", "[masked]")


def test_a_redactor_shows_nothing(redactor: Redactor) -> None:
    child = redactor.child()
    child.register("sensitive:inputs.card", "4111-1111-1111")
    for shown in (repr(redactor), str(redactor), f"{redactor}", f"{child!r}"):
        assert shown == "<Redactor>"
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be pickled") as caught:
            leak(redactor)
        assert PLAIN not in str(caught.value)
    assert not hasattr(redactor, "__dict__")
