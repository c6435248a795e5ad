//! Faults: what goes wrong, where, when, and how often; and hooks that change the world while a list
//! is being paged. A script of them is armed by a test and wears off by itself.

use std::time::Duration;

use super::World;

/// What goes wrong with the requests it is armed for.
#[derive(Debug, Clone)]
pub struct Fault {
    place: Place,
    lasts: Option<u32>,
    what: What,
}

/// What happens instead of the true answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// This status with an error body.
    Status(u16),
    /// This status with an error body and a `Retry-After` header of this text.
    RetryAfter(u16, String),
    /// The connection is reset (RST) before any answer.
    Reset,
    /// The connection is closed in good order before any answer.
    HangUp,
    /// No answer at all, until the client gives up.
    Silence,
    /// Half of the body that `Content-Length` promised, then the connection closes.
    CutBody,
    /// 200 with an HTML page.
    Html,
    /// A redirect to this place.
    Redirect(String),
    /// 200 with the first half of the true body, as if it were whole.
    HalfJson,
    /// 200 with an empty list in the usual envelope.
    EmptyList,
    /// 200 with this text.
    Body(String),
    /// 204.
    NoContent,
    /// The true answer, in pieces of so many bytes, with a pause before each.
    Slow {
        /// Bytes in a piece.
        bytes: usize,
        /// The pause, on the simulator's clock.
        pause: Duration,
    },
}

impl Fault {
    /// Arms `what` for every request of exactly this path below the base URL (`/measures`), for ever.
    #[must_use]
    pub fn at(path: &str, what: What) -> Self {
        Self { place: Place::new(path, Match::Whole), lasts: None, what }
    }

    /// Arms `what` for every request whose path begins so (`""`: all), for ever.
    #[must_use]
    pub fn under(prefix: &str, what: What) -> Self {
        Self { place: Place::new(prefix, Match::Prefix), lasts: None, what }
    }

    /// Arms `what` for every request whose path ends so (`/measureData`), for ever.
    #[must_use]
    pub fn ending(suffix: &str, what: What) -> Self {
        Self { place: Place::new(suffix, Match::Suffix), lasts: None, what }
    }

    /// Only for this page of a list, counted from 1.
    #[must_use]
    pub fn page(mut self, page: usize) -> Self {
        self.place.page = Some(page);
        self
    }

    /// Only for requests that carry this access key.
    #[must_use]
    pub fn of_key(mut self, access: &str) -> Self {
        self.place.access = Some(access.to_owned());
        self
    }

    /// Only from the nth matching request on, counted from 1 when the fault is armed.
    #[must_use]
    pub fn from_nth(mut self, nth: u32) -> Self {
        self.place.skip = nth.saturating_sub(1);
        self
    }

    /// Only once.
    #[must_use]
    pub fn once(self) -> Self {
        self.times(1)
    }

    /// Only so many times.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.lasts = Some(times);
        self
    }
}

/// How a path is compared.
#[derive(Debug, Clone, Copy)]
enum Match {
    Whole,
    Prefix,
    Suffix,
}

/// Where a fault or a hook waits.
#[derive(Debug, Clone)]
struct Place {
    path: String,
    by: Match,
    page: Option<usize>,
    /// The access key that the request carries.
    access: Option<String>,
    skip: u32,
}

impl Place {
    fn new(path: &str, by: Match) -> Self {
        Self { path: path.to_owned(), by, page: None, access: None, skip: 0 }
    }

    /// Whether this request is one that is waited for; a match may be one of those to let pass first.
    fn met(&mut self, path: &str, page: Option<usize>, access: &str) -> bool {
        let fits = match self.by {
            Match::Whole => path == self.path,
            Match::Prefix => path.starts_with(&self.path),
            Match::Suffix => path.ends_with(&self.path),
        };
        let is_other = |wanted: &String| wanted != access;
        if !fits || (self.page.is_some() && self.page != page) || self.access.as_ref().is_some_and(is_other) {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        true
    }
}

type Change = Box<dyn FnOnce(&mut World) + Send>;

type EveryChange = Box<dyn FnMut(&mut World) + Send>;

struct Hook {
    place: Place,
    change: Option<Change>,
}

/// The armed faults and hooks.
#[derive(Default)]
pub(super) struct Script {
    faults: Vec<Fault>,
    hooks: Vec<Hook>,
    always: Option<EveryChange>,
}

impl Script {
    pub(super) fn arm(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    pub(super) fn clear(&mut self) {
        self.faults.clear();
    }

    pub(super) fn hook_page(&mut self, path: &str, page: usize, change: Change) {
        let mut place = Place::new(path, Match::Whole);
        place.page = Some(page);
        self.hooks.push(Hook { place, change: Some(change) });
    }

    pub(super) fn hook_request(&mut self, prefix: &str, nth: u32, change: Change) {
        let mut place = Place::new(prefix, Match::Prefix);
        place.skip = nth.saturating_sub(1);
        self.hooks.push(Hook { place, change: Some(change) });
    }

    /// Replaces the hook of every request; `None`: the world is left quiet.
    pub(super) fn hook_all(&mut self, change: Option<EveryChange>) {
        self.always = change;
    }

    /// Runs the hooks that waited for this request, each once, and the one of every request.
    pub(super) fn run_hooks(&mut self, path: &str, page: Option<usize>, world: &mut World) {
        if let Some(change) = &mut self.always {
            change(world);
        }
        for hook in &mut self.hooks {
            if hook.place.met(path, page, "")
                && let Some(change) = hook.change.take()
            {
                change(world);
            }
        }
        self.hooks.retain(|hook| hook.change.is_some());
    }

    /// What goes wrong with this request: the fault armed first wins.
    pub(super) fn strike(&mut self, path: &str, page: Option<usize>, access: &str) -> Option<What> {
        let met = |fault: &mut Fault| fault.place.met(path, page, access);
        let fault = self.faults.iter_mut().find_map(|fault| met(fault).then_some(fault))?;
        let what = fault.what.clone();
        if let Some(left) = &mut fault.lasts {
            *left = left.saturating_sub(1);
        }
        self.faults.retain(|fault| fault.lasts != Some(0));
        Some(what)
    }
}
