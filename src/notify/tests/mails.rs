//! Mails, before they are sent.

use super::*;
use crate::config::{Email, Tls};

fn email() -> Email {
    Email {
        host: "smtp.city.example".into(),
        port: 587,
        tls: Tls::StartTls,
        login: None,
        from: "sync@city.example".parse().unwrap(),
        to: vec!["ops@city.example".parse().unwrap(), "office@city.example".parse().unwrap()],
    }
}

fn mail(notice: &Notice, delivery: &str) -> String {
    let message = mail::message(&email(), &Told::new(notice, delivery), at("2027-03-01T06:00:09Z")).unwrap();
    String::from_utf8(message.formatted()).unwrap().replace("\r\n", "\n")
}

fn header<'a>(mail: &'a str, name: &str) -> &'a str {
    let (head, _) = mail.split_once("\n\n").unwrap();
    head.lines()
        .find_map(|line| line.strip_prefix(&format!("{name}: ")))
        .unwrap_or_else(|| panic!("{name}: {head}"))
}

#[test]
fn a_mail_says_what_is_so_what_to_do_and_since_when() {
    let mail = mail(&notice(), "d-17");
    let (_, text) = mail.split_once("\n\n").unwrap();
    let expected = "\
WARN key expires soon: city

What to do: ClearPoint > System Settings > API Keys > Edit

key: Integration
expires: 2027-03-31
days_left: 30
mapped_user: reporting@city.example

Since 2027-03-01T06:00:00Z

-- \n\
clearpoint-sync 0.1.0, warning city/key_expiring/key 2027-03-31
";
    assert_eq!(text, expected);
    assert_eq!(header(&mail, "Subject"), "[clearpoint-sync] WARN key expires soon: city");
    assert_eq!(header(&mail, "From"), "clearpoint-sync <sync@city.example>");
    assert_eq!(header(&mail, "To"), "ops@city.example, office@city.example");
    assert_eq!(header(&mail, "Auto-Submitted"), "auto-generated");
    assert_eq!(header(&mail, "Date"), "Mon, 01 Mar 2027 06:00:09 +0000");
}

#[test]
fn a_delivery_has_one_message_id_and_a_warning_one_thread() {
    let first = mail(&notice(), "d-17");
    let again = mail(&notice(), "d-17");
    let over = mail(&later(&notice(), Phase::Resolved, Severity::Warn, at("2027-03-20T08:00:00Z")), "d-18");
    assert_eq!(header(&first, "Message-ID"), header(&again, "Message-ID"));
    assert_ne!(header(&first, "Message-ID"), header(&over, "Message-ID"));
    assert_eq!(header(&first, "References"), header(&over, "References"));
    assert_eq!(header(&first, "References"), header(&over, "In-Reply-To"));
    assert_eq!(header(&over, "Subject"), "[clearpoint-sync] RESOLVED key expires soon: city");
    let next_year = Notice { raised_at: at("2028-03-01T06:00:00Z"), ..notice() };
    assert_ne!(header(&first, "References"), header(&mail(&next_year, "d-19"), "References"));
}

#[test]
fn no_text_becomes_a_header() {
    let usual = mail(&notice(), "d-17");
    let mut notice = hostile();
    notice.warning.message = "x\r\nBcc: all@city.example\r\n\r\n<b>".into();
    let mail = mail(&notice, "d\r\nBcc: all@city.example");
    let names = |mail: &str| -> Vec<String> {
        let (head, _) = mail.split_once("\n\n").unwrap();
        let fresh = head.lines().filter(|line| !line.starts_with(' '));
        let mut names: Vec<_> = fresh.map(|line| line.split_once(':').unwrap().0.to_owned()).collect();
        names.retain(|name| name != "Content-Transfer-Encoding");
        names
    };
    assert_eq!(names(&mail), names(&usual));
    assert!(mail.lines().all(|line| line.len() <= 998), "a line of a mail is too long");
}
