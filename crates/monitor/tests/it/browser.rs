//! The pages in headless Chromium, where it is present: charts are drawn, nothing is asked for, nothing is an error, and nothing is wider
//! than a phone. One start of the browser looks at all pages, each in a frame as wide as a desktop and as a phone.

use crate::gap::report as gap_report;
use crate::runs::{HOSTILE, START, hostile, run};
use monitor::report::{
    Bar, CostReport, Level as PriceLevel, Mark, MarkKind, OrderPicture, RiskSettings, RunReport, TrailEntry, cost_page,
    gap_page, order_picture, render, risk_backtest_page, risk_page, risk_report,
};
use research::validate::{Level, Model, Seeded, Series, Settings};
use serde_json::Value;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// Where the browser is: what `BOT4_CHROMIUM` says, or on the path.
fn chromium() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("BOT4_CHROMIUM") {
        return Some(path.into());
    }
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name))).find(|file| file.is_file())
}

/// Before all else in a page: remembers what goes wrong.
const LISTEN: &str = "<script>window.wrong=[];addEventListener('error',e=>wrong.push('error: '+e.message));\
    addEventListener('unhandledrejection',e=>wrong.push('rejected: '+e.reason));\
    document.addEventListener('securitypolicyviolation',e=>wrong.push('request: '+e.blockedURI));\
    for(const k of ['error','warn']){const old=console[k];console[k]=(...a)=>{wrong.push(k+': '+a.join(' '));old(...a)}}</script>";

/// After all else: tells the frame around what the page looks like, before and after a zoom and a change of theme.
const TELL: &str = r#"<script>addEventListener('load',()=>setTimeout(()=>{
  const drawn=c=>{const d=c.getContext('2d').getImageData(0,0,c.width,c.height).data;const seen=new Set();
    for(let i=0;i<d.length;i+=4*97){if(d[i+3])seen.add(d[i]<<16|d[i+1]<<8|d[i+2]);if(seen.size>2)return true}return false};
  const look=()=>({canvases:document.querySelectorAll('canvas').length,blank:[...document.querySelectorAll('.chart')].filter(e=>e.querySelector('canvas')&&!drawn(e.querySelector('canvas'))).map(e=>e.id)});
  const press=s=>{const b=document.querySelector(s);if(b)b.click()};
  const first=look();
  press('button[data-days="30"]');press('#after');press('#theme');
  setTimeout(()=>{const second=look();
    parent.postMessage({page:document.title,width:innerWidth,first,second,wrong,requests:performance.getEntriesByType('resource').map(r=>r.name),
      over:document.documentElement.scrollWidth-innerWidth,harmed:window.harmed||0,theme:document.documentElement.dataset.theme||'',
      span:(document.querySelector('.span')||{}).textContent||'',detail:(document.getElementById('detail')||{}).textContent||'',
      rows:document.querySelectorAll('#trades-body tr').length,shown:(document.getElementById('shown')||{}).textContent||''},'*')},200)},100))</script>"#;

/// Runs the browser on a page until its document is written out, a minute at most.
fn document(browser: &Path, folder: &Path, page: &Path) -> String {
    let mut child = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--mute-audio"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars"])
        .args(["--window-size=1500,1000", "--virtual-time-budget=15000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .arg(format!("file://{}", page.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).map(|_| text)
    });
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{} did not end within a minute", browser.display());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    reader.join().unwrap().unwrap()
}

/// Shows the pages and answers what each said, in the order wide, narrow.
fn look(browser: &Path, pages: &[(&str, String)]) -> Vec<[Value; 2]> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let mut frames = String::new();
    for (name, html) in pages {
        let html =
            html.replacen("<style>", &format!("{LISTEN}<style>"), 1).replacen("</body>", &format!("{TELL}</body>"), 1);
        std::fs::write(folder.join(format!("{name}.html")), html).unwrap();
        for width in [1400, 390] {
            frames += &format!("<iframe src=\"{name}.html\" style=\"width:{width}px;height:900px;border:0\"></iframe>");
        }
    }
    let around = folder.join("around.html");
    let html = format!(
        "<!doctype html><body><pre id=\"said\">[]</pre><script>const said=[];addEventListener('message',e=>{{said.push([[...document.querySelectorAll('iframe')].findIndex(f=>f.contentWindow===e.source),e.data]);\
         document.getElementById('said').textContent=encodeURIComponent(JSON.stringify(said))}})</script>{frames}</body>"
    );
    std::fs::write(&around, html).unwrap();
    let text = document(browser, &folder, &around);
    let said = text.split("<pre id=\"said\">").nth(1).and_then(|rest| rest.split('<').next()).unwrap();
    let mut all: Vec<(usize, Value)> = serde_json::from_str(&decoded(said)).unwrap();
    all.sort_by_key(|(frame, _)| *frame);
    assert_eq!(
        all.iter().map(|(f, _)| *f).collect::<Vec<_>>(),
        (0..2 * pages.len()).collect::<Vec<_>>(),
        "every frame spoke once"
    );
    let mut values = all.into_iter().map(|(_, value)| value);
    pages.iter().map(|_| [values.next().unwrap(), values.next().unwrap()]).collect()
}

/// Undoes `encodeURIComponent`.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, more)) = rest.split_first() {
        let hex = more.get(..2).and_then(|h| u8::from_str_radix(std::str::from_utf8(h).ok()?, 16).ok());
        match (first, hex) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &more[2..];
            }
            _ => {
                bytes.push(first);
                rest = more;
            }
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// The risk report of a run whose texts would be markup, beside another one.
fn risk() -> String {
    let script = "</td><script>window.harmed=1</script><img src=x onerror=harmed=1>";
    let entry = |kind: &str, n: i64| TrailEntry {
        ts: Some(START + n * 86_400_000),
        kind: kind.into(),
        fields: vec![("reason".into(), script.into()), ("cause".into(), script.into())],
    };
    let trail: Vec<TrailEntry> =
        (0..40).flat_map(|n| ["refused", "order", "mode", "alert"].map(|kind| entry(kind, n))).collect();
    let mut own = run(script, 5_000, 200, 1);
    own.trades[3].symbol = script.into();
    risk_page(&risk_report(&own, Some(&trail), &[hostile(), run("b", 2_000, 30, 2)], &RiskSettings::default()))
}

/// The page of a backtest of risk models.
fn walked() -> String {
    let mut seeded = Seeded::new(6);
    let returns: Vec<f64> = (0..600).map(|_| 0.03 * seeded.normal()).collect();
    let ts: Vec<i64> = (0..600).map(|n| START + n * 86_400_000).collect();
    let series =
        ["BTCUSDT", "<script>window.harmed=1</script>", "a name without any blank that goes on_and_on_and_on_and_on"]
            .map(|name| Series { name: name.into(), ts: ts.clone(), returns: returns.clone(), gaps: 1 });
    let levels = vec![Level::FIVE_PERCENT, Level::ONE_PERCENT];
    let settings = Settings { models: Model::all().to_vec(), levels, window: 250, seed: 1, threads: 2 };
    let result = research::validate::run(&series, &settings, &AtomicBool::new(false), &|_, _| ()).unwrap().unwrap();
    risk_backtest_page("three series", &["a note".into()], &result)
}

#[test]
fn pages_work_in_a_browser_wide_and_narrow() {
    let Some(browser) = chromium() else {
        println!("0 pages were looked at: there is no Chromium on this machine");
        return;
    };
    let mut still = run("still", 400, 0, 2);
    still.summary.by_strategy.clear();
    still.equity.iter_mut().for_each(|r| (r.equity, r.gross, r.net) = (10_000.0, Some(0.0), Some(0.0)));
    let picture = OrderPicture {
        title: "order 7".into(),
        bars: (0..60).map(|n| Bar { ts: n * 60_000, open: 100.0, high: 103.0, low: 99.0, close: 101.0 }).collect(),
        bar_ms: 60_000,
        marks: vec![Mark { ts: 900_000, price: 101.0, kind: MarkKind::Buy, label: "1.5".into() }],
        levels: vec![PriceLevel { price: 97.0, from: 900_000, to: None, label: "stop".into() }],
    };
    let picture =
        format!("<!doctype html><title>picture</title><style></style><body>{}</body>", order_picture(&picture));
    let pages = [
        ("few", render(&[run("few", 5_000, 200, 1)])),
        ("many", render(&[run("many", 9_000, 6_000, 3)])),
        ("still", render(&[still])),
        ("empty", render(&[RunReport::default()])),
        ("hostile", render(&[hostile()])),
        ("several", render(&[run("a", 3_000, 20, 1), run("b", 2_000, 30, 2), hostile()])),
        ("picture", picture),
        ("risk", risk()),
        ("walked", walked()),
        ("gap", gap_page(&gap_report("</td><script>window.harmed=1</script><img src=x onerror=harmed=1>"))),
        ("no gap", gap_page(&monitor::report::GapReport::default())),
        ("costs", cost_page(&crate::costs::report(HOSTILE, HOSTILE))),
        ("no-costs", cost_page(&CostReport::default())),
    ];
    let said = look(&browser, &pages);
    for ((name, _), both) in pages.iter().zip(&said) {
        for (page, width) in both.iter().zip([1400, 390]) {
            assert_eq!(page["width"], width, "{name}");
            assert_eq!(page["wrong"], Value::Array(vec![]), "{name} {width}: errors or requests");
            assert_eq!(page["requests"], Value::Array(vec![]), "{name} {width}");
            assert_eq!(page["over"], 0, "{name} {width}: wider than its frame");
            assert_eq!(page["harmed"], 0, "{name} {width}: a text of the run was a script");
            for look in ["first", "second"] {
                assert_eq!(page[look]["blank"], Value::Array(vec![]), "{name} {width}: nothing is drawn");
            }
            if *name != "picture" {
                // The theme was switched once, from what the system asks for.
                assert!(page["theme"] == "dark" || page["theme"] == "light", "{name} {width}: {}", page["theme"]);
            }
        }
    }
    let canvases = |n: usize| said[n].iter().map(|p| p["first"]["canvases"].as_u64().unwrap()).collect::<Vec<_>>();
    // Equity, drawdown, price, exposure, rolling, attribution, two histograms; where holding moves far more, two beside.
    assert!(canvases(0).iter().all(|n| *n >= 8), "{:?}", canvases(0));
    assert!(canvases(1).iter().all(|n| *n >= 8), "{:?}", canvases(1));
    assert!(canvases(2).iter().all(|n| *n >= 4), "{:?}", canvases(2));
    assert_eq!(canvases(3), [0, 0]);
    assert_eq!(canvases(5), [2, 2]);
    // Pages about risk and costs draw without a script.
    assert!((7..pages.len()).all(|n| canvases(n) == [0, 0]));
    for page in &said[0] {
        assert_eq!(page["rows"], 25, "a page of trades");
        assert!(page["detail"].as_str().unwrap().starts_with("Short BTCUSDT"), "{}", page["detail"]);
        // One trade is in view after the step to it.
        assert!(page["shown"].as_str().unwrap().contains(" of 100 trades in view"), "{}", page["shown"]);
        assert!(page["span"].as_str().unwrap().starts_with("2021-01-01"), "{}", page["span"]);
    }
    println!("{} pages were looked at, wide and narrow", pages.len());
}
