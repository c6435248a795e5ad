//! What the service manager hears of a loop that has little to do.

use std::os::unix::net::UnixDatagram;

use super::*;

/// How many pats came since the last call.
fn pats(ear: &UnixDatagram) -> usize {
    let mut buffer = [0; 512];
    let states = std::iter::from_fn(|| ear.recv(&mut buffer).ok().map(|length| buffer[..length].to_vec()));
    states.filter(|state| state == b"WATCHDOG=1").count()
}

#[tokio::test]
async fn an_idle_loop_is_heard_twice_in_the_time_of_an_impatient_watchdog() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let ear = UnixDatagram::bind(&path).unwrap();
    ear.set_nonblocking(true).unwrap();
    let (clock, hand) = Clock::stepped(at(START));
    let members = vec![member("city", "0 12 * * *", "0 12 * * *")];
    let turns = Turns::new(Seating { members, runs_max: 1 }, 0.0, clock.now());
    let (stop, stops) = watch::channel(0);
    let (_seats, seating) = watch::channel(None);
    let systemd = Systemd::new(Some(path.into_os_string())).watched(Some("10000000".into()), None, 1);
    let mut signs = Signs::new(systemd, None, Arc::default());
    let pass = |_, _| async { Ended::Watched };
    let serving =
        tokio::spawn(async move { serve(turns, &clock, &mut signs, Orders { stops, seating }, pass).await });
    let settle = async || {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    };
    settle().await;
    assert!(pats(&ear) > 0);
    for _ in 0..12 {
        hand.advance_to(hand.now() + TimeDelta::seconds(5));
        settle().await;
        assert_eq!(pats(&ear), 1);
    }
    stop.send_replace(1);
    assert_eq!(serving.await.unwrap(), Drained::Whole);
}
