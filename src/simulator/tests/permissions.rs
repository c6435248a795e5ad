//! Keys and permissions: who is refused, and what is out of sight.

use super::*;

#[tokio::test]
async fn a_refused_key_is_refused_each_way() {
    let simulator = started(Switches::default()).await;
    simulator.world().delete_key(World::ACCESS_KEY);
    let expected = [401, 403, 200, 302, 200];
    for (refused, status) in Refused::ALL.into_iter().zip(expected) {
        simulator.switch(|s| s.refused = refused);
        let (seen, body) = asked(&simulator, "/scorecards").await;
        assert_eq!(seen, status, "{refused:?}");
        assert!(!body.contains("scorecardId"));
    }
}

#[tokio::test]
async fn an_expired_key_is_refused_from_the_day_after() {
    let simulator = started(Switches::default()).await;
    let today = simulator.world().now.date_naive();
    simulator.world().add_key(ApiKey {
        access: World::ACCESS_KEY.to_owned(),
        secret: World::SECRET_KEY.to_owned(),
        expires: Some(today),
        user: USER.to_owned(),
    });
    assert_eq!(asked(&simulator, "/scorecards").await.0, 200);
    simulator.world().now += TimeDelta::days(1);
    assert_eq!(asked(&simulator, "/scorecards").await.0, 401);
}

#[tokio::test]
async fn an_unticked_scorecard_takes_its_elements_out_of_sight() {
    let simulator = started(Switches::default()).await;
    let scorecard = simulator.world().ids("scorecards")[0];
    let before = simulator.visible("objectives", USER);
    simulator.world().untick(USER, scorecard);
    let after = simulator.visible("objectives", USER);
    let gone = before.keys().find(|id| !after.contains_key(id)).unwrap();
    assert!(!after.is_empty());
    assert_eq!(asked(&simulator, &format!("/objectives/{gone}")).await.0, 403);
    simulator.world().tick(USER, scorecard);
    assert_eq!(simulator.visible("objectives", USER), before);
}

#[tokio::test]
async fn hidden_deleted_and_forbidden_answer_as_switched() {
    let simulator =
        started(Switches { hidden_status: 404, deleted_status: 410, ..Switches::default() }).await;
    let ids = simulator.world().ids("risks");
    simulator.world().hide(USER, "risks", ids[0]);
    simulator.world().delete("risks", ids[1]);
    simulator.world().forbid(USER, "users");
    assert_eq!(asked(&simulator, &format!("/risks/{}", ids[0])).await.0, 404);
    assert_eq!(asked(&simulator, &format!("/risks/{}", ids[1])).await.0, 410);
    assert_eq!(asked(&simulator, "/users").await.0, 403);
    assert_eq!(simulator.visible("risks", USER).len(), ids.len() - 2);
}

#[tokio::test]
async fn the_mapped_user_is_found_by_address() {
    let simulator = started(Switches::default()).await;
    let path = format!("/users?email={USER}");
    let found = rows(&simulator, &path, "/users").await;
    assert_eq!((found.len(), &found[0]["email"]), (1, &json!(USER)));
    simulator.switch(|s| s.email_filter = false);
    assert_eq!(rows(&simulator, &path, "/users").await.len(), 8);
}
