"""A preview by hand, with texts in it that want to be markup."""

from __future__ import annotations

from synalign.preview.findings import Asked, Attribute, Preview, Query, Rate, Shown, Warning
from tests.adversarial import TEXTS

MARKUP = "<b class=injected>bold</b><script>document.title = 'injected'</script> [bold red]markup[/] {{ 7 * 7 }}"
HOSTILE = tuple(text.encode("utf-8", "replace").decode()[:2_000] for text in (*TEXTS.values(), MARKUP))


def shown(text: str) -> Shown:
    good = Asked("reason", (("system", text), ("user", text)), "ok", text, "", 10, 20, 1.5, False)
    return Shown(
        demonstrations=(text, "mixer bowl"),
        shots=((text, text),),
        attributes=(Attribute(text, (text,), (text,), False), Attribute("form", ("keywords",), (), True)),
        requests=(good, good._replace(kind="write", outcome="timeout", answer="", detail=text, tokens_in=None)),
        queries=(Query(text, text, "accepted", text), Query(text, "", "near_real", f"too near: {text}")),
        asked_for=6,
    )


def made(*texts: str) -> Preview:
    return Preview(
        retriever="shop",
        model=texts[0] if texts else "a-model",
        endpoint="https://model.example/v1",
        family="small",
        form="json_schema",
        sample="the first 500 rows of 20 of 40 files",
        documents=300,
        whole=False,
        batches=tuple(map(shown, texts)),
        rate=Rate(2, 24, 4, 8_000, 2_000, True, 5, 1.25, "EUR", "generation.budget.max_tokens (100)"),
        warnings=(Warning("copies", "4 of 10 queries repeat the prompt.", "Take a larger model."),),
        journal="previews/shop/journal",
    )
