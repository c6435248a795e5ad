//! One account, one content: whichever engine keeps it.

use clearpoint_sync::simulator::{Rows, Size, Switches, World};

use super::harness;
use crate::looking::{Look, Row};
use crate::odd::odd_documents;
use crate::rows::canonical;

fn world() -> World {
    let mut world = World::generate(301, &Size::small().with("measures", 20));
    for (id, document) in odd_documents() {
        world.put_raw("risks", id, document);
    }
    world
}

/// What a view shows, but for when it came about.
fn shown(look: &Look, view: &str) -> Vec<Row> {
    let mut rows = look.rows(&format!("SELECT * FROM \"{view}\""));
    for row in &mut rows {
        row.retain(|(name, _)| !name.ends_with("_at") && !name.ends_with("_as_of") && name != "run");
        for (_, text) in row.iter_mut() {
            *text = told(text);
        }
    }
    rows.sort();
    rows
}

/// A number by its value: in a column of text, PostgreSQL shows it as it was written.
fn told(text: &str) -> String {
    text.parse::<f64>().map_or_else(|_| canonical(text), |number| number.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn both_engines_hold_the_same_rows_and_show_the_same_views() {
    let switches = || Switches { rows: Rows::Poorer, ..Switches::default() };
    let file = crate::harness::Setup { switches: switches(), ..crate::harness::Setup::of(world()) };
    let database = harness::Setup { switches: switches(), ..harness::Setup::of(world()) };
    let (file, database) = (file.start().await, database.start().await);
    for seed in [1, 2] {
        file.simulator.world().disturb(&mut fastrand::Rng::with_seed(seed));
        database.simulator.world().disturb(&mut fastrand::Rng::with_seed(seed));
        file.run(&["sync", "--full"]).await.assert_code(&[0, 4]);
        database.run(&["sync", "--full"]).await.assert_code(&[0, 4]);
    }
    database.content().assert_same(&file.content());
    let mut views = file.look.names("view");
    views.sort();
    for view in &views {
        for (ours, theirs) in shown(&database.look, view).iter().zip(shown(&file.look, view)) {
            assert_eq!(*ours, theirs, "a row of {view}");
        }
        let count = format!("SELECT count(*) FROM \"{view}\"");
        assert_eq!(database.number(&count), file.number(&count), "rows of {view}");
    }
    let mut made = database.look.names("view");
    made.sort();
    assert_eq!(made, views);
}
