//! Documents that no one expects are stored and shown; names longer than an index takes stop nothing.

use super::*;
use crate::store::Read;

/// A text that no compression makes short.
fn long(seed: u64) -> String {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..9_000).map(|_| random.alphanumeric()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_documents_are_stored_and_shown() {
    let mut bench = Bench::new().await;
    let html = format!("<p class=\"x\">{}</p>", "è&nbsp;\\n'; --".repeat(14_000));
    let rows = [
        r#"{"objectId":1,"name":"nul \u0000","note":"lone \ud800 and \udc00"}"#.to_owned(),
        r#"{"objectId":2,"name":"n","budget":1e400,"small":-1e-400,"big":1e300,"tiny":1e-300}"#.to_owned(),
        r#"{"objectId":3,"name":"i","budget":123456789012345678901234567890,"top":9223372036854775807}"#
            .to_owned(),
        format!(r#"{{"objectId":4,"name":"h","note":{}}}"#, serde_json::to_string(&html).unwrap()),
        format!(r#"{{"objectId":5,"name":"{0}","{0}":"x","{0}2":"y"}}"#, "n".repeat(200)),
        r#"{"objectId":6,"name":"first","name":"second","":"e","a\"b'c\\d":"q","x.y[0]":"p"}"#.to_owned(),
        r#"{"objectId":7,"name":null,"scorecardId":"no","ownerId":{},"lastEdited":[1],"completed":"maybe"}"#
            .to_owned(),
        r#"{"objectId":9223372036854775807,"name":"  \t\n\\N \\. {}","note":"\\N\t\\.\r\n\u2028"}"#
            .to_owned(),
        r#"{"objectId":-9,"name":{"deep":[[[{"er":[]}]]]},"ownerId":1e2,"scorecardId":-0.0}"#.to_owned(),
    ];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    assert_eq!(bench.sync_rows(&rows).await.counts.inserted, 9);
    let before = bench.digest();
    assert_eq!(bench.sync_rows(&rows).await.counts.unchanged, 9);
    assert_eq!(bench.digest(), before);

    assert_eq!(
        bench.one("SELECT name, note FROM objectives WHERE id = 1"),
        "nul \u{fffd}|lone \u{fffd} and \u{fffd}"
    );
    assert_eq!(bench.one("SELECT budget, small FROM objectives WHERE id = 2"), "1e400|-1e-400");
    assert_eq!(
        bench.one("SELECT budget, top FROM objectives WHERE id = 3"),
        "123456789012345678901234567890|9223372036854775807"
    );
    assert_eq!(bench.one("SELECT note FROM objectives WHERE id = 4"), html);
    let (short, name) = ("n".repeat(60), "n".repeat(200));
    assert_eq!(bench.one(&format!("SELECT name, {short} FROM objectives WHERE id = 5")), format!("{name}|x"));
    let odd = "SELECT name, field, a_b_c_d, x_y_0 FROM objectives WHERE id = 6";
    assert_eq!(bench.one(odd), "second|e|q|p");
    let odd = "SELECT name, scorecard_id, owner_id, completed, last_edited FROM objectives WHERE id = 7";
    assert_eq!(bench.one(odd), "-|-|-|-|[1]");
    let odd = "SELECT name, note FROM objectives WHERE id = 9223372036854775807";
    assert_eq!(bench.one(odd), "  \t\n\\N \\. {}|\\N\t\\.\r\n\u{2028}");
    assert_eq!(bench.one("SELECT owner_id, scorecard_id FROM objectives WHERE id = -9"), "100|0");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_longer_than_an_index_takes_stop_nothing() {
    let mut bench = Bench::new().await;
    for turn in 0..4 {
        let row = |id| {
            let [name, field, stamp] = [1_u64, 2, 3].map(|seed| long(seed + 10 * id));
            format!(r#"{{"objectId":{id},"name":"{name}","{field}":"{turn}","lastEdited":"{stamp}"}}"#)
        };
        let rows: Vec<String> = (1_u64..4).map(row).collect();
        bench.sync_rows(&rows.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }
    assert_eq!(bench.one("SELECT count(*), min(length(name)) FROM objectives"), "3|9000");
    assert_eq!(bench.one("SELECT count(*) FROM changes WHERE operation = 'update'"), "9");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_with_a_name_longer_than_an_index_takes_is_kept_raw() {
    let mut bench = Bench::new().await;
    bench.kind = kind("measures");
    bench.sync_rows(&[r#"{"objectId":1,"name":"m"}"#]).await;
    let run = bench.begin().await;
    let document = format!(r#"[{{"series":"{}","period":"Jan-26","value":1}}]"#, long(1));
    let read = Read { id: ElementId(1), document: Some(document) };
    let done = bench.store.commit_values(run, &city(), &[read], false, noon()).await.unwrap();
    assert_eq!(done.unrecognised.len(), 1);
    assert_eq!(
        bench.one("SELECT is_recognised, length(CAST(doc AS text)) > 9000 FROM measure_documents"),
        "0|1"
    );
}
