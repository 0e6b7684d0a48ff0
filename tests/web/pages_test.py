"""The pages in a real browser, as people go through them. Screenshots of each go to build/screenshots."""

import gzip
import json
import re

import pytest
from conftest import DESKTOP, PHONE, SHOTS
from playwright.sync_api import expect

MODEL = "/fernhollow/alder-1b-instruct"
LONG = "/juniper/a-model-with-a-very-long-name-that-somebody-chose-on-a-friday-afternoon"
SCRIPTS_MAX = 200_000  # Of compressed JavaScript at the first load; issue 5.

# A name, its address, and what is there once it has loaded.
PAGES = {
    "home": ("/", "text=New here"),
    "models": ("/models", "[data-row] >> nth=8"),
    "models-filtered": ("/models?license=apache-2.0&language=de&sort=likes", "[data-row]"),
    "models-none": ("/models?search=nothing-like-this", "text=No model fits"),
    "datasets": ("/datasets", "[data-row] >> nth=2"),
    "spaces": ("/spaces", "[data-row] >> nth=1"),
    "model": (MODEL, "article.card h1"),
    "model-long-name": (LONG, "article.card h1"),
    "dataset": ("/datasets/oakum-lab/manuals-de", "article.card h1"),
    "space": ("/spaces/fernhollow/ask-the-manual", "article.card h1"),
    "files": (f"{MODEL}/tree/main", "text=config.json"),
    "folder": (f"{MODEL}/tree/main/evaluation", "text=run.py"),
    "code": (f"{MODEL}/blob/main/evaluation/run.py", ".hljs-keyword"),
    "picture": (f"{MODEL}/blob/main/figures/lengths.png", "img[alt='figures/lengths.png']"),
    "tensors": (f"{MODEL}/blob/main/model.safetensors", "text=embeddings.word.weight"),
    "history": (f"{MODEL}/commits/main", "text=Add weights"),
}
VIEWS = {"light": (DESKTOP, "light"), "dark": (DESKTOP, "dark"), "phone": (PHONE, "dark")}


def settle(page) -> None:
    """Until nothing is on its way any more: no skeleton, no picture, no font."""
    expect(page.locator(".skeleton")).to_have_count(0)
    page.evaluate("Promise.all([...document.images].filter(i => !i.complete && i.loading !== 'lazy').map(i => i.decode().catch(() => undefined)))")
    page.evaluate("document.fonts.ready.then(() => undefined)")


def shoot(page, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(SHOTS / f"{name}.png"), full_page=True)


def violations(page, axe: str) -> list[str]:
    page.evaluate(axe)
    found = page.evaluate("""axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})
        .then(result => result.violations.map(v => [v.id, v.help, v.nodes.map(n => n.html.slice(0, 200) + ' ' + (n.any[0]?.message ?? ''))]))""")
    return [f"{rule}: {text}: {nodes[:3]}" for rule, text, nodes in found]


@pytest.mark.parametrize("view", VIEWS)
def test_every_page_is_whole_and_axe_finds_nothing(open_browser, server, axe, view):
    """Each fits its window, and each link on it leads somewhere."""
    viewport, theme = VIEWS[view]
    page, _ = open_browser(viewport, theme)
    wrong = []
    links: set[str] = set()
    for name, (address, landmark) in PAGES.items():
        page.goto(address)
        page.locator(landmark).first.wait_for()
        if name == "model":
            page.locator("code.language-mermaid").scroll_into_view_if_needed()  # Diagrams are drawn when they are seen.
            page.locator("img.card-diagram").wait_for()
            page.locator("article.card math").first.wait_for()
            page.evaluate("scrollTo(0, 0)")
        settle(page)
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            wrong.append(f"{name} is wider than the window")
        shoot(page, f"{name}-{view}")
        wrong += [f"{name}: {violation}" for violation in violations(page, axe)]
        links |= set(page.evaluate("[...document.querySelectorAll('a[href]')].map(a => a.href)"))
    if view == "light":
        wrong += dead_links(server, links)
    assert not wrong, "\n".join(wrong)


def test_from_the_home_page_by_search_to_a_model_and_its_file(open_browser):
    page, _ = open_browser()
    page.goto("/")
    page.get_by_role("heading", name="New here").wait_for()
    page.keyboard.press("/")
    box = page.get_by_role("combobox", name="Search repositories")
    expect(box).to_be_focused()
    page.keyboard.type("instruct", delay=20)
    hit = page.get_by_role("option", name="fernhollow/alder-1b-instruct")
    hit.wait_for()
    shoot(page, "search-light")
    page.keyboard.press("ArrowDown")
    expect(hit).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{MODEL}")
    expect(page.get_by_role("heading", level=1, name="Alder 1B Instruct")).to_be_visible()
    # What people copy carries this hub's address.
    expect(page.get_by_role("region", name="How to use it: Download")).to_contain_text("export HF_ENDPOINT=http://localhost:")
    page.get_by_role("button", name="Transformers", exact=True).click()
    expect(page.get_by_role("region", name="How to use it: Transformers")).to_contain_text("fernhollow/alder-1b-instruct")
    page.get_by_role("link", name=re.compile("^Files")).click()
    page.get_by_role("link", name="config.json", exact=True).click()
    expect(page.get_by_role("region", name="Content of config.json")).to_contain_text("LlamaForCausalLM")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert json.loads(download.value.path().read_text())["hidden_size"] == 96
    page.go_back()
    page.get_by_role("link", name="History").click()
    expect(page.get_by_text("Three seeds were tuned; this is the second.")).to_be_visible()
    expect(page.get_by_text("5 commits up to main")).to_be_visible()


def test_search_drops_the_requests_of_what_was_typed_before(open_browser):
    page, watch = open_browser()
    page.goto("/")
    page.get_by_role("heading", name="New here").wait_for()
    page.get_by_role("combobox", name="Search repositories").press_sequentially("moorhen", delay=10)
    page.get_by_role("option", name="saltglass/moorhen-translate-de-en").wait_for()
    asked = {match[1] for url in watch.requests if (match := re.search(r"[?&]search=(\w+)", url))}
    assert asked == {"moorhen"}, "each letter asked the hub"
    page.get_by_role("combobox", name="Search repositories").fill("nothing-like-this")
    expect(page.get_by_text("No repository has “nothing-like-this” in its name.")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("listbox")).to_be_hidden()


def test_filters_narrow_the_list_and_stand_in_the_address(open_browser):
    page, _ = open_browser()
    page.goto("/models")
    page.get_by_label("Find a filter").fill("token cl")
    page.get_by_label("Token classification").check()
    page.get_by_label("Find a filter").fill("")
    page.wait_for_url("**/models?task=token-classification")
    rows = page.locator("[data-row]")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("knotwork-ner-multi")
    expect(page.get_by_text("1 of 11")).to_be_visible()
    page.reload()
    expect(rows).to_have_count(1)
    page.get_by_role("button", name="Remove the filter Task Token classification").click()
    page.wait_for_url("**/models")
    expect(rows).to_have_count(11)
    page.get_by_label("Name contains").press_sequentially("sextant")
    page.wait_for_url("**/models?search=sextant")
    expect(rows).to_have_count(2)
    page.get_by_label("Sort by").select_option("Likes")
    page.wait_for_url("**sort=likes")
    page.keyboard.press("Tab")
    page.locator("h1").click()
    page.keyboard.press("j")
    expect(rows.first).to_be_focused()
    page.keyboard.press("j")
    expect(rows.nth(1)).to_be_focused()


def test_the_counts_of_the_filters_are_those_of_the_api(open_browser, server):
    page, _ = open_browser()
    page.goto("/models?license=apache-2.0")
    page.locator("fieldset").first.wait_for()
    shown = page.evaluate("""Object.fromEntries([...document.querySelectorAll('fieldset:first-of-type label')]
        .map(label => [label.children[1].textContent, Number(label.children[2].textContent)]))""")
    _, _, text = server.request("GET", "/api/models?filter=license:apache-2.0&expand=pipeline_tag")
    counts: dict[str, int] = {}
    for item in json.loads(text):
        label = item["pipeline_tag"].replace("-", " ").capitalize()
        counts[label] = counts.get(label, 0) + 1
    assert {label: count for label, count in shown.items() if count} == {
        label.replace("Image text to text", "Image and text to text"): count for label, count in counts.items()}


def test_someone_who_is_signed_in_is_known_and_can_like(open_browser, server):
    page, _ = open_browser(user="juniper")
    page.goto("/saltglass/peat-vit-448")
    expect(page.get_by_role("button", name="Your account, juniper")).to_be_visible()
    like = page.get_by_role("button", name=re.compile("^Like"))
    expect(like).to_have_attribute("aria-pressed", "false")
    before = json.loads(server.request("GET", "/api/models/saltglass/peat-vit-448")[2])["likes"]
    like.click()
    expect(like).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(like).to_have_attribute("aria-pressed", "true")
    assert json.loads(server.request("GET", "/api/models/saltglass/peat-vit-448")[2])["likes"] == before + 1
    like.click()
    expect(like).to_have_attribute("aria-pressed", "false")
    page.get_by_role("button", name="Your account, juniper").click()
    expect(page.get_by_role("link", name="Access tokens")).to_be_visible()
    shoot(page, "account-menu-light")


def test_a_private_repository_is_shown_to_its_owner_only(open_browser, axe):
    owner, _ = open_browser(user="sorrel")
    owner.goto("/sorrel/secret")
    expect(owner.get_by_text("Nobody else reads this.")).to_be_visible()
    expect(owner.get_by_text("Private", exact=True)).to_be_visible()
    for user, status in ((None, 401), ("moss", 404)):
        page, watch = open_browser(user=user)
        watch.allowed_statuses = {401, 404}
        for address in ("/sorrel/secret", "/sorrel/secret/tree/main", "/sorrel/absent"):
            answer = page.goto(address)
            assert answer.status == status
            expect(page.get_by_role("heading", name="There is no such page, or you may not see it")).to_be_visible()
            assert "Nobody else" not in page.content()
        settle(page)
        shoot(page, f"not-found-{user or 'stranger'}")
        assert violations(page, axe) == []


def test_what_is_not_at_a_revision_says_so(open_browser):
    page, watch = open_browser()
    watch.allowed_statuses = {404}
    page.goto(f"{MODEL}/blob/main/absent.txt")
    expect(page.get_by_role("heading", name="There is no such file here")).to_be_visible()
    page.get_by_role("link", name="Show all files").click()
    page.wait_for_url(f"**{MODEL}/tree/main")
    page.goto(f"{MODEL}/tree/absent")
    expect(page.get_by_role("heading", name="There is no such page, or you may not see it")).to_be_visible()


def test_a_failing_hub_is_told_and_tried_again(open_browser):
    page, watch = open_browser()
    watch.allowed_statuses = {503}
    page.route("**/api/models?*", lambda route: route.fulfill(status=503, headers={"X-Error-Message": "The database is busy", "X-Request-Id": "abcdef0123456789"}))
    page.goto("/models")
    expect(page.get_by_role("heading", name="The hub is not ready")).to_be_visible()
    expect(page.get_by_text("The database is busy.")).to_be_visible()
    shoot(page, "error-light")
    page.unroute("**/api/models?*")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("[data-row]").first).to_be_visible()


@pytest.mark.parametrize("address", ["/", MODEL])
def test_the_first_load_is_small(open_browser, address):
    page, _ = open_browser()
    page.goto(address)
    page.locator("h1").first.wait_for()
    settle(page)
    page.wait_for_load_state("networkidle")  # What a page fetches when it has nothing else to do counts too.
    page.wait_for_timeout(600)
    page.wait_for_load_state("networkidle")
    scripts = page.evaluate("performance.getEntriesByType('resource').filter(e => e.name.endsWith('.js')).map(e => [e.encodedBodySize, e.decodedBodySize])")
    size = sum(encoded for encoded, _ in scripts)
    print(f"{address}: {size:,} bytes of compressed JavaScript in {len(scripts)} files, {sum(plain for _, plain in scripts):,} unpacked")
    assert 20_000 < size <= SCRIPTS_MAX


def test_nothing_moves_while_a_page_loads(open_browser):
    for address in ("/", "/models", MODEL, f"{MODEL}/tree/main"):
        page, _ = open_browser()
        page.add_init_script("""window.moved = 0;
            new PerformanceObserver(list => { for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.moved += entry.value; })
                .observe({type: 'layout-shift', buffered: true});""")
        page.goto(address)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("window.moved") < 0.1, address


def dead_links(server, links: set[str]) -> list[str]:
    local = sorted({link.split("#")[0] for link in links if link.startswith(server.url)})
    assert len(local) > 60
    statuses = {link: server.request("GET", link[len(server.url):], headers={"Accept": "text/html"})[0] for link in local}
    return [f"{link} is dead: {status}" for link, status in statuses.items() if status != 200]


def test_files_of_the_site_are_kept_for_ever_and_the_shell_never(server):
    status, headers, shell = server.request("GET", "/")
    assert status == 200 and headers["Cache-Control"] == "no-cache" and headers["ETag"]
    policy = headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy and "default-src 'self'" in policy and "object-src 'none'" in policy
    assert re.search(rb"<script(?![^>]* src=)", shell) is None
    assert server.request("GET", "/", headers={"If-None-Match": headers["ETag"]})[0] == 304
    for path in re.findall(r'"(/_app/immutable/[^"]+)"', shell.decode()):
        status, headers, plain = server.request("GET", path)
        assert status == 200 and headers["Cache-Control"] == "public, max-age=31536000, immutable"
        status, packed, content = server.request("GET", path, headers={"Accept-Encoding": "gzip"})
        if "Content-Encoding" in packed:
            assert gzip.decompress(content) == plain and packed["ETag"] != headers["ETag"]
    assert server.request("GET", "/_app/immutable/absent.js")[0] == 404


def test_addresses_that_are_no_pages_stay_what_they_were(server):
    for path in ("/api/absent", "/nothing", "/settings/absent", "/oauth/absent", "/models/absent", "/fernhollow/alder-1b/absent"):
        status, headers, content = server.request("GET", path, headers={"Accept": "application/json"})
        assert status in (401, 404) and headers["Content-Type"].startswith("application/json"), (path, status, content[:100])
