//! The pages of comparisons and of maps, driven in a browser where there is one.
#![allow(missing_docs)]

#[expect(dead_code, reason = "this file uses a part of it")]
mod common;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use self::common::{Place, skip, topics};

/// What a reader does, and what is seen then. The script does not use the names of the page's own
/// script, only what is on the page.
const SCRIPT: &str = r##"<script>
addEventListener("load", () => setTimeout(() => {
  const seen = { errors: window.problems }, $ = s => [...document.querySelectorAll(s)], text = s => $(s).map(e => e.textContent);
  try {
    seen.headings = text("h2");
    seen.short = text("#short li");
    seen.means = $("#score-plot circle.mean").length;
    seen.bars = $("#score-plot line:not(.axis)").length;
    seen.ticks = $("#score-plot .axis").length;
    seen.curves = $("#curves polyline").map(line => line.getAttribute("points").split(" ").length);
    seen.maps = $("#maps iframe").map(frame => [...frame.contentDocument.querySelectorAll("canvas")].map(canvas => canvas.clientWidth > 100));
    const right = svg => Math.max(...[...svg.querySelectorAll("circle")].map(c => +c.getAttribute("cx")));
    seen.outside = $("svg").filter(svg => svg.querySelector("circle") && right(svg) > svg.clientWidth).length;
    seen.confounds = text("#confounds td");
    // Sort by the first column, twice.
    const column = () => text("#measures tbody td:nth-child(2)"), button = document.querySelector("#measures th:nth-child(2) button");
    button.click(); seen.up = column(); button.click(); seen.down = column();
    seen.sorted = document.querySelector("#measures th:nth-child(2)").getAttribute("aria-sort");
    // Look a word up, follow a neighbour, ask for a word that is not there.
    const input = document.querySelector("#word"), type = word => { input.value = word; input.dispatchEvent(new Event("input")); };
    type("sea3"); seen.lists = $("#lists > div").map(list => [...list.querySelectorAll("button")].map(b => b.textContent));
    seen.marked = $("#maps iframe").map(frame => frame.contentDocument.querySelector("#chosen h2")?.textContent);
    document.querySelector("#lists button").click(); seen.followed = input.value;
    type("sea1 - sea2 + sea3"); seen.sum = text("#lists .cosine").length;
    seen.advice = text("#advice")[0]; seen.ranked = $("#ranking tbody tr").length;
    seen.broken = $("#contents a").filter(a => !document.querySelector(a.getAttribute("href"))).length;
    seen.contents = $("#contents a").length; seen.buttons = $("#save button").length; seen.run = text("#run")[0];
    // Nothing is left of the differences with a set that has none.
    const set = document.querySelector("#filter-set"), differences = () => $("#differences tbody tr").length;
    seen.all = differences(); set.value = "more"; set.dispatchEvent(new Event("change")); seen.some = differences();
    seen.hidden = $("#ranking td, #scores td").filter(cell => cell.getBoundingClientRect().right > document.documentElement.clientWidth).length;
    type("nowhere"); seen.unknown = text("#lists")[0];
    seen.wide = document.documentElement.scrollWidth > document.documentElement.clientWidth;
  } catch (error) { seen.errors.push(String(error)); }
  const note = document.createElement("pre"); note.id = "seen"; note.textContent = JSON.stringify(seen); document.body.append(note);
}, 50));
</script>"##;

/// The name of a browser that answers.
fn chromium() -> Option<&'static str> {
    let answers = |name: &&str| {
        let ran = Command::new(name)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        ran.is_ok_and(|status| status.success())
    };
    ["chromium", "chromium-browser", "google-chrome"].into_iter().find(answers)
}

/// The document after its scripts have run, or `None` where the browser doesn't come to an end.
fn opened(browser: &str, page: &Path, profile: &Path, width: u32) -> Option<String> {
    let mut child = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--virtual-time-budget=7000", "--dump-dom"])
        .arg(format!("--window-size={width},900"))
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("file://{}", page.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let out = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || std::io::read_to_string(out).unwrap_or_default());
    let begin = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begin.elapsed() > Duration::from_secs(90) {
            child.kill().unwrap();
            child.wait().unwrap();
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    reader.join().ok()
}

/// What a script notes of a page that it drives. `None` where there is no browser that comes to an end.
fn seen(place: &Place, page: &str, script: &str, width: u32) -> Option<Value> {
    let Some(browser) = chromium() else {
        skip("no Chromium: the page is not opened");
        return None;
    };
    // Frames come when they are asked for, since a browser without a screen has few.
    let problems = "<script>window.problems = []; addEventListener('error', e => problems.push(e.message)); window.requestAnimationFrame = step => setTimeout(() => step(performance.now()), 5)</script>";
    let driven = place
        .text(page)
        .replace("<style>", &format!("{problems}<style>"))
        .replace("</body>", &format!("{script}</body>"));
    place.write("driven.html", driven);
    let profile = tempfile::tempdir().unwrap();
    let opened = opened(browser, &place.path("driven.html"), profile.path(), width);
    let Some(document) = opened else {
        skip("Chromium does not come to an end here");
        return None;
    };
    let note =
        document.split("<pre id=\"seen\">").nth(1).and_then(|rest| rest.split("</pre>").next());
    let note = note.unwrap_or_else(|| panic!("nothing was seen in {} bytes", document.len()));
    let note = note.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    Some(serde_json::from_str(&note).unwrap())
}

#[test]
fn the_page_of_a_comparison_works_in_a_browser() {
    let place = Place::with_text(600);
    place.write("sets/topics.tsv", topics::graded());
    place.write("sets/more.tsv", "sea1\tsea2\t5\nsea1\thill1\t1\nsea3\tsea4\t4\nsea5\thill2\t0\n");
    // Words that a careless page would take for its own markup.
    place.write("text2.txt", "</script><b>x</b> <img> &amp; sea1 \" ' \\ sea2\n".repeat(30));
    let settings = "--dim 10 --epochs 4 --threads 1 --draws 200 --runs 2";
    place
        .run(&format!(
            "compare text.txt text2.txt --methods skip-gram,cbow --sets sets --report page.html {settings}"
        ))
        .printed();
    let page = place.text("page.html");
    assert_eq!(page.matches("</script>").count(), 1, "no word ends the script");
    for width in [1200, 390] {
        let Some(seen) = seen(&place, "page.html", SCRIPT, width) else { return };
        assert_eq!(seen["errors"], json!([]), "{seen}");
        let headings = seen["headings"].as_array().unwrap();
        for heading in [
            "Scores",
            "Differences",
            "Learning curves",
            "Neighbours of a word",
            "Maps",
            "What else differs",
        ] {
            assert!(headings.contains(&json!(heading)), "{headings:?}");
        }
        assert!(seen["short"][1].as_str().unwrap().starts_with("topics: "), "{seen}");
        let advice = seen["advice"].as_str().unwrap();
        assert!(advice.starts_with("Use ") || advice.starts_with("No difference"), "{advice}");
        assert_eq!([&seen["ranked"], &seen["broken"], &seen["buttons"]], [2, 0, 3], "{seen}");
        assert!(seen["contents"].as_u64().unwrap() > 9, "{seen}");
        assert!(seen["run"].as_str().unwrap().contains("compare text.txt text2.txt"), "{seen}");
        assert_eq!([&seen["all"], &seen["some"]], [2, 1], "a filter by set");
        assert_eq!(seen["sum"], 20, "ten words near a sum, for each method");
        assert_eq!(seen["hidden"], 0, "no score is out of sight at {width}");
        assert_eq!(
            [&seen["means"], &seen["bars"]],
            [4, 4],
            "a point and an interval for each method and set"
        );
        assert!(seen["ticks"].as_u64().unwrap() >= 2);
        assert_eq!(seen["curves"], json!([3, 3, 3, 3]));
        assert_eq!(seen["maps"], json!([[true, true]]), "a map for each method: {seen}");
        assert!(seen["confounds"].as_array().unwrap().contains(&json!("0.05")), "{seen}");
        let (up, mut down) = (seen["up"].clone(), seen["down"].as_array().unwrap().clone());
        down.reverse();
        assert_eq!(up, json!(down));
        assert_eq!(seen["sorted"], "descending");
        for list in seen["lists"].as_array().unwrap() {
            assert_eq!(list.as_array().unwrap().len(), 10, "{seen}");
        }
        assert_eq!(seen["marked"], json!(["sea3"]), "the word on the maps");
        assert_eq!(seen["outside"], 0, "each plot fits its place: {seen}");
        assert_eq!(seen["followed"], seen["lists"][0][0]);
        assert!(seen["unknown"].as_str().unwrap().contains("nowhere"), "{seen}");
        assert_eq!(seen["wide"], false, "nothing sticks out at {width}: {seen}");
    }
}

/// The words of the text of two topics.
const WORDS: usize = 40;

/// What a reader does with a map.
const ON_A_MAP: &str = r##"<script>
addEventListener("load", () => setTimeout(() => {
  const seen = { errors: window.problems }, $ = s => [...document.querySelectorAll(s)], text = s => $(s).map(e => e.textContent);
  const saved = []; URL.createObjectURL = blob => { saved.push(blob); return "#"; };
  const canvas = document.querySelector("canvas"), box = () => canvas.getBoundingClientRect();
  const point = (type, x, y, finger = 1) => canvas.dispatchEvent(new PointerEvent(type, { clientX: box().left + x, clientY: box().top + y, pointerId: finger, bubbles: true }));
  // A number of what is drawn, so that it is known to change.
  const picture = () => { const d = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data; let sum = 0; for (let i = 0; i < d.length; i += 4) sum = (sum * 31 + d[i] + 3 * d[i + 1] + 7 * d[i + 2] + d[i + 3]) % 1000000007; return sum; };
  const done = () => { const note = document.createElement("pre"); note.id = "seen"; note.textContent = JSON.stringify(seen); document.body.append(note); };
  const later = steps => setTimeout(() => { try { steps[0](); } catch (error) { seen.errors.push(String(error)); } steps.length > 1 ? later(steps.slice(1)) : done(); }, 450);
  const find = document.querySelector("#find"), change = (id, value) => { const e = document.querySelector(id); e.value = value; e.dispatchEvent(new Event("change")); };
  const ask = word => { find.value = word; find.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true })); };
  HTMLElement.prototype.setPointerCapture = () => {};
  later([
    () => { seen.canvases = $("canvas").length; seen.kept = text("#kept")[0]; seen.first = picture(); ask("sea3"); },
    () => { seen.word = text("#chosen h2")[0]; seen.near = $("#chosen ol").map(list => [...list.querySelectorAll("button")].map(b => b.textContent)); seen.flown = picture(); },
    () => { seen.address = location.hash; document.querySelector("#chosen ol button").click(); },
    () => { seen.followed = text("#chosen h2")[0]; document.querySelector("#whole").click(); },
    () => { seen.moved = picture(); point("pointerdown", 100, 100); point("pointermove", 140, 120); point("pointerup", 140, 120); },
    () => { seen.dragged = picture(); canvas.dispatchEvent(new WheelEvent("wheel", { deltaY: -300, clientX: box().left + 50, clientY: box().top + 50, cancelable: true })); },
    () => { seen.zoomed = picture(); point("pointerdown", 100, 100, 1); point("pointerdown", 200, 100, 2); point("pointermove", 210, 100, 2); point("pointermove", 290, 100, 2); point("pointerup", 290, 100, 2); point("pointerup", 100, 100, 1); },
    () => { seen.pinched = picture(); document.querySelector("#whole").click(); change("#layout", "1"); change("#colour", "frequency"); },
    () => { seen.other = text("figcaption")[0]; seen.legend = $("#legend li").length; document.querySelector("#lasso").click();
      point("pointerdown", 1, 1); [[box().width - 1, 1], [box().width - 1, box().height - 1], [1, box().height - 1]].forEach(([x, y]) => point("pointermove", x, y)); point("pointerup", 1, 9); },
    () => { seen.lasso = text("#chosen h2")[0]; document.querySelector("#chosen button").click(); change("#save", "svg"); change("#save", "tsv");
      Promise.all(saved.map(blob => blob.text())).then(all => { seen.saved = all.map(text => [text.slice(0, 4), text.trim().split("\n").length]); }); },
    () => { seen.least = $("#moved li").length; ask("nowhere"); },
    () => { seen.unknown = text("#chosen")[0]; const slider = document.querySelector("#slider");
      if (slider.clientWidth) { slider.value = 3; slider.dispatchEvent(new Event("input")); ask("sea3"); } },
    () => { seen.slid = [text("#slider-name")[0], text("#moved-about")[0], $("#chosen h2").length, $("figure").filter(f => f.clientWidth).length]; seen.wide = document.documentElement.scrollWidth > document.documentElement.clientWidth; },
  ]);
}, 50));
</script>"##;

#[test]
fn the_page_of_a_map_works_in_a_browser() {
    let place = Place::with_model();
    place.write("other.txt", topics::text(600, 10));
    place.run("train cbow other.txt -q -o other.safetensors --dim 10 --threads 1").good();
    place.run("map m.safetensors -o one.html -q").good();
    place.run("map m.safetensors other.safetensors -o two.html -q --names first,second").good();
    place.run("map m.safetensors other.safetensors m.safetensors other.safetensors -o four.html -q --names a,b,c,d").good();
    for (page, models, width) in [
        ("one.html", 1, 1200),
        ("one.html", 1, 390),
        ("two.html", 2, 1300),
        ("two.html", 2, 390),
        ("four.html", 4, 1300),
        ("four.html", 4, 390),
    ] {
        let Some(seen) = seen(&place, page, ON_A_MAP, width) else { return };
        assert_eq!(seen["errors"], json!([]), "{seen}");
        assert_eq!(seen["canvases"], models);
        let kept = seen["kept"].as_str().unwrap();
        assert!(kept.contains("t-SNE") && kept.contains("Trustworthiness 0."), "{kept}");
        assert_eq!(seen["word"], "sea3");
        let near = seen["near"].as_array().unwrap();
        assert!(near.len() == models.min(2) && near[0].as_array().unwrap().len() == 10, "{seen}");
        assert_eq!(seen["followed"], near[0][0], "a neighbour can be followed");
        assert!(seen["address"].as_str().unwrap().contains("word=sea3"), "{seen}");
        for [before, after] in
            [["first", "flown"], ["moved", "dragged"], ["dragged", "zoomed"], ["zoomed", "pinched"]]
        {
            assert_ne!(seen[before], seen[after], "{before} and {after} look alike: {seen}");
        }
        assert!(seen["other"].as_str().unwrap().contains("PCA"), "{seen}");
        assert!(seen["legend"].as_u64().unwrap() > 3, "{seen}");
        assert_eq!(seen["lasso"], format!("{WORDS} words within the line"), "{seen}");
        assert_eq!(seen["saved"][0][1], WORDS, "the list of words: {seen}");
        assert_eq!(seen["saved"][1][0], "<svg");
        assert_eq!(seen["saved"][2], json!(["word", WORDS + 1]), "{seen}");
        assert_eq!(seen["least"], if models > 1 { WORDS } else { 0 }, "{seen}");
        assert!(seen["unknown"].as_str().unwrap().contains("nowhere"), "{seen}");
        assert_eq!(seen["wide"], false, "nothing sticks out at {width}: {seen}");
        if models > 3 {
            let slid = &seen["slid"];
            assert_eq!(slid[0].as_str().unwrap().trim(), "d", "{seen}");
            assert!(slid[1].as_str().unwrap().contains("by c and d"), "{seen}");
            assert_eq!([&slid[2], &slid[3]], [3, 1], "the word, two lists and one map: {seen}");
        }
    }
}
