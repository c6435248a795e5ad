//! Keeps the house in order: reads the floors off `src/lib.rs`, looks at every path a file names, and
//! names each offence. Test code is free to use any floor.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const LINES_MAX: usize = 400;

/// The module of each floor, by the map in `src/lib.rs`.
struct Map {
    floors: BTreeMap<String, u32>,
}

impl Map {
    fn read(text: &str) -> Self {
        let mut floors = BTreeMap::new();
        let mut floor = None;
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("// Floor ") {
                let number = rest.split(':').next().expect("a split has a first part");
                floor = Some(number.parse().expect("// Floor N: has a number"));
            } else if let Some(name) = line.strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(';')) {
                floors.insert(name.to_owned(), floor.expect("a module stands under a floor"));
            }
        }
        Self { floors }
    }

    /// Why `user` may not name `used`, if it may not. Words may name each other, and so may the rooms
    /// of the top floor, where everything is put together.
    fn offence(&self, user: &str, used: &str) -> Option<String> {
        let floor = |module: &str| self.floors.get(module).copied();
        let (Some(from), Some(to)) = (floor(user), floor(used)) else {
            return Some(format!("{user} names crate::{used}, which is not on the map"));
        };
        let top = self.floors.values().copied().max();
        let is_open_floor = from == 0 || Some(from) == top;
        let is_lawful = user == used || to < from || (to == from && is_open_floor);
        (!is_lawful).then(|| format!("{user} (floor {from}) uses {used} (floor {to})"))
    }
}

#[test]
fn modules_use_only_lower_floors() {
    let map = Map::read(&read(&root().join("src/lib.rs")));
    let mut offences = Vec::new();
    for file in rust_files("src") {
        let place = file.strip_prefix(root().join("src")).expect("the file is below src").to_owned();
        if is_test_code(&place) || ["lib.rs", "main.rs"].iter().any(|name| place == Path::new(name)) {
            continue;
        }
        let (user, depth) = module_of(&place);
        for (line, used) in names(&read(&file), depth) {
            let offence = map.offence(&user, &used);
            offences.extend(offence.map(|text| format!("src/{}:{line}: {text}", place.display())));
        }
    }
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
}

#[test]
fn every_module_stands_on_the_map() {
    let map = Map::read(&read(&root().join("src/lib.rs")));
    for file in rust_files("src") {
        let place = file.strip_prefix(root().join("src")).expect("the file is below src").to_owned();
        let (module, _) = module_of(&place);
        let is_root = module == "lib" || module == "main";
        assert!(is_root || map.floors.contains_key(&module), "{} is on no floor", place.display());
    }
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    let mut offences = Vec::new();
    for file in rust_files("src").into_iter().chain(rust_files("tests")) {
        let text = read(&file);
        let count = text.lines().count();
        if count > LINES_MAX {
            offences.push(format!("{}: {count} lines; split it at {LINES_MAX}", file.display()));
        }
        if !text.starts_with("//!") {
            offences.push(format!("{}: does not begin with //!", file.display()));
        }
    }
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
}

#[test]
fn every_event_is_documented() {
    let pages = read(&root().join("docs/warnings.md"));
    let mut events = BTreeSet::new();
    for file in rust_files("src") {
        let text = read(&file);
        events.extend(between(&text, "event = \"", "\"").map(str::to_owned));
    }
    let warning = read(&root().join("src/warning.rs"));
    let words = warning.split("impl Event").nth(1).expect("events have words");
    let words = words.split("impl fmt::Display").next().expect("a split has a first part");
    events.extend(between(words, "=> \"", "\"").map(str::to_owned));
    assert!(events.contains("run_finished") && events.contains("key_expiring"), "{events:?}");
    let missing: Vec<&String> =
        events.iter().filter(|event| !pages.contains(&format!("`{event}`"))).collect();
    assert!(missing.is_empty(), "docs/warnings.md does not tell of {missing:?}");
}

/// What stands between each `before` and the next `after`.
fn between<'a>(text: &'a str, before: &'a str, after: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(before).skip(1).filter_map(move |rest| rest.split(after).next())
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn rust_files(folder: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder is part of the repository") {
            let path = entry.expect("the entry can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn is_test_code(place: &Path) -> bool {
    let stem = place.file_stem().is_some_and(|stem| stem == "tests");
    stem || place.components().any(|part| part.as_os_str() == "tests")
}

/// The top module of a file below `src`, and how many `super::` lead from it to the crate's root.
fn module_of(place: &Path) -> (String, usize) {
    let mut parts: Vec<_> =
        place.with_extension("").iter().map(|p| p.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    (parts[0].clone(), parts.len())
}

/// Each top module that is named outside of test code, with its line.
fn names(source: &str, depth: usize) -> Vec<(usize, String)> {
    let code = without_tests(&without_text(source));
    let mut found = Vec::new();
    for start in ["crate::".to_owned(), "super::".repeat(depth)] {
        for (at, _) in code.match_indices(&start) {
            if code[..at].ends_with(is_word_or_colon) {
                continue;
            }
            let rest = &code[at + start.len()..];
            if start != "crate::" && rest.starts_with("super::") {
                continue;
            }
            let line = code[..at].matches('\n').count() + 1;
            found.extend(first_words(rest).into_iter().map(|word| (line, word)));
        }
    }
    found
}

fn is_word_or_colon(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == ':' || c == '$'
}

/// The first word of a path, or of each path of a `{group}`.
fn first_words(rest: &str) -> Vec<String> {
    let word = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let Some(group) = rest.strip_prefix('{') else {
        return vec![word(rest)];
    };
    let mut words = Vec::new();
    let (mut nesting, mut begin) = (0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => nesting += 1,
            '}' if nesting > 0 => nesting -= 1,
            ',' | '}' if nesting == 0 => {
                words.push(word(&group[begin..at]));
                begin = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    words.retain(|word| !word.is_empty() && word != "self");
    words
}

/// The source with comments and literals blanked, line for line.
fn without_text(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let length = text_length(rest, out.ends_with(|c: char| c.is_alphanumeric() || c == '_'));
        if length == 0 {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            let (text, after) = rest.split_at(length);
            out.extend(text.chars().map(|c| if c == '\n' { c } else { ' ' }));
            rest = after;
        }
    }
    out
}

/// How many bytes of comment or literal `rest` begins with.
fn text_length(rest: &str, is_in_word: bool) -> usize {
    let until =
        |end: &str, skip: usize| rest[skip..].find(end).map_or(rest.len(), |at| skip + at + end.len());
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return until("*/", 2);
    }
    let raw = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r')).filter(|_| !is_in_word);
    if let Some(raw) = raw {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let skip = rest.len() - raw.len() + hashes + 1;
            return until(&format!("\"{}", "#".repeat(hashes)), skip);
        }
    }
    if rest.starts_with('"') {
        return quoted_length(rest, '"');
    }
    let is_char = rest.starts_with("'\\") || (rest.starts_with('\'') && rest.chars().nth(2) == Some('\''));
    if is_char { quoted_length(rest, '\'') } else { 0 }
}

fn quoted_length(rest: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if is_escaped {
            is_escaped = false;
        } else if c == '\\' {
            is_escaped = true;
        } else if c == quote {
            return at + 1;
        }
    }
    rest.len()
}

/// Blanks each item under `#[cfg(test)]`: up to its `;`, or to the end of its braces.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find(MARK) {
        let (before, item) = rest.split_at(at);
        let mut nesting = 0;
        let is_end = |c: char| {
            match c {
                '{' => nesting += 1,
                '}' => nesting -= 1,
                _ => {}
            }
            nesting == 0 && (c == ';' || c == '}')
        };
        let end = item.find(is_end).map_or(item.len(), |end| end + 1);
        out.push_str(before);
        out.extend(item[..end].chars().filter(|c| *c == '\n'));
        rest = &item[end..];
    }
    out + rest
}

#[track_caller]
fn check(source: &str, depth: usize, expected: &[&str]) {
    let words: Vec<String> = names(source, depth).into_iter().map(|(_, word)| word).collect();
    assert_eq!(words, expected, "{source}");
}

#[test]
fn paths_are_seen_in_every_spelling() {
    check("use crate::plan::Plan;", 1, &["plan"]);
    check("use crate::{kind::{Kind, KindName}, plan, self};", 1, &["kind", "plan"]);
    check("fn f(x: &crate::run::Run) {}", 1, &["run"]);
    check("use super::plan;", 1, &["plan"]);
    check("use super::{raw, super::plan}; use super::super::kind;", 2, &["kind"]);
}

#[test]
fn talk_and_tests_name_nothing() {
    check("//! [`crate::pull`]\n/* crate::pull */ const A: &str = \"crate::pull\";", 1, &[]);
    check("const A: &str = r#\"\" crate::pull\"#; const B: char = '\"'; use crate::run;", 1, &["run"]);
    check("#[cfg(test)]\nmod tests { fn f() { crate::pull } }\nuse crate::run;", 1, &["run"]);
    check("#[cfg(test)]\nmod tests;\n#[cfg(test)]\nuse crate::{pull};\nuse crate::run;", 1, &["run"]);
    check("fn f<'a>(x: &'a str) { $crate::pull; mycrate::pull }", 1, &[]);
}

#[test]
fn only_lower_floors_and_ones_own_are_lawful() {
    let map = Map::read(
        "// Floor 0: words\npub mod kind;\npub mod name;\n// Floor 3: edges\npub mod pull;\n\
         pub mod store;\n// Floor 6: top\npub mod app;\npub mod cli;\n",
    );
    for (user, used) in [("kind", "name"), ("pull", "kind"), ("pull", "pull"), ("cli", "app")] {
        assert_eq!(map.offence(user, used), None);
    }
    for (user, used) in [("kind", "pull"), ("pull", "store"), ("store", "cli"), ("pull", "nowhere")] {
        assert!(map.offence(user, used).is_some(), "{user} uses {used}");
    }
}
