//! Every host that is asked, shared by all connections: its limits, and the hour before which it asked
//! not to be asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use url::Url;

use crate::config::HostLimits;
use crate::pull::limiter::Limiter;

/// Every host that is asked, shared by all connections.
#[derive(Debug)]
pub struct Hosts {
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    limits: HostLimits,
    hosts: HashMap<String, Arc<Host>>,
}

impl Hosts {
    /// No hosts yet, all under the same limits.
    #[must_use]
    pub fn new(limits: HostLimits) -> Self {
        Self { known: Mutex::new(Known { limits, hosts: HashMap::new() }) }
    }

    /// Puts other limits in force, for the hosts that are known too.
    pub fn set_limits(&self, limits: &HostLimits) {
        let mut known = locked(&self.known);
        known.limits = limits.clone();
        for host in known.hosts.values() {
            host.limiter.set(limits.requests_per_second, limits.concurrency);
        }
    }

    /// The host behind a URL (with its port).
    #[must_use]
    pub fn host(&self, url: &Url) -> Arc<Host> {
        let name = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or_default();
        let mut known = locked(&self.known);
        let HostLimits { requests_per_second, concurrency } = known.limits;
        let host = known.hosts.entry(format!("{name}:{port}")).or_insert_with(|| {
            Arc::new(Host {
                limiter: Limiter::new(requests_per_second, concurrency),
                not_before: Mutex::default(),
            })
        });
        Arc::clone(host)
    }
}

/// One host.
#[derive(Debug)]
pub struct Host {
    /// The limits shared by all connections to it.
    pub limiter: Limiter,
    not_before: Mutex<Option<DateTime<Utc>>>,
}

impl Host {
    /// The instant before which nothing may ask this host, if that is still to come.
    #[must_use]
    pub fn not_before(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        locked(&self.not_before).filter(|until| *until > now)
    }

    /// Nothing asks this host before `until`; never shortened.
    pub fn ask_not_before(&self, until: DateTime<Utc>) {
        let mut not_before = locked(&self.not_before);
        *not_before = (*not_before).max(Some(until));
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn noon() -> DateTime<Utc> {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn the_hour_a_host_asked_for_is_never_shortened() {
        let hosts = Hosts::new(HostLimits { requests_per_second: 1.0, concurrency: 1 });
        let host = hosts.host(&Url::parse("https://example.com/api").unwrap());
        host.ask_not_before(noon() + TimeDelta::hours(2));
        host.ask_not_before(noon() + TimeDelta::hours(1));
        let same = hosts.host(&Url::parse("https://EXAMPLE.com:443/").unwrap());
        assert_eq!(same.not_before(noon()), Some(noon() + TimeDelta::hours(2)));
        assert_eq!(same.not_before(noon() + TimeDelta::hours(3)), None);
    }
}
