//! Single reads, fields and measure data.

use super::*;

#[tokio::test]
async fn poorer_rows_lack_what_single_reads_carry() {
    let simulator = started(Switches { rows: Rows::Poorer, ids: Ids::Text, ..Switches::default() }).await;
    let id = simulator.world().ids("risks")[0];
    let row = &rows(&simulator, "/risks", "/risks").await[0];
    let (_, single) = asked(&simulator, &format!("/risks/{id}")).await;
    let single: Value = serde_json::from_str(&single).unwrap();
    assert_eq!(row["objectId"], json!(id.to_string()));
    assert!(row.get("description").is_none() && single.get("description").is_some());
}

#[tokio::test]
async fn volatile_fields_move_at_every_read_only_when_switched_on() {
    let simulator = started(Switches::default()).await;
    assert_eq!(asked(&simulator, "/users").await, asked(&simulator, "/users").await);
    simulator.switch(|s| s.volatile = Volatile::Known);
    assert_ne!(asked(&simulator, "/users").await, asked(&simulator, "/users").await);
}

#[tokio::test]
async fn measure_data_shows_a_value_that_was_set_in_each_shape() {
    let simulator = started(Switches::default()).await;
    let measure = simulator.world().ids("measures")[0];
    let period = simulator.world().periods()[0].id;
    let point = Point::Value("987654.25".to_owned());
    simulator.world().set_value(measure, "Actual", period, point);
    for (shape, place) in [
        (MeasureDataShape::PeriodRows, "/measureData/0/Actual"),
        (MeasureDataShape::SeriesWithValues, "/series/0/values/0/value"),
        (MeasureDataShape::ColumnsAndRows, "/rows/0/2"),
    ] {
        simulator.switch(|s| s.measure_data = shape);
        let (_, body) = asked(&simulator, &format!("/measures/{measure}/measureData")).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body.pointer(place).unwrap().to_string(), "987654.25");
    }
}

#[tokio::test]
async fn an_unstamped_edit_leaves_last_edited_where_it_is() {
    let mut world = World::generate(7, &Size::small());
    world.unstamped.fields.insert("description".to_owned());
    world.unstamped.data = true;
    let measure = world.ids("measures")[0];
    let period = world.periods()[0].id;
    let stamp = |world: &World| {
        let row = &world.visible("measures", USER, &Switches::default())[&measure];
        serde_json::from_str::<Value>(row).unwrap()["lastEdited"].clone()
    };
    let before = stamp(&world);
    world.edit("measures", measure, "description", json!("x"));
    world.set_value(measure, "Actual", period, Point::Null);
    assert_eq!(stamp(&world), before);
    world.edit("measures", measure, "name", json!("x"));
    assert_ne!(stamp(&world), before);
}

#[tokio::test]
async fn a_single_read_stands_where_the_switch_says() {
    let simulator = started(Switches::default()).await;
    let id = simulator.world().ids("action_items")[0];
    let envelopes =
        [(SingleEnvelope::Bare, ""), (SingleEnvelope::Data, "/data"), (SingleEnvelope::Name, "/actionItem")];
    for (envelope, place) in envelopes {
        simulator.switch(|s| s.single = envelope);
        let (_, body) = asked(&simulator, &format!("/actionItems/{id}")).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body.pointer(place).unwrap()["objectId"], json!(id));
    }
}

#[tokio::test]
async fn points_that_are_null_and_points_that_are_gone_differ() {
    let simulator = started(Switches::default()).await;
    let measure = simulator.world().ids("measures")[0];
    let period = simulator.world().periods()[0].id;
    simulator.world().set_value(measure, "Actual", period, Point::Null);
    simulator.world().set_value(measure, "Target", period, Point::Gone);
    let (_, body) = asked(&simulator, &format!("/measures/{measure}/measureData")).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    let row = &body["measureData"][0];
    assert_eq!((row.get("Actual"), row.get("Target")), (Some(&Value::Null), None));
}
