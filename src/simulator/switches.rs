//! One switch for each open question of the API: nobody has run a call against the live service, so
//! the pull must work whichever way each of them falls. The defaults are the plainest answers.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use crate::stamp::StampFormat;

/// How the simulated server answers what nobody knows of the real one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switches {
    /// What a list stands in.
    pub envelope: Envelope,
    /// What a single read stands in.
    pub single: SingleEnvelope,
    /// Whether an envelope tells totals, and whether they are right.
    pub totals: Totals,
    /// Whether `page`, `start` and `count` are heeded.
    pub paging: PagingHeed,
    /// What comes past the last page.
    pub end: End,
    /// In which order rows are listed.
    pub order: Order,
    /// `count` where the request names none.
    pub count_default: usize,
    /// The largest `count` the server takes, and what it does above it.
    pub count_max: Option<CountMax>,
    /// The most rows a list without paging shows.
    pub unpaged_max: Option<usize>,
    /// What the `lastEdited` filter means.
    pub filter: Filter,
    /// How `lastEdited` is written and read.
    pub stamp: StampFormat,
    /// Whether `MM/DD/YYYY` and `DD/MM/YYYY` carry a time of day.
    pub stamp_has_time: bool,
    /// Whether the `email` filter of `/users` is heeded.
    pub email_filter: bool,
    /// How ids and references are written.
    pub ids: Ids,
    /// Whether list rows are poorer than single reads.
    pub rows: Rows,
    /// Which fields change at every read.
    pub volatile: Volatile,
    /// How an element in several visible scorecards is listed.
    pub duplicates: Duplicates,
    /// What a key that is wrong, expired or deleted gets.
    pub refused: Refused,
    /// The status of a single read of an element that the user may not see.
    pub hidden_status: u16,
    /// The status of a single read of a deleted element.
    pub deleted_status: u16,
    /// Whether bodies are gzipped for clients that take it.
    pub gzip: bool,
    /// What `measureData` looks like.
    pub measure_data: MeasureDataShape,
    /// Kinds (our names) that this server does not offer, and what it answers instead.
    pub unavailable: BTreeMap<String, Unavailable>,
    /// How far the `Date` header is off.
    pub date_skew: TimeDelta,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            envelope: Envelope::ListName,
            single: SingleEnvelope::Bare,
            totals: Totals::None,
            paging: PagingHeed::Heeded,
            end: End::Empty,
            order: Order::IdAscending,
            count_default: 25,
            count_max: None,
            unpaged_max: None,
            filter: Filter::Since,
            stamp: StampFormat::IsoZoned,
            stamp_has_time: true,
            email_filter: true,
            ids: Ids::Number,
            rows: Rows::Full,
            volatile: Volatile::Still,
            duplicates: Duplicates::Never,
            refused: Refused::Unauthorized,
            hidden_status: 403,
            deleted_status: 404,
            gzip: false,
            measure_data: MeasureDataShape::PeriodRows,
            unavailable: BTreeMap::new(),
            date_skew: TimeDelta::zero(),
        }
    }
}

/// What a list stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Envelope {
    /// `[…]`; it has no place for totals.
    Bare,
    /// `{"measures":[…]}`
    ListName,
    /// `{"data":[…]}`
    Data,
    /// `{"results":[…]}`
    Results,
    /// `{"data":{"measures":[…]}}`
    Nested,
}

impl Envelope {
    /// Every envelope, for tests that try them all.
    pub const ALL: [Self; 5] = [Self::Bare, Self::ListName, Self::Data, Self::Results, Self::Nested];
}

/// What a single read stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SingleEnvelope {
    /// The element itself.
    Bare,
    /// `{"data":{…}}`
    Data,
    /// `{"measure":{…}}`
    Name,
}

/// Whether an envelope tells totals (`totalCount`, `pageCount`), and whether they are right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Totals {
    /// None are told.
    None,
    /// The number of elements, each counted once.
    Elements,
    /// The number of rows: an element listed twice counts twice.
    Rows,
    /// The number of elements, off by this much.
    OffBy(i64),
}

/// Whether `page`, `start` and `count` are heeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PagingHeed {
    /// As documented.
    Heeded,
    /// `count` is, `page` and `start` are not: every page is the first.
    OnlyCount,
    /// Neither is: every answer is the whole list.
    Ignored,
}

/// What comes past the last page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// An empty list.
    Empty,
    /// 404.
    NotFound,
    /// `null`.
    Null,
    /// The last page again.
    LastAgain,
}

/// In which order rows are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// Oldest element first.
    IdAscending,
    /// Newest element first: an insert shifts all pages.
    IdDescending,
    /// Last edited first: every edit shifts pages.
    LastEditedFirst,
}

/// The largest `count` the server takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountMax {
    /// That many rows a page.
    pub rows: usize,
    /// What happens to a request for more.
    pub over: Over,
}

/// What a `count` over the largest one gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// Fewer rows; page p starts where pages of the smaller size put it.
    CappedOffsets,
    /// Fewer rows; page p starts where pages of the size asked for put it, so rows between are
    /// never shown.
    AskedOffsets,
    /// 400.
    Refused,
}

/// What the `lastEdited` filter means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// Edited at that instant or later.
    Since,
    /// Edited later than that instant.
    After,
    /// Edited on that very day.
    OnDay,
    /// Nothing: all rows come.
    Ignored,
    /// 400.
    Refused,
}

/// How ids and references are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ids {
    /// `1522940`
    Number,
    /// `"1522940"`
    Text,
}

/// Whether list rows are poorer than single reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// They carry the same fields.
    Full,
    /// A list row lacks descriptions, links and custom fields.
    Poorer,
}

/// Which fields change at every read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Volatile {
    /// None.
    Still,
    /// Those the catalogue knows of, and signed links.
    Known,
    /// Those, and a `viewCount` that nobody knows of.
    Unknown,
}

/// How an element in several visible scorecards is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Duplicates {
    /// Once.
    Never,
    /// Once per scorecard, the further rows at the end of the list, all of them equal.
    SameRow,
    /// Likewise, each with the `scorecardId` it is placed in.
    OwnScorecard,
}

/// What a refused key gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// 401.
    Unauthorized,
    /// 403.
    Forbidden,
    /// 200 with an error body that says 401.
    ErrorBody,
    /// 302 to `/login`.
    Redirect,
    /// 200 with the login page.
    LoginPage,
}

impl Refused {
    /// Every way to refuse a key, for tests that try them all.
    pub const ALL: [Self; 5] =
        [Self::Unauthorized, Self::Forbidden, Self::ErrorBody, Self::Redirect, Self::LoginPage];
}

/// What `measureData` looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeasureDataShape {
    /// One row a period, one key a series.
    PeriodRows,
    /// One object a series, with its values by period.
    SeriesWithValues,
    /// Column names, then rows of cells.
    ColumnsAndRows,
    /// Nothing anyone could read values from.
    Unrecognisable,
}

/// What a kind that the server does not offer answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unavailable {
    /// This status, with an error body.
    Status(u16),
    /// 204.
    NoContent,
    /// 200 with an empty body.
    EmptyBody,
    /// 200 with `null`.
    Null,
}
