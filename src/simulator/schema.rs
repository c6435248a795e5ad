//! The fields of each kind, as far as a third-party reference lists them, and whether the list row,
//! the single read or both carry them.

/// Where a field is shown when list rows are poorer than single reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    Both,
    List,
    Single,
}

/// What sort of value a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// The element's own id.
    Id,
    /// The scorecard of the row.
    Home,
    /// The id of something else.
    Reference {
        from: i64,
        span: i64,
    },
    Name,
    Words,
    Html,
    Choice(&'static [&'static str]),
    /// This very JSON.
    Literal(&'static str),
    Flag,
    Number {
        below: u32,
    },
    /// A decimal number, now and then `null`.
    Decimal,
    LastEdited,
    Day,
    /// An instant that moves with every read where volatile fields are switched on.
    VolatileTime,
    /// A word that does likewise.
    VolatileState,
    Email,
    /// An object with an address whose query is a signature.
    SignedLink,
}

type Field = (&'static str, Shown, Sort);

use Shown::{Both, List, Single};
use Sort::{
    Choice, Day, Decimal, Email, Flag, Home, Html, Id, LastEdited, Literal, Name, Number, Reference,
    SignedLink, VolatileState, VolatileTime, Words,
};

const OWNER: Sort = Reference { from: 40_001, span: 40 };
const PERIOD: Sort = Reference { from: 312_401, span: 24 };
const OBJECT: Sort = Choice(&["objective", "measure", "initiative", "actionItem", "risk"]);
const FILE_TYPE: Sort = Choice(&["pdf", "xlsx", "docx", "png"]);

const ELEMENT: &[Field] = &[
    ("objectId", Both, Id),
    ("name", Both, Name),
    ("type", List, Choice(&["Outcome", "Driver", "Milestone", "Compliance"])),
    ("description", Single, Html),
    ("scorecardId", Both, Home),
    ("ownerId", Both, OWNER),
    ("completed", Both, Flag),
    ("favorite", Both, Flag),
    ("lastEdited", Both, LastEdited),
];
const SCORECARD: &[Field] = &[
    ("scorecardId", Both, Id),
    ("name", Both, Name),
    ("active", Both, Literal("true")),
    ("archived", Both, Literal("false")),
    ("favorite", Both, Flag),
    ("ownerId", Both, OWNER),
    ("periodId", List, PERIOD),
    ("mission", Single, Html),
    ("vision", Both, Words),
];
const GOAL: &[Field] = &[
    ("goalId", Both, Id),
    ("name", Both, Name),
    ("object", List, OBJECT),
    ("description", Single, Html),
    ("ownerId", Both, OWNER),
    ("completed", Both, Flag),
    ("percentComplete", Both, Number { below: 101 }),
    ("periodId", Both, PERIOD),
    ("statusId", Both, Reference { from: 7_101, span: 6 }),
    ("lastEdited", Both, LastEdited),
];
const USER: &[Field] = &[
    ("userId", Both, Id),
    ("firstName", Both, Choice(&["Ada", "Grace", "Łukasz", "José", "Mary"])),
    ("lastName", Both, Choice(&["Byron", "Hopper", "Nowak", "Peña", "Jackson"])),
    ("fullName", Both, Name),
    ("email", Both, Email),
    ("title", Both, Choice(&["Analyst", "Director", "Planner"])),
    ("department", Both, Choice(&["Finance", "Public Works", "Parks & Recreation"])),
    ("lastLoginDate", Both, VolatileTime),
];
const GROUP: &[Field] = &[
    ("groupId", Both, Id),
    ("name", Both, Name),
    ("active", Both, Flag),
    ("dashboardAccess", Both, Flag),
    ("sortOrder", Both, Number { below: 50 }),
    ("layoutAccess", Both, Literal(r#"{"view":true}"#)),
    ("templateAccess", Both, Literal("{}")),
    ("users", Both, Literal(r#"[{"userId":40001},{"userId":40003}]"#)),
];
const NOTIFICATION: &[Field] = &[
    ("notificationId", Both, Id),
    ("name", Both, Name),
    ("object", Both, OBJECT),
    ("userId", Both, OWNER),
    ("periodOffset", Both, Number { below: 4 }),
    ("sortOrder", List, Number { below: 50 }),
    ("notification", List, Literal(r#"{"email":true}"#)),
    ("elements", List, Literal("[]")),
    ("action", Single, Choice(&["email", "none"])),
    ("criteria", Single, Choice(&["status changed", "late update"])),
    ("detectionType", Single, Choice(&["any", "all"])),
];
const SCHEDULE: &[Field] = &[
    ("scheduleId", Both, Id),
    ("name", Both, Name),
    ("active", Both, Flag),
    ("enabled", Both, Flag),
    ("recurrence", Both, Choice(&["daily", "weekly", "monthly"])),
    ("state", Both, VolatileState),
    ("lastRun", Both, VolatileTime),
    ("nextRun", Both, VolatileTime),
];
const REPORT: &[Field] = &[
    ("reportId", Both, Id),
    ("name", Both, Name),
    ("format", Both, Choice(&["pdf", "pptx", "xlsx"])),
    ("periodId", Both, PERIOD),
    ("templateId", Both, Reference { from: 5_001, span: 9 }),
    ("zoom", Both, Number { below: 200 }),
    ("fileCount", List, Number { below: 5 }),
    ("files", List, Literal("[]")),
    ("viewportWidth", Single, Number { below: 2_000 }),
    ("zipOnly", Single, Flag),
];
const ATTACHMENT: &[Field] = &[
    ("attachmentId", Both, Id),
    ("name", Both, Name),
    ("filename", Both, Choice(&["plan.pdf", "budget 2026.xlsx", "r\u{e9}sum\u{e9}.docx"])),
    ("filetype", Both, FILE_TYPE),
    ("fileExists", Both, Flag),
    ("object", Both, OBJECT),
    ("objectId", Both, Reference { from: 2_000_001, span: 50 }),
    ("uploadDate", List, Day),
    ("link", Single, SignedLink),
];
const FILE: &[Field] = &[
    ("fileId", Both, Id),
    ("name", Both, Name),
    ("fileName", Both, Choice(&["minutes.docx", "map.png"])),
    ("filetype", Both, FILE_TYPE),
    ("fileExists", Single, Flag),
    ("scorecardId", Both, Home),
    ("userId", Both, OWNER),
    ("uploadDate", Both, Day),
    ("link", Single, SignedLink),
];
/// A kind that nobody listed the fields of.
const OTHER: &[Field] = &[("id", Both, Id), ("name", Both, Name), ("lastEdited", Both, LastEdited)];

/// The fields of a kind, in the order they are written.
pub(super) fn schema(kind: &str) -> &'static [Field] {
    match kind {
        "scorecards" => SCORECARD,
        "objectives" | "measures" | "initiatives" | "action_items" | "risks" => ELEMENT,
        "goals" => GOAL,
        "users" => USER,
        "groups" => GROUP,
        "notifications" => NOTIFICATION,
        "schedules" => SCHEDULE,
        "reports" => REPORT,
        "attachments" => ATTACHMENT,
        "files" => FILE,
        _ => OTHER,
    }
}

const CUSTOM: &[(&str, Sort)] = &[
    ("customField1", Words),
    ("customField2", Decimal),
    ("customField3", Day),
    ("customField4", Choice(&["High", "Medium", "Low"])),
    ("customField5", Literal("null")),
    ("customField6", Words),
    ("customField7", Decimal),
    ("customField8", Flag),
    ("customField9", Literal("\"\"")),
    ("customField10", OWNER),
    ("Strategic Theme", Choice(&["Safe City", "Growth", "Trust"])),
    ("Budget (USD)", Decimal),
    ("% spent", Number { below: 100 }),
    ("Start Date", Day),
    ("End Date", Day),
    ("customField16", Literal("null")),
    ("customField17", Words),
    ("customField18", Literal("[]")),
    ("customField19", Decimal),
    ("customField20", Flag),
    ("customField21", Literal("null")),
    ("customField22", Choice(&["Yes", "No", "N/A"])),
    ("customField23", Number { below: 10 }),
    ("customField24", Day),
    ("customField25", Literal("null")),
    ("customField26", Words),
    ("customField27", Decimal),
    ("Größe", Number { below: 9 }),
    ("customField29", Literal("{\"colour\":\"#2e7d32\"}")),
    ("customField30", Literal("\"\"")),
];

/// The custom fields of a kind: the customer's own, so any name goes.
pub(super) fn custom_fields(kind: &str) -> &'static [(&'static str, Sort)] {
    match kind {
        "objectives" | "measures" | "initiatives" | "action_items" | "risks" | "goals" => CUSTOM,
        _ => &[],
    }
}
