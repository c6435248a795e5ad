//! The status page of the real daemon in a real Chromium, with a connection that is well, one whose key
//! lapses soon and one whose key is refused: what a person sees and hears. Leaves pictures in
//! `target/screenshots`.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::Days;
use clearpoint_sync::clock::Clock;
use clearpoint_sync::simulator::{ApiKey, Sees, Simulator, Size, Switches, World};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::chromium::Chromium;
use crate::patience::today;
use crate::program::Running;

/// Longer than the daemon may take until it shows something.
const PATIENCE: Duration = Duration::from_secs(60);

/// The daemon, with its page.
struct Daemon {
    url: String,
    _running: Running,
    _simulator: Simulator,
    _folder: TempDir,
}

impl Daemon {
    /// Syncs three connections, lets people work in the account, deletes the key of one, and starts.
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let simulator = Simulator::start(world(), Switches::default(), Clock::System).await.unwrap();
        let config = configure(folder.path(), &simulator.base_url());
        Running::start(&config, &["sync", "--full"]).end().await.assert_code(&[0]);
        work(&mut simulator.world());
        let mut running = Running::start(&config, &["run"]);
        running.says("server_started").await;
        let url = format!("http://{}/", running.told("address").unwrap());
        Self { url, _running: running, _simulator: simulator, _folder: folder }
    }

    /// Opens the page, held so that it is not loaded anew under a test, until it shows all these words.
    fn open_until(&self, browser: &mut Chromium, words: &[&str]) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            browser.open(&format!("{}still", self.url));
            let text = text(browser);
            if words.iter().all(|word| text.contains(word)) {
                return;
            }
            assert!(Instant::now() < deadline, "never shows all of {words:?}: {text}");
        }
    }
}

fn world() -> World {
    let mut world = World::generate(7, &Size::small());
    world.now = Clock::System.now();
    for name in ["hospital", "museum"] {
        let user = format!("reporting@{name}.example");
        world.add_user(&user, Sees::Everything);
        let (access, secret) = (format!("{name}-access-key"), format!("{name}-secret-key"));
        world.add_key(ApiKey { access, secret, expires: None, user });
    }
    world
}

fn work(world: &mut World) {
    world.now = Clock::System.now();
    world.delete_key("museum-access-key");
    let measure = world.ids("measures")[0];
    world.edit("measures", measure, "name", json!("<script>alert(1)</script> \u{202e}esnopser & \u{1f6a8}"));
    world.delete("action_items", world.ids("action_items")[0]);
    world.insert("initiatives");
}

/// Writes the configuration of three connections; gives its path.
fn configure(folder: &Path, base_url: &str) -> PathBuf {
    let mut text = String::from(
        "[store.sqlite]\npath = \"clearpoint.db\"\n[server]\nlisten = \"127.0.0.1:0\"\n\
         [host_limits]\nrequests_per_second = 1000\n[log]\nformat = \"json\"\n",
    );
    let today = today();
    for (name, days) in [("city", 200), ("hospital", 5), ("museum", 90)] {
        let halves = match name {
            "city" => [World::ACCESS_KEY.to_owned(), World::SECRET_KEY.to_owned()],
            _ => [format!("{name}-access-key"), format!("{name}-secret-key")],
        };
        for (half, secret) in ["access", "secret"].iter().zip(halves) {
            let file = folder.join(format!("{name}-{half}"));
            std::fs::write(&file, secret).unwrap();
            std::fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        }
        text += &format!(
            "[connections.{name}]\nbase_url = \"{base_url}\"\nmapped_user = \"{}\"\n\
             schedule = \"*/5 * * * * *\"\nschedule_full = \"30 2 * * *\"\n\
             [connections.{name}.limits]\nrequests_per_second = 1000\n\
             [connections.{name}.key]\nname = \"Integration\"\nexpires = {}\n\
             access_key = {{ file = \"{name}-access\" }}\nsecret_key = {{ file = \"{name}-secret\" }}\n",
            World::USER,
            today + Days::new(days)
        );
    }
    let config = folder.join("config.toml");
    std::fs::write(&config, text).unwrap();
    config
}

/// What a person reads.
fn text(browser: &mut Chromium) -> String {
    browser.evaluate("document.body.innerText").as_str().unwrap().to_owned()
}

/// What a person reads in the first element of this selector that holds the word.
#[track_caller]
fn text_of(browser: &mut Chromium, selector: &str, word: &str) -> String {
    let found = format!(
        "[...document.querySelectorAll({selector:?})].map(e => e.innerText).find(t => t.includes({word:?}))"
    );
    let text = browser.evaluate(&found);
    text.as_str().unwrap_or_else(|| panic!("no {selector} holds {word}")).to_owned()
}

#[track_caller]
fn assert_holds(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} does not stand in: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_browser_shows_what_is_well_what_lapses_and_what_is_broken() {
    let daemon = Daemon::start().await;
    let mut browser = Chromium::start();
    // Nothing on the page may need a script.
    browser.call("Emulation.setScriptExecutionDisabled", json!({"value": true}));
    daemon.open_until(&mut browser, &["waits: the key is refused", "expires in 5 days", "esnopser"]);
    tells_what_needs_a_person(&mut browser);
    tells_of_each_connection(&mut browser);
    is_sound(&mut browser);
    fits_and_follows_the_scheme(&mut browser);
    prints_on_white(&mut browser);
    speaks_to_a_screen_reader(&mut browser);
    reloads_itself_until_held(&mut browser, &daemon.url);
}

fn tells_what_needs_a_person(browser: &mut Chromium) {
    assert_eq!(browser.evaluate("document.title"), "1 error · clearpoint-sync");
    let first = text_of(browser, "article.warning", "");
    assert_holds(
        &first,
        &["Error museum: key Integration refused: ", "key_refused", "To do: check the key in"],
    );
    assert_holds(&first, &["key is refused well before its date (key_expiry_mismatch). To do: compare"]);
    let second = text_of(browser, "article.warning", "hospital");
    assert_holds(
        &second,
        &["Warning hospital: key Integration expires in 5 days", "key_expiring", "Days left"],
    );
    assert_holds(&second, &["To do: renew the key, or give it a later date, under ClearPoint"]);
}

fn tells_of_each_connection(browser: &mut Chromium) {
    let city = text_of(browser, "article.connection", "city Well");
    assert_holds(&city, &["Well", "Complete as of", "UTC", "Ok", "Next full run", "14 kinds"]);
    let key = text_of(browser, "table.keys tr", "hospital");
    assert_holds(&key, &["5 days left", "Valid, lapses soon", World::USER]);
    assert_holds(&text_of(browser, "table.keys tr", "museum"), &["Refused", "90 days by its date"]);
    let museum = text_of(browser, "article.connection", "museum");
    assert_holds(&museum, &["waits: the key is refused; asked again at most once an hour"]);
    // What the first syncs did is a few lines, and each single change stands for itself.
    assert_holds(&text_of(browser, "table.changes tr", "60 measures"), &["insert of values"]);
    let order = "[...document.querySelectorAll('article.connection')].map(e => e.id)";
    assert_eq!(browser.evaluate(order), json!(["c-museum", "c-hospital", "c-city"]));
}

/// No complaint on the console, the document is well formed, and what came from outside is mere text.
fn is_sound(browser: &mut Chromium) {
    assert_eq!(browser.complaints(), Vec::<&Value>::new());
    let name = text_of(browser, "table.changes tr", "<script>alert(1)</script> \u{202e}esnopser & \u{1f6a8}");
    assert_holds(&name, &["measures 8070001", "update", "lastEdited, name"]);
    let source = serde_json::to_string(&browser.source()).unwrap();
    let fault = format!(
        "new DOMParser().parseFromString({source}, 'application/xhtml+xml').querySelector('parsererror')?.innerText"
    );
    assert_eq!(browser.evaluate(&fault), Value::Null);
    let ids = "[...document.querySelectorAll('[id]')].map(e => e.id)";
    assert_eq!(browser.evaluate(&format!("{ids}.length - new Set({ids}).size")), 0, "ids that stand twice");
}

fn speaks_to_a_screen_reader(browser: &mut Chromium) {
    let spoken = browser.spoken();
    let expected = [
        "banner: ",
        "main: ",
        "contentinfo: ",
        "heading: 1 error and 2 warnings need a person",
        "article: Error museum: key Integration refused: scorecards page 1 answered 401 Unauthorized",
        "article: city Well",
        "table: Keys, the most urgent first",
        "rowheader: hospital",
        "StaticText: 5 days left",
        "DisclosureTriangle: 14 kinds, 297 elements of city",
        "link: Skip to how things stand",
        "navigation: Sections",
        "link: /metrics",
    ];
    for node in expected {
        // More may follow: a run may be under way just then.
        let says = |said: &String| said == node || said.starts_with(&format!("{node} "));
        assert!(spoken.iter().any(says), "nobody hears {node:?}: {spoken:#?}");
    }
}

fn fits_and_follows_the_scheme(browser: &mut Chromium) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    for (device, width, height) in [("desktop", 1280, 800), ("phone", 375, 812)] {
        let grounds = ["light", "dark"].map(|scheme| {
            browser.look(width, height, scheme);
            browser.shoot(&folder.join(format!("{device}-{scheme}.png")));
            browser.evaluate("getComputedStyle(document.body).backgroundColor")
        });
        assert_ne!(grounds[0], grounds[1]);
        fold(browser, false);
        if device == "phone" {
            stands_on_one_line(browser);
            outcomes_are_in_sight(browser, width);
        }
        breaks_no_time(browser);
        let widest = browser.evaluate("document.documentElement.scrollWidth").as_u64().unwrap();
        assert!(widest <= u64::from(width), "the page is {widest} wide on a {device} of {width}");
        fold(browser, true);
    }
}

/// On paper it is dark on light, whatever the screen prefers.
fn prints_on_white(browser: &mut Chromium) {
    let features = json!([{"name": "prefers-color-scheme", "value": "dark"}]);
    let ground = |browser: &mut Chromium, media| {
        browser.call("Emulation.setEmulatedMedia", json!({"media": media, "features": features}));
        browser.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--ink')")
    };
    assert_eq!([ground(browser, "screen"), ground(browser, "print")], [json!("#e7e6e2"), json!("#1c2126")]);
    browser.call("Emulation.setEmulatedMedia", json!({"media": ""}));
}

/// A day or an instant is never broken over two lines.
fn breaks_no_time(browser: &mut Chromium) {
    let broken = "[...document.querySelectorAll('time:not(:has(.exact)), .words, .exact')] \
         .filter(time => time.getClientRects().length > 1).map(time => time.innerText)";
    assert_eq!(browser.evaluate(broken), json!([]), "times that are broken");
}

/// How the last pull of each kind ended can be seen without a push to the side.
fn outcomes_are_in_sight(browser: &mut Chromium, width: u32) {
    let out = format!(
        "[...document.querySelectorAll('.kinds .outcome')].filter(e => e.getBoundingClientRect().right > {width}).length"
    );
    assert_eq!(browser.evaluate(&out), 0, "outcomes out of sight");
}

/// When, whose and what happened: on one line, unless the words for it are many.
fn stands_on_one_line(browser: &mut Chromium) {
    let off = "[...document.querySelectorAll('.changes tbody tr')].map(row => \
         [...row.querySelectorAll('.words, td:nth-child(2), td:nth-child(4)')]) \
         .filter(cells => !cells[2].innerText.includes(' of ')) \
         .map(cells => cells.map(cell => cell.getBoundingClientRect().top)) \
         .filter(tops => Math.max(...tops) - Math.min(...tops) > 4)";
    assert_eq!(browser.evaluate(off), json!([]), "the first words of a change stand on several lines");
}

fn fold(browser: &mut Chromium, is_folded: bool) {
    browser.evaluate(&format!("document.querySelectorAll('details').forEach(e => e.open = !{is_folded})"));
}

fn reloads_itself_until_held(browser: &mut Chromium, url: &str) {
    browser.open(&format!("{url}still"));
    // What comes of the load is told before what is asked after it.
    browser.evaluate("1");
    assert_eq!(browser.told("Page.frameScheduledNavigation"), 0, "a page that is held reloads itself");
    browser.open(url);
    let reload = browser.wait_for("Page.frameScheduledNavigation");
    assert_eq!((&reload["delay"], &reload["reason"]), (&json!(30), &json!("metaTagRefresh")));
    // The half minute goes by in no time.
    browser.forget();
    browser.call("Emulation.setVirtualTimePolicy", json!({"policy": "advance", "budget": 300_000}));
    browser.wait_for("Page.loadEventFired");
    assert_holds(&text(browser), &["1 error and 2 warnings need a person"]);
}
