"""The page in Debian's Chromium, driven by Playwright, with axe's rules of accessibility.

Needs the extra `browser`, /usr/bin/chromium, and `npm install --no-save axe-core` for the last.
"""

import re
from pathlib import Path

import pytest

from tests.serve.conftest import served
from tests.tiny import ROOT

CHROMIUM = Path("/usr/bin/chromium")
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync")
QUIET += ("--disable-background-networking", "--disable-component-update")

PAGES = {
    "run": "/",
    "alternation": "/alternation/01?order=mixed",
    "outliers": "/alternation/00/outliers",
    "cluster": "/alternation/01/cluster/0",
    "image": "/alternation/01/image/7",
    "queries": "/queries/01",
    "query": "/query/01/3",
    "compare": "/compare",
    "problem": "/alternation/07",
}
SIGHTS = {
    "light, wide": {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    "dark, narrow": {"color_scheme": "dark", "viewport": {"width": 390, "height": 844}},
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.is_file(), reason="there is no /usr/bin/chromium"),
]


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the extra `browser`")
    with playwright.sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=str(CHROMIUM), args=list(QUIET))
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser, ask):
    """Open pages in one sight, and hold that nothing goes wrong on any of them."""
    problems, contexts = [], []

    def opened(sight="light, wide", **options):
        context = browser.new_context(**SIGHTS[sight], **options, base_url=ask.address)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith("http://127.0.0.1:")
                else problems.append(request.url)
            ),
        )
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [one for one in problems if "404" not in one] == []


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_and_every_picture_is_there(opened, sight, name):
    page = opened(sight)
    page.goto(PAGES[name])
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    for image in page.locator("img").all():
        image.scroll_into_view_if_needed()
    page.wait_for_load_state("networkidle")
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    assert page.evaluate("[...document.images].every((one) => one.complete && one.naturalWidth)")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (dark == "rgb(255, 255, 255)") == sight.startswith("light")


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize("name", PAGES)
@pytest.mark.skipif(not AXE.is_file(), reason="npm install --no-save axe-core")
def test_accessibility(opened, sight, name):
    page = opened(sight, bypass_csp=True)
    page.goto(PAGES[name])
    page.add_script_tag(path=str(AXE))
    violations = page.evaluate("axe.run().then((found) => found.violations)")
    found = [f"{one['id']} ({one['impact']}): {one['nodes'][0]['html']}" for one in violations]
    assert found == []


def test_from_a_low_agreement_to_its_cluster_and_through_alternations(opened, run):
    agreement = run.alternation("01").cross_agreement[:]
    row = int(agreement.mean(axis=1).argmin())
    page = opened()
    page.goto(f"/alternation/01/image/{row}")
    first = page.locator("section a").first
    address = first.get_attribute("href")
    assert address == f"/alternation/01/image/{run.alternation('01').ranked_list[:][row][0]}"
    first.click()
    assert page.url.endswith(address)
    neighbour = int(address.rpartition("/")[2])
    label = run.alternation("01").pseudo_labels[:][neighbour]
    page.get_by_role("link", name=f"cluster {label}", exact=True).first.click()
    assert page.locator("h1").inner_text() == f"Cluster {label} of alternation 01"
    shown = page.locator("main a[href*='/image/']").count()
    assert shown == (run.alternation("01").pseudo_labels[:] == label).sum()
    page.get_by_role("link", name="Alternations").click()
    page.wait_for_url("**/alternation/01")
    for key, name in (("ArrowLeft", "00"), ("ArrowRight", "01"), ("ArrowLeft", "00")):
        page.keyboard.press(key)
        page.wait_for_url(f"**/alternation/{name}")
        count = int(re.search(r"(\d+) clusters", page.locator("main").inner_text()).group(1))
        assert count == run.alternation(name).pseudo_labels[:].max() + 1


def test_without_scripts_everything_can_be_read(opened):
    page = opened(java_script_enabled=False)
    for address in PAGES.values():
        page.goto(address)
        assert page.locator("h1").count() == 1
    page.goto("/compare")
    page.get_by_role("button", name="Compare").click()
    assert "a=00" in page.url


def test_a_run_in_progress_moves_on_by_itself(opened, copy, tmp_path):
    results = copy.paths.evaluation("01")
    results.rename(tmp_path / "kept")
    with served(copy) as ask:
        page = opened()
        page.goto(f"{ask.address}/")
        assert page.get_by_text("Not finished").count() == 1
        (tmp_path / "kept").rename(results)
        page.get_by_text("Finished.").wait_for(timeout=60_000)
